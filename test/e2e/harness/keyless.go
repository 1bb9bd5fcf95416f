package harness

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// SignPredicate is the predicate type of a statement that is a signature.
const SignPredicate = "https://sigstore.dev/cosign/sign/v1"

// SignKeyless signs an image in the name of anybody and stores the signature
// where cosign does: as a bundle with an entry of Rekor, or in the old format,
// which knows no Rekor of version 2, with a timestamp alone.
func (l *Lab) SignKeyless(ctx context.Context, image verify.Image, email string, format policy.Format) error {
	digest, err := name.NewDigest(image.String())
	if err != nil {
		return fmt.Errorf("parse image %s: %w", image, err)
	}
	if format == policy.Legacy {
		err = l.Sigstore.storeLegacy(ctx, digest, email)
	} else {
		err = l.Sigstore.storeBundle(ctx, digest, email)
	}
	if err != nil {
		return fmt.Errorf("sign %s as %s: %w", image, email, err)
	}
	return nil
}

func (s Sigstore) storeBundle(ctx context.Context, digest name.Digest, email string) error {
	signed, err := s.Bundle(ctx, digest, email, SignPredicate)
	if err != nil {
		return err
	}
	data, err := signed.MarshalJSON()
	if err != nil {
		return err
	}
	return ociremote.WriteAttestationNewBundleFormat(digest, data, SignPredicate, ociremote.WithRemoteOptions(remote.WithContext(ctx)))
}

// Bundle makes a statement about an image in the name of anybody, with a
// certificate of Fulcio, an entry of Rekor and a timestamp. It is a signature
// if its predicate type is SignPredicate.
func (s Sigstore) Bundle(ctx context.Context, digest name.Digest, email, predicate string) (*bundle.Bundle, error) {
	token, err := s.IdentityToken(ctx, email)
	if err != nil {
		return nil, err
	}
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return nil, err
	}
	statement, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": map[string]any{},
		"subject": []any{map[string]any{"name": digest.Repository.Name(), "digest": map[string]any{"sha256": strings.TrimPrefix(digest.DigestStr(), "sha256:")}}},
	})
	if err != nil {
		return nil, err
	}
	made, err := sign.Bundle(&sign.DSSEData{Data: statement, PayloadType: bundle.IntotoMediaType}, key, sign.BundleOptions{
		Context:                    ctx,
		CertificateProvider:        s.fulcio(),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
		TimestampAuthorities:       []*sign.TimestampAuthority{s.tsa()},
		TransparencyLogs:           []sign.Transparency{sign.NewRekor(&sign.RekorOptions{BaseURL: s.Rekor, Version: 2})},
	})
	if err != nil {
		return nil, err
	}
	return bundle.NewBundle(made)
}

func (s Sigstore) fulcio() *sign.Fulcio {
	return sign.NewFulcio(&sign.FulcioOptions{BaseURL: s.Fulcio})
}

func (s Sigstore) tsa() *sign.TimestampAuthority {
	return sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: s.TSA})
}

func (s Sigstore) storeLegacy(ctx context.Context, digest name.Digest, email string) error {
	claim, err := payload.Cosign{Image: digest}.MarshalJSON()
	if err != nil {
		return err
	}
	token, err := s.IdentityToken(ctx, email)
	if err != nil {
		return err
	}
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return err
	}
	leaf, err := s.fulcio().GetCertificate(ctx, key, &sign.CertificateProviderOptions{IDToken: token})
	if err != nil {
		return err
	}
	signed, _, err := key.SignData(ctx, claim)
	if err != nil {
		return err
	}
	stamp, err := s.tsa().GetTimestamp(ctx, signed)
	if err != nil {
		return err
	}
	chain, err := s.chain()
	if err != nil {
		return err
	}
	layer, err := static.NewSignature(claim, base64.StdEncoding.EncodeToString(signed), static.WithCertChain(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), chain),
		static.WithRFC3161Timestamp(&cosignbundle.RFC3161Timestamp{SignedRFC3161Timestamp: stamp}))
	if err != nil {
		return err
	}
	options := ociremote.WithRemoteOptions(remote.WithContext(ctx))
	entity, err := mutate.AttachSignatureToEntity(ociremote.SignedUnknown(digest, options), layer)
	if err != nil {
		return err
	}
	return ociremote.WriteSignatures(digest.Repository, entity, options)
}

// chain is what is above the certificates of Fulcio, as PEM.
func (s Sigstore) chain() ([]byte, error) {
	trusted, err := s.trusted()
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, a := range trusted.FulcioCertificateAuthorities() {
		if fulcio, ok := a.(*root.FulcioCertificateAuthority); ok {
			out = append(out, encoded(append(fulcio.Intermediates, fulcio.Root)...)...)
		}
	}
	return out, nil
}

func (s Sigstore) trusted() (*root.TrustedRoot, error) {
	data, err := s.TrustedRootJSON()
	if err != nil {
		return nil, err
	}
	trusted, err := root.NewTrustedRootFromJSON(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.TrustedRoot, err)
	}
	return trusted, nil
}

func encoded(certificates ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
