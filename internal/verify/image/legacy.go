package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

const (
	simpleSigning   = "application/vnd.dev.cosign.simplesigning.v1+json"
	dsseEnvelope    = "application/vnd.dsse.envelope.v1+json"
	predicateClaim  = "predicateType"
	signatureSuffix = ".sig"
	// attestationSuffix of the tag that holds statements in the legacy format.
	attestationSuffix = ".att"
)

// listLegacy reads cosign's first format: a manifest under a tag made of the
// image's digest, each layer one payload, with the signature as annotation.
func listLegacy(ctx context.Context, repo *images.Repository, img verify.Image, at policy.Source) ([]exhibit, error) {
	layers, err := listLayers(ctx, repo, img, at.TagPrefix, signatureSuffix)
	var exhibits []exhibit
	for _, layer := range layers {
		exhibits = append(exhibits, exhibit{kind: signPredicate, read: func(ctx context.Context) (*evidence, error) {
			return readLegacy(ctx, repo, layer)
		}})
	}
	return exhibits, err
}

// listAttestations reads statements of the same format, each layer an envelope
// that holds statement and signature.
func listAttestations(ctx context.Context, repo *images.Repository, img verify.Image, at policy.Source) ([]exhibit, error) {
	layers, err := listLayers(ctx, repo, img, at.TagPrefix, attestationSuffix)
	var exhibits []exhibit
	for _, layer := range layers {
		exhibits = append(exhibits, exhibit{kind: layer.Annotations[predicateClaim], read: func(ctx context.Context) (*evidence, error) {
			return readEnvelope(ctx, repo, layer)
		}})
	}
	return exhibits, err
}

// listLayers returns the newest first: signers append.
func listLayers(ctx context.Context, repo *images.Repository, img verify.Image, prefix, suffix string) ([]v1.Descriptor, error) {
	manifest, err := repo.Manifest(ctx, prefix+strings.Replace(img.Digest, ":", "-", 1)+suffix)
	if errors.Is(err, images.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read signature manifest: %w", err)
	}
	slices.Reverse(manifest.Layers)
	return manifest.Layers, nil
}

func readLegacy(ctx context.Context, repo *images.Repository, layer v1.Descriptor) (*evidence, error) {
	signed, err := parseSignature(layer)
	if err != nil {
		return nil, err
	}
	text, err := repo.Blob(ctx, layer.Digest, maxPayload)
	if err != nil {
		return nil, fmt.Errorf("read signed payload: %w", err)
	}
	return newLayered(layer.Annotations, bundle.NewMessageSignature(hashPayload(text), payloadHash, signed), text)
}

func readEnvelope(ctx context.Context, repo *images.Repository, layer v1.Descriptor) (*evidence, error) {
	if layer.MediaType != dsseEnvelope {
		return nil, flawed("a layer of type %q is no attestation", layer.MediaType)
	}
	if layer.Size <= 0 || layer.Size > maxEnvelope {
		return nil, flawed("an attestation has %d bytes, at most %d are read", layer.Size, maxEnvelope)
	}
	text, err := repo.Blob(ctx, layer.Digest, maxEnvelope)
	if err != nil {
		return nil, fmt.Errorf("read attestation: %w", err)
	}
	if err := sparse(text); err != nil {
		return nil, err
	}
	envelope := &dsse.Envelope{}
	if err := json.Unmarshal(text, envelope); err != nil {
		return nil, flawed("an attestation is no JSON of an envelope: %v", err)
	}
	// The verifier reads the first signature; a second one nobody would check.
	if len(envelope.Signatures) != 1 {
		return nil, flawed("an attestation has %d signatures, one is read", len(envelope.Signatures))
	}
	e, err := newLayered(layer.Annotations, &bundle.Envelope{Envelope: envelope}, nil)
	if err != nil {
		return nil, err
	}
	e.digest = layer.Digest.String()
	return e, nil
}

// parseSignature is cheap and comes before the request for the payload.
func parseSignature(layer v1.Descriptor) ([]byte, error) {
	if layer.MediaType != simpleSigning {
		return nil, flawed("a layer of type %q is no signature", layer.MediaType)
	}
	if layer.Size <= 0 || layer.Size > maxPayload {
		return nil, flawed("a signed payload has %d bytes, at most %d are read", layer.Size, maxPayload)
	}
	text := layer.Annotations[signatureAnnotation]
	if text == "" || len(text) > maxSignature {
		return nil, flawed("a signature has %d characters, 1 to %d are read", len(text), maxSignature)
	}
	signed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, flawed("a signature is not base64: %v", err)
	}
	return signed, nil
}
