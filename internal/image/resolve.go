package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Resolve finds out which content a reference names, once; from then on only
// the digest counts. A reference with a digest keeps it, and no registry is
// asked: whether it exists shows when it is read, see Look. Who resolves all
// images first pays one token for all, see Expect. An index keeps its own digest,
// because that is what is signed.
func (r *Registry) Resolve(ctx context.Context, ref string, who verify.Subject) (verify.Image, error) {
	parsed, err := name.ParseReference(ref, name.WeakValidation)
	if err != nil {
		return verify.Image{}, run.Refuse(v1alpha1.ReasonInvalid, "image reference %q is malformed: %v", ref, err)
	}
	repo, err := r.Open(ctx, parsed.Context().Name(), who)
	if err != nil {
		return verify.Image{}, Explain(err, ref)
	}
	if pinned, ok := parsed.(name.Digest); ok {
		digest, err := v1.NewHash(pinned.DigestStr())
		if err != nil || digest.Algorithm != "sha256" {
			return verify.Image{}, run.Refuse(v1alpha1.ReasonInvalid, "image %s has a digest of another kind; only sha256 is supported", ref)
		}
		img := verify.Image{Repository: repo.Name(), Digest: digest.String()}
		if err := repo.session.client.Expect(ctx, repo.name); err != nil {
			return verify.Image{}, Explain(err, ref)
		}
		return img, nil
	}
	ctx, cancel := r.Bound(ctx)
	defer cancel()
	digest, err := repo.resolve(ctx, parsed)
	if err != nil {
		return verify.Image{}, Explain(err, ref)
	}
	return verify.Image{Repository: repo.Name(), Digest: digest.String()}, nil
}

// Look returns nil if the image is in its registry and may be read. A Refusal
// says that it is not there or not for who; other errors are worth a retry.
func (r *Registry) Look(ctx context.Context, img verify.Image, who verify.Subject) error {
	repo, err := r.Open(ctx, img.Repository, who)
	if err != nil {
		return Explain(err, img.String())
	}
	ctx, cancel := r.Bound(ctx)
	defer cancel()
	if _, err := repo.resolve(ctx, repo.name.Digest(img.Digest)); err != nil {
		return Explain(err, img.String())
	}
	return nil
}

// resolve asks with HEAD; a registry that does not say the digest there is
// asked for the whole manifest, whose bytes are then hashed here.
func (r *Repository) resolve(ctx context.Context, ref name.Reference) (v1.Hash, error) {
	desc, err := r.session.puller.Head(ctx, ref)
	if err == nil && desc.Digest.Algorithm == "sha256" {
		return desc.Digest, nil
	}
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode != http.StatusMethodNotAllowed {
		return v1.Hash{}, classify(err)
	}
	full, err := r.session.puller.Get(ctx, ref)
	if err != nil {
		return v1.Hash{}, classify(err)
	}
	if full.Digest.Algorithm != "sha256" {
		return v1.Hash{}, run.Refuse(v1alpha1.ReasonInvalid, "image %s has a %s digest; only sha256 is supported", ref, full.Digest.Algorithm)
	}
	return full.Digest, nil
}

// parseRepository accepts one spelling per host. Policies match names as text,
// so a second spelling of a host would step around the policy for the first.
func parseRepository(repository string) (name.Repository, error) {
	repo, err := name.NewRepository(repository, name.WeakValidation)
	if err != nil {
		return name.Repository{}, run.Refuse(v1alpha1.ReasonInvalid, "image name %q is malformed: %v", repository, err)
	}
	host := repo.RegistryStr()
	bare, port, _ := strings.Cut(host, ":")
	why := ""
	switch {
	case host != strings.ToLower(host):
		why = "write the registry's host in lower case"
	case strings.HasSuffix(bare, "."):
		why = "write the registry's host without the dot at its end"
	case port == "443", port == "80":
		why = fmt.Sprintf("leave out the registry's default port %s", port)
	default:
		return repo, nil
	}
	return name.Repository{}, run.Refuse(v1alpha1.ReasonInvalid, "image name %q is ambiguous for policies: %s", repository, why)
}

// Canonical returns the one spelling of a repository's name under which
// policies are matched, or a Refusal if the name has none.
func Canonical(repository string) (string, error) {
	repo, err := parseRepository(repository)
	if err != nil {
		return "", err
	}
	return repo.Name(), nil
}
