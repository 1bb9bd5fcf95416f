package image

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
)

const (
	simpleSigning       = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
)

// listLegacy reads cosign's first format: a manifest under a tag made of the
// image's digest, each layer one payload, with the signature as annotation.
// Certificates and log entries in other annotations play no role for a key, and
// are not even parsed: parsers of those have crashed before.
func listLegacy(ctx context.Context, repo *images.Repository, img verify.Image) ([]exhibit, error) {
	manifest, err := repo.Manifest(ctx, strings.Replace(img.Digest, ":", "-", 1)+".sig")
	if errors.Is(err, images.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read signature manifest: %w", err)
	}
	var exhibits []exhibit
	// Signers append, so the newest signature is the last.
	for i := len(manifest.Layers) - 1; i >= 0; i-- {
		layer := manifest.Layers[i]
		exhibits = append(exhibits, func(ctx context.Context) (evidence, error) {
			return readLegacy(ctx, repo, img, layer)
		})
	}
	return exhibits, nil
}

func readLegacy(ctx context.Context, repo *images.Repository, img verify.Image, layer v1.Descriptor) (evidence, error) {
	signed, err := parseSignature(layer)
	if err != nil {
		return nil, err
	}
	text, err := repo.Blob(ctx, layer.Digest, maxPayload)
	if err != nil {
		return nil, fmt.Errorf("read signed payload: %w", err)
	}
	return &legacy{payload: text, signature: signed, digest: img.Digest}, nil
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

// legacy is a payload and the signature over it.
type legacy struct {
	payload, signature []byte
	digest             string
}

// check looks at the payload only after its signature: before, it is just text
// by somebody.
func (l *legacy) check(key signature.Verifier) (outcome, string) {
	if err := key.VerifySignature(bytes.NewReader(l.signature), bytes.NewReader(l.payload)); err != nil {
		return byOtherKey, ""
	}
	claim, err := guarded(func() (payload.Cosign, error) {
		claim := payload.Cosign{}
		return claim, claim.UnmarshalJSON(l.payload)
	})
	if err != nil {
		return ofOtherType, fmt.Sprintf("what the key signed is no image signature: %v", err)
	}
	if signed := claim.Image.DigestStr(); signed != l.digest {
		return forOtherImage, fmt.Sprintf("a signature by this key is for %s", signed)
	}
	return good, ""
}
