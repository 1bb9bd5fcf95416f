package image

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
)

const (
	bundleType = "application/vnd.dev.sigstore.bundle"
	// predicateAnnotation lets us skip attestations without reading them. It can
	// only make us skip: what counts is the type inside the signed statement.
	predicateAnnotation = "dev.sigstore.bundle.predicateType"
	contentAnnotation   = "dev.sigstore.bundle.content"
	// signPredicate tells a signature from an attestation: somebody who attests
	// what is inside an image does not say that it may run.
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
)

// listBundles reads cosign's second format: Sigstore bundles that refer to the
// image.
func listBundles(ctx context.Context, repo *images.Repository, img verify.Image) ([]exhibit, error) {
	referrers, err := repo.Referrers(ctx, img.Digest)
	if err != nil {
		return nil, err
	}
	var exhibits []exhibit
	for _, r := range referrers {
		if !isBundle(r) {
			continue
		}
		exhibits = append(exhibits, func(ctx context.Context) (evidence, error) {
			if kind := r.Annotations[predicateAnnotation]; kind != "" && kind != signPredicate {
				return attestation(kind), nil
			}
			return readBundle(ctx, repo, img, r.Digest)
		})
	}
	return exhibits, nil
}

// isBundle also looks at the annotation, because some registries list the type
// of the empty config as type of the artifact.
func isBundle(d v1.Descriptor) bool {
	return strings.HasPrefix(d.ArtifactType, bundleType) || d.Annotations[contentAnnotation] != ""
}

// attestation is a bundle that says itself that it is no signature.
type attestation string

func (a attestation) check(signature.Verifier) (outcome, string) {
	return ofOtherType, fmt.Sprintf("an attestation of type %s, which is no signature", string(a))
}

func readBundle(ctx context.Context, repo *images.Repository, img verify.Image, digest v1.Hash) (evidence, error) {
	manifest, err := repo.ManifestAt(ctx, digest.String())
	if err != nil {
		return nil, fmt.Errorf("read bundle manifest: %w", err)
	}
	if len(manifest.Layers) != 1 || !strings.HasPrefix(string(manifest.Layers[0].MediaType), bundleType) {
		return nil, flawed("referrer %s holds no bundle", digest)
	}
	if size := manifest.Layers[0].Size; size > maxBundle {
		return nil, flawed("bundle %s has %d bytes, at most %d are read", digest, size, maxBundle)
	}
	data, err := repo.Blob(ctx, manifest.Layers[0].Digest, maxBundle)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	return parseBundle(data, img.Digest)
}

func parseBundle(data []byte, digest string) (evidence, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil {
		return nil, fmt.Errorf("decode digest %s: %w", digest, err)
	}
	b, err := guarded(func() (*bundle.Bundle, error) {
		b := &bundle.Bundle{}
		return b, b.UnmarshalJSON(data)
	})
	if err != nil {
		return nil, flawed("a bundle is malformed: %v", err)
	}
	if b.VerificationMaterial.GetPublicKey() == nil {
		return nil, flawed("a bundle was made with a certificate and not with a key")
	}
	return &bundled{bundle: b, digest: raw}, nil
}

// bundled is a bundle made with a key.
type bundled struct {
	bundle *bundle.Bundle
	digest []byte
}

// check asks first for what counts. Only then, for the report, whether the key
// signed something else.
func (b *bundled) check(key signature.Verifier) (outcome, string) {
	result, err := b.verify(key, sgverify.WithArtifactDigest("sha256", b.digest))
	if err == nil {
		return b.kind(result)
	}
	if result, err = b.verify(key, sgverify.WithoutArtifactUnsafe()); err != nil {
		return byOtherKey, ""
	}
	if what, text := b.kind(result); what != good {
		return what, text
	}
	return forOtherImage, fmt.Sprintf("a signature by this key is for %s", subjects(result))
}

// kind tells signatures from the rest that the same key may have made.
func (b *bundled) kind(result *sgverify.VerificationResult) (outcome, string) {
	if result.Statement == nil {
		return ofOtherType, "a bundle by this key signs bare bytes and holds no statement"
	}
	if kind := result.Statement.GetPredicateType(); kind != signPredicate {
		return attestation(kind).check(nil)
	}
	return good, ""
}

// verify needs no time: a key has no period of validity, and a policy that ends
// its trust removes it. The hint in the bundle is a claim and plays no role.
func (b *bundled) verify(key signature.Verifier, artifact sgverify.ArtifactPolicyOption) (*sgverify.VerificationResult, error) {
	return guarded(func() (*sgverify.VerificationResult, error) {
		material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
			return root.NewExpiringKey(key, time.Time{}, time.Time{}), nil
		})
		verifier, err := sgverify.NewVerifier(material, sgverify.WithNoObserverTimestamps(), sgverify.WithoutStatementPredicate())
		if err != nil {
			return nil, fmt.Errorf("make bundle verifier: %w", err)
		}
		return verifier.Verify(b.bundle, sgverify.NewPolicy(artifact, sgverify.WithKey()))
	})
}

func subjects(result *sgverify.VerificationResult) string {
	var all []string
	for _, s := range result.Statement.GetSubject() {
		for algorithm, digest := range s.GetDigest() {
			all = append(all, algorithm+":"+digest)
		}
	}
	if len(all) == 0 {
		return "no image"
	}
	return strings.Join(all, ", ")
}
