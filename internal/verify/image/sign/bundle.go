package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/sign"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
)

const (
	// maxBundle is what the verifier reads of a bundle; a longer one would be
	// written for nobody.
	maxBundle = 8 << 20
	// maxAround is what a bundle has beside its statement, with room to spare.
	maxAround = 64 << 10
)

const (
	bundleType          = "application/vnd.dev.sigstore.bundle"
	predicateAnnotation = "dev.sigstore.bundle.predicateType"
)

// Bundle signs a statement about img and returns it as Sigstore bundle, in JSON.
// Nothing is read or written but the services that the signer asks.
func Bundle(ctx context.Context, img verify.Image, c Claim, by *Signer) ([]byte, error) {
	text, err := statement(img, c)
	if err != nil {
		return nil, err
	}
	return seal(ctx, text, by)
}

func seal(ctx context.Context, text []byte, by *Signer) ([]byte, error) {
	message, err := by.bundle(ctx, &sign.DSSEData{Data: text, PayloadType: bundle.IntotoMediaType})
	if err != nil {
		return nil, err
	}
	b, err := bundle.NewBundle(message)
	if err != nil {
		return nil, fmt.Errorf("check bundle: %w", err)
	}
	data, err := b.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode bundle: %w", err)
	}
	if len(data) > maxBundle {
		return nil, fmt.Errorf("the bundle would have %d bytes, and no more than %d are read when it is verified", len(data), maxBundle)
	}
	return data, nil
}

// attached reports whether the signer's key has signed this very statement
// before. What is flawed does not count.
func (at place) attached(ctx context.Context, text []byte, predicateType string, by *Signer) (bool, error) {
	if by.keyless() {
		return false, nil
	}
	referrers, err := at.repo.Referrers(ctx, at.img.Digest)
	if err != nil {
		return false, err
	}
	for _, r := range referrers[:min(len(referrers), maxListed)] {
		if kind := r.Annotations[predicateAnnotation]; kind != "" && kind != predicateType {
			continue
		}
		// Ours holds the statement in base64; a longer one is by somebody else.
		data, err := at.referrer(ctx, r.Digest.String(), int64(2*len(text)+maxAround))
		if errors.Is(err, images.ErrNotFound) || errors.Is(err, images.ErrTooLarge) {
			continue
		}
		if err != nil {
			return false, err
		}
		if by.signed(data, text) {
			return true, nil
		}
	}
	return false, nil
}

// referrer reads the bundle in a manifest, if it has at most limit bytes; nil if
// it holds none.
func (at place) referrer(ctx context.Context, digest string, limit int64) ([]byte, error) {
	manifest, err := at.repo.ManifestAt(ctx, digest)
	if err != nil {
		return nil, err
	}
	if len(manifest.Layers) != 1 || !strings.HasPrefix(string(manifest.Layers[0].MediaType), bundleType) {
		return nil, nil
	}
	return at.repo.Content(ctx, manifest.Layers[0], limit)
}

// signed reports whether a bundle is this statement, signed by this key. It need
// not be convincing in any other way: at worst it is written again, or the
// verifier says what is wrong with it.
func (s *Signer) signed(data, text []byte) bool {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(data); err != nil {
		return false
	}
	envelope := b.GetDsseEnvelope()
	if b.GetVerificationMaterial().GetPublicKey() == nil || len(envelope.GetSignatures()) != 1 || !bytes.Equal(envelope.GetPayload(), text) {
		return false
	}
	return s.made(dsse.PAE(envelope.GetPayloadType(), text), envelope.GetSignatures()[0].GetSig())
}

func (s *Signer) made(data, signature []byte) bool {
	return s.key.VerifySignature(bytes.NewReader(signature), bytes.NewReader(data)) == nil
}

func decode(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil // no key has signed that
	}
	return data
}

func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }
