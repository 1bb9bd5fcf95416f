package sign

import (
	"bytes"
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// maxChildren bounds the images of an index that are signed one by one; as many
// platforms are read of an index when it runs.
const maxChildren = 16

// Children returns the images for single platforms that img, an index, is made
// of; none if it is an image itself. A node that runs img asks for one of them
// by its own digest, and so do some scanners.
func Children(ctx context.Context, registry *images.Registry, img verify.Image) ([]verify.Image, error) {
	at, err := open(ctx, registry, img)
	if err != nil {
		return nil, err
	}
	desc, err := remote.Get(at.digest, at.repo.WriteOptions(ctx)...)
	if err != nil {
		return nil, images.Explain(fmt.Errorf("read manifest: %w", err), img.String())
	}
	if got, _, err := v1.SHA256(bytes.NewReader(desc.Manifest)); err != nil || got.String() != img.Digest {
		return nil, fmt.Errorf("read manifest of image %s: the registry sent other bytes, with the digest %s", img, got)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return nil, fmt.Errorf("parse manifest of image %s: %w", img, err)
	}
	var out []verify.Image
	for _, m := range index.Manifests {
		// What builders add beside images runs nowhere.
		if m.Platform != nil && m.Platform.OS == "unknown" && m.Platform.Architecture == "unknown" {
			continue
		}
		if !m.MediaType.IsImage() {
			return nil, fmt.Errorf("index %s holds %s of type %q instead of an image", img, m.Digest, m.MediaType)
		}
		out = append(out, verify.Image{Repository: img.Repository, Digest: m.Digest.String()})
	}
	if len(out) > maxChildren {
		return nil, fmt.Errorf("index %s has %d images, at most %d are signed", img, len(out), maxChildren)
	}
	return out, nil
}
