// Package sign writes what the verifier reads: signatures of images and signed
// statements about them, in both formats of cosign, by a key or by an identity.
package sign

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// Predicate is the type of the statement that is a signature and nothing else,
// as cosign writes it.
const Predicate = "https://sigstore.dev/cosign/sign/v1"

// maxListed bounds what is read to find out whether a signature is there
// already; the verifier reads no more per format.
const maxListed = 100

// Claim is what a statement says about an image: Type is the address that tells
// how to read it, Predicate is encoded as JSON.
type Claim struct {
	Type      string
	Predicate any
}

// place is an image and the way to its repository.
type place struct {
	img    verify.Image
	repo   *images.Repository
	digest name.Digest
}

// Sign writes a signature for img, which must exist, beside it: as bundle, or in
// the legacy format for verifiers that know no bundles. If a signature by this
// key is there already, nothing is written; who signs by identity has a new key
// each time, and a new signature.
func Sign(ctx context.Context, registry *images.Registry, img verify.Image, by *Signer, f policy.Format) error {
	at, err := open(ctx, registry, img)
	if err != nil {
		return err
	}
	switch f {
	case policy.Bundle:
		err = at.attach(ctx, Claim{Predicate, struct{}{}}, by)
	case policy.Legacy:
		err = at.writeLegacy(ctx, by)
	default:
		err = fmt.Errorf("format %q is neither legacy nor bundle", f)
	}
	if err != nil {
		return fmt.Errorf("sign image %s: %w", img, err)
	}
	return nil
}

// Attest attaches a signed statement about img, which must exist, as bundle.
// The same statement by the same key is written once.
func Attest(ctx context.Context, registry *images.Registry, img verify.Image, by *Signer, c Claim) error {
	at, err := open(ctx, registry, img)
	if err != nil {
		return err
	}
	if err := at.attach(ctx, c, by); err != nil {
		return fmt.Errorf("attest %s of image %s: %w", c.Type, img, err)
	}
	return nil
}

func open(ctx context.Context, registry *images.Registry, img verify.Image) (place, error) {
	img, err := registry.Resolve(ctx, img.String(), verify.Subject{})
	if err != nil {
		return place{}, err
	}
	if err := registry.Look(ctx, img, verify.Subject{}); err != nil {
		return place{}, err
	}
	repo, err := registry.Open(ctx, img.Repository, verify.Subject{})
	if err != nil {
		return place{}, images.Explain(err, img.String())
	}
	digest, err := name.NewDigest(img.String())
	if err != nil {
		return place{}, fmt.Errorf("sign image %s: %w", img, err)
	}
	return place{img, repo, digest}, nil
}

func (at place) attach(ctx context.Context, c Claim, by *Signer) error {
	text, err := statement(at.img, c)
	if err != nil {
		return err
	}
	attached, err := at.attached(ctx, text, c.Type, by)
	if err != nil {
		return fmt.Errorf("look what is attached: %w", err)
	}
	if attached {
		return nil
	}
	data, err := seal(ctx, text, by)
	if err != nil {
		return err
	}
	options := ociremote.WithRemoteOptions(at.repo.WriteOptions(ctx)...)
	if err := ociremote.WriteAttestationNewBundleFormat(at.digest, data, c.Type, options); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// inToto is a statement about one image.
type inToto struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     any       `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// statement is what cosign signs by default: in-toto, with the image as its only
// subject.
func statement(img verify.Image, c Claim) ([]byte, error) {
	text, err := json.Marshal(inToto{
		Type:          "https://in-toto.io/Statement/v1",
		Subject:       []subject{{Name: img.Repository, Digest: map[string]string{"sha256": hexOf(img.Digest)}}},
		PredicateType: c.Type,
		Predicate:     c.Predicate,
	})
	if err != nil {
		return nil, fmt.Errorf("encode statement: %w", err)
	}
	return text, nil
}
