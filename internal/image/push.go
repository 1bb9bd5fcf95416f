package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Push writes img under ref and returns where it is. It sends only what the
// registry lacks; if ref already names this content, nothing is written. There
// is no deadline but that of ctx, because a slow line may take minutes.
func (r *Registry) Push(ctx context.Context, ref string, img v1.Image) (verify.Image, error) {
	parsed, err := name.ParseReference(ref, name.WeakValidation)
	if err != nil {
		return verify.Image{}, run.Refuse(v1alpha1.ReasonInvalid, "image reference %q is malformed: %v", ref, err)
	}
	repo, err := r.Open(ctx, parsed.Context().Name(), verify.Subject{})
	if err != nil {
		return verify.Image{}, err
	}
	digest, err := img.Digest()
	if err != nil {
		return verify.Image{}, fmt.Errorf("compute digest of image for %s: %w", ref, err)
	}
	pushed := verify.Image{Repository: repo.Name(), Digest: digest.String()}
	if desc, err := repo.session.puller.Head(ctx, parsed); err == nil && desc.Digest == digest {
		return pushed, nil
	}
	if err := remote.Write(parsed, img, repo.WriteOptions(ctx)...); err != nil {
		return verify.Image{}, fmt.Errorf("push image %s: %w", ref, classify(err))
	}
	return pushed, nil
}
