package corpus

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	cbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	cmutate "github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	cstatic "github.com/sigstore/cosign/v2/pkg/oci/static"
	ctypes "github.com/sigstore/cosign/v2/pkg/types"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

type certificate = x509.Certificate

const (
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
	spdx          = "https://spdx.dev/Document"
	provenance    = "https://slsa.dev/provenance/v1"
	intoto        = "application/vnd.in-toto+json"
	bundleType    = "application/vnd.dev.sigstore.bundle.v0.3+json"
	issuer        = "https://issuer.example.com"
	email         = "release@example.com"
)

func (m *maker) remote(o ...ociremote.Option) []ociremote.Option {
	return append([]ociremote.Option{ociremote.WithRemoteOptions(m.options...)}, o...)
}

// legacy signs claimed with k and stores it beside at, where those differ a lie.
func (m *maker) legacy(at, claimed name.Digest, k *key, cert *certificate, o ...ociremote.Option) error {
	claim, err := payload.Cosign{Image: claimed}.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode claim: %w", err)
	}
	signed, err := k.sign(claim)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	var with []cstatic.Option
	if cert != nil {
		if with, err = m.keyless(signed, cert); err != nil {
			return err
		}
	}
	layer, err := cstatic.NewSignature(claim, base64.StdEncoding.EncodeToString(signed), with...)
	if err != nil {
		return fmt.Errorf("encode signature: %w", err)
	}
	entity, err := cmutate.AttachSignatureToEntity(ociremote.SignedUnknown(at, m.remote(o...)...), layer)
	if err != nil {
		return fmt.Errorf("append signature: %w", err)
	}
	return ociremote.WriteSignatures(at.Repository, entity, m.remote(o...)...)
}

// keyless adds certificate, chain and a timestamp over the signature.
func (m *maker) keyless(signed []byte, cert *certificate) ([]cstatic.Option, error) {
	stamp, err := m.virtual.TimestampResponse(signed)
	if err != nil {
		return nil, fmt.Errorf("make timestamp: %w", err)
	}
	own, err := cryptoutils.MarshalCertificateToPEM(cert)
	if err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	chain, err := base64.StdEncoding.DecodeString(m.trustRoot()["spec"].(map[string]any)["sigstoreKeys"].(map[string]any)["certificateAuthorities"].([]any)[0].(map[string]any)["certChain"].(string))
	if err != nil {
		return nil, fmt.Errorf("encode chain: %w", err)
	}
	return []cstatic.Option{cstatic.WithCertChain(own, chain), cstatic.WithRFC3161Timestamp(&cbundle.RFC3161Timestamp{SignedRFC3161Timestamp: stamp})}, nil
}

// statement is an in-toto statement about digest.
func statement(digest name.Digest, predicateType string, predicate any) ([]byte, error) {
	return json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicateType, "predicate": predicate,
		"subject": []any{map[string]any{"name": digest.Repository.Name(), "digest": map[string]any{"sha256": strings.TrimPrefix(digest.DigestStr(), "sha256:")}}},
	})
}

// bundle attaches a statement to at, as cosign 3 does.
func (m *maker) bundle(at name.Digest, k *key, cert *certificate, predicateType string, predicate any) error {
	text, err := statement(at, predicateType, predicate)
	if err != nil {
		return fmt.Errorf("encode statement: %w", err)
	}
	var message *protobundle.Bundle
	if cert == nil {
		message, err = sign.Bundle(&sign.DSSEData{Data: text, PayloadType: intoto}, k, sign.BundleOptions{Context: m.ctx})
	} else {
		message, err = m.certified(text, k, cert)
	}
	if err != nil {
		return fmt.Errorf("make bundle: %w", err)
	}
	checked, err := bundle.NewBundle(message)
	if err != nil {
		return fmt.Errorf("check bundle: %w", err)
	}
	data, err := checked.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode bundle: %w", err)
	}
	return ociremote.WriteAttestationNewBundleFormat(at, data, predicateType, m.remote()...)
}

// certified makes a bundle with a certificate and a timestamp.
func (m *maker) certified(text []byte, k *key, cert *certificate) (*protobundle.Bundle, error) {
	signed, err := k.sign(preAuth(text))
	if err != nil {
		return nil, err
	}
	stamp, err := m.virtual.TimestampResponse(signed)
	if err != nil {
		return nil, err
	}
	return &protobundle.Bundle{
		MediaType: bundleType,
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content: &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: cert.Raw}},
			TimestampVerificationData: &protobundle.TimestampVerificationData{
				Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp}},
			},
		},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: text, PayloadType: intoto, Signatures: []*protodsse.Signature{{Sig: signed}},
		}},
	}, nil
}

// preAuth is what a DSSE signature is made over.
func preAuth(text []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(intoto), intoto, len(text), text)
}

// attest attaches a statement in the legacy format.
func (m *maker) attest(at name.Digest, k *key, predicateType string, predicate any) error {
	text, err := statement(at, predicateType, predicate)
	if err != nil {
		return fmt.Errorf("encode statement: %w", err)
	}
	signed, err := k.sign(preAuth(text))
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	envelope, err := json.Marshal(map[string]any{
		"payloadType": intoto, "payload": base64.StdEncoding.EncodeToString(text),
		"signatures": []any{map[string]any{"keyid": "", "sig": base64.StdEncoding.EncodeToString(signed)}},
	})
	if err != nil {
		return fmt.Errorf("encode envelope: %w", err)
	}
	layer, err := cstatic.NewAttestation(envelope, cstatic.WithLayerMediaType(ctypes.DssePayloadType),
		cstatic.WithAnnotations(map[string]string{"predicateType": predicateType}))
	if err != nil {
		return fmt.Errorf("encode attestation: %w", err)
	}
	entity, err := cmutate.AttachAttestationToEntity(ociremote.SignedUnknown(at, m.remote()...), layer)
	if err != nil {
		return fmt.Errorf("append attestation: %w", err)
	}
	return ociremote.WriteAttestations(at.Repository, entity, m.remote()...)
}
