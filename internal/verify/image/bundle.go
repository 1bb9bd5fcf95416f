package image

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
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
	// statementV1 and statementV01 are read alike; cosign 2 writes the older one.
	statementV1, statementV01 = "https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"
)

// listBundles reads cosign's second format: Sigstore bundles that refer to the
// image.
func listBundles(ctx context.Context, repo *images.Repository, img verify.Image, _ policy.Source) ([]exhibit, error) {
	referrers, err := repo.Referrers(ctx, img.Digest)
	if err != nil {
		return nil, err
	}
	var exhibits []exhibit
	for _, r := range referrers {
		if !isBundle(r) {
			continue
		}
		exhibits = append(exhibits, exhibit{kind: r.Annotations[predicateAnnotation], read: func(ctx context.Context) (*evidence, error) {
			return readBundle(ctx, repo, r.Digest)
		}})
	}
	return exhibits, nil
}

// isBundle also looks at the annotation, because some registries list the type
// of the empty config as type of the artifact.
func isBundle(d v1.Descriptor) bool {
	return strings.HasPrefix(d.ArtifactType, bundleType) || d.Annotations[contentAnnotation] != ""
}

func readBundle(ctx context.Context, repo *images.Repository, digest v1.Hash) (*evidence, error) {
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
	e, err := parseBundle(data)
	if err != nil {
		return nil, err
	}
	e.digest = manifest.Layers[0].Digest.String()
	return e, nil
}

// parseBundle looks at sizes before it lets anybody parse: what proves a
// signature has many parts, and parsed they take a hundred times their text.
func parseBundle(data []byte) (*evidence, error) {
	if err := sparse(data); err != nil {
		return nil, err
	}
	b, err := guarded(func() (*bundle.Bundle, error) {
		message := &protobundle.Bundle{}
		if err := protojson.Unmarshal(data, message); err != nil {
			return nil, err
		}
		if err := slight(message.GetVerificationMaterial()); err != nil {
			return nil, err
		}
		return bundle.NewBundle(message)
	})
	if err != nil {
		return nil, flawed("a bundle is malformed: %v", err)
	}
	return &evidence{entity: b}, nil
}

// slight refuses proofs that would cost much to look at: their parsers verify a
// signature by whatever key is inside, which for a long one takes seconds.
func slight(m *protobundle.VerificationMaterial) error {
	if size := proto.Size(m); size > maxMaterial {
		return fmt.Errorf("certificates, log entries and timestamps have %d bytes, at most %d are read", size, maxMaterial)
	}
	longest := 0
	for _, entry := range m.GetTlogEntries() {
		longest = max(longest, len(entry.GetCanonicalizedBody()))
	}
	for _, stamp := range m.GetTimestampVerificationData().GetRfc3161Timestamps() {
		longest = max(longest, len(stamp.GetSignedTimestamp()))
	}
	if longest > maxProof {
		return fmt.Errorf("a log entry or timestamp has %d bytes, at most %d are read", longest, maxProof)
	}
	return nil
}

// sparse refuses JSON with more values than any signature has. Text that is long
// for a good reason, such as a bill of materials, is base64 in it and has no commas.
func sparse(data []byte) error {
	if n := bytes.Count(data, []byte(",")); n > maxParts {
		return flawed("a signature has %d parts, at most %d are read", n, maxParts)
	}
	return nil
}
