package image

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// Sign writes a signature for img, which must exist, beside it: as bundle, or in
// the legacy format for verifiers that know no bundles. If a signature by this
// key is there already, nothing is written.
func Sign(ctx context.Context, registry *images.Registry, img verify.Image, key *Signer, f policy.Format) error {
	img, err := registry.Resolve(ctx, img.String(), verify.Subject{})
	if err != nil {
		return err
	}
	if err := registry.Look(ctx, img, verify.Subject{}); err != nil {
		return err
	}
	repo, err := registry.Open(ctx, img.Repository, verify.Subject{})
	if err != nil {
		return images.Explain(err, img.String())
	}
	write, known := map[policy.Format]func(context.Context, *images.Repository, name.Digest, *Signer) error{
		policy.Legacy: writeLegacy, policy.Bundle: writeBundle,
	}[f]
	if !known {
		return fmt.Errorf("sign image %s: format %q is neither legacy nor bundle", img, f)
	}
	signed, err := signedBy(ctx, repo, img, key, f)
	if err != nil {
		return fmt.Errorf("look for a signature of image %s: %w", img, err)
	}
	if signed {
		return nil
	}
	digest, err := name.NewDigest(img.String())
	if err != nil {
		return fmt.Errorf("sign image %s: %w", img, err)
	}
	if err := write(ctx, repo, digest, key); err != nil {
		return fmt.Errorf("sign image %s: %w", img, err)
	}
	return nil
}

// signedBy looks as the verifier does. What is flawed does not count.
func signedBy(ctx context.Context, repo *images.Repository, img verify.Image, key *Signer, f policy.Format) (bool, error) {
	for _, s := range sources() {
		if s.format != f {
			continue
		}
		exhibits, err := s.list(ctx, repo, img)
		if err != nil {
			return false, err
		}
		for _, read := range exhibits[:min(len(exhibits), maxSignatures)] {
			e, err := read(ctx)
			if _, bad := asFlaw(err); bad {
				continue
			}
			if err != nil {
				return false, err
			}
			if got, _ := e.check(key.key); got == good {
				return true, nil
			}
		}
	}
	return false, nil
}

func (s *Signer) sign(data []byte) ([]byte, error) {
	signed, err := s.key.SignMessage(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", s.fingerprint, err)
	}
	return signed, nil
}

func writeLegacy(ctx context.Context, repo *images.Repository, digest name.Digest, key *Signer) error {
	claim, err := payload.Cosign{Image: digest}.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode claim: %w", err)
	}
	signed, err := key.sign(claim)
	if err != nil {
		return err
	}
	layer, err := static.NewSignature(claim, base64.StdEncoding.EncodeToString(signed))
	if err != nil {
		return fmt.Errorf("encode signature: %w", err)
	}
	options := ociremote.WithRemoteOptions(repo.WriteOptions(ctx)...)
	entity, err := mutate.AttachSignatureToEntity(ociremote.SignedUnknown(digest, options), layer)
	if err != nil {
		return fmt.Errorf("append signature: %w", err)
	}
	if err := ociremote.WriteSignatures(digest.Repository, entity, options); err != nil {
		return fmt.Errorf("write signature: %w", err)
	}
	return nil
}

// statement is what cosign signs by default: in-toto, with the image as its only
// subject and nothing to add.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     struct{}  `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

func writeBundle(ctx context.Context, repo *images.Repository, digest name.Digest, key *Signer) error {
	data, err := makeBundle(ctx, digest, signPredicate, key)
	if err != nil {
		return err
	}
	options := ociremote.WithRemoteOptions(repo.WriteOptions(ctx)...)
	if err := ociremote.WriteAttestationNewBundleFormat(digest, data, signPredicate, options); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

func makeBundle(ctx context.Context, digest name.Digest, predicate string, key *Signer) ([]byte, error) {
	text, err := json.Marshal(statement{
		Type:          "https://in-toto.io/Statement/v1",
		Subject:       []subject{{Name: digest.Repository.Name(), Digest: map[string]string{"sha256": strings.TrimPrefix(digest.DigestStr(), "sha256:")}}},
		PredicateType: predicate,
	})
	if err != nil {
		return nil, fmt.Errorf("encode statement: %w", err)
	}
	content := &sign.DSSEData{Data: text, PayloadType: bundle.IntotoMediaType}
	message, err := sign.Bundle(content, key, sign.BundleOptions{Context: ctx})
	if err != nil {
		return nil, fmt.Errorf("make bundle: %w", err)
	}
	b, err := bundle.NewBundle(message)
	if err != nil {
		return nil, fmt.Errorf("check bundle: %w", err)
	}
	data, err := b.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode bundle: %w", err)
	}
	return data, nil
}
