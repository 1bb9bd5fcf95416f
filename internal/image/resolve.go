package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

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
	full, err := r.get(ctx, ref)
	if err != nil {
		return v1.Hash{}, err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(full.Manifest))
	return digest, err
}

// pathForm is what the distribution specification says of names of repositories.
var pathForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// hostForm is what names of hosts are made of; underscores are wrong there and
// not rare in private networks.
var hostForm = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// parseRepository accepts one spelling per repository. Policies match names as
// text, so a second spelling would step around the policy for the first.
func parseRepository(repository string) (name.Repository, error) {
	repo, err := name.NewRepository(repository, name.WeakValidation)
	if err != nil {
		return name.Repository{}, run.Refuse(v1alpha1.ReasonInvalid, "image name %q is malformed: %v", repository, err)
	}
	if !pathForm.MatchString(repo.RepositoryStr()) {
		return name.Repository{}, run.Refuse(v1alpha1.ReasonInvalid, "image name %q is malformed: between slashes write lower-case letters and digits, with single dots, one or two underscores or dashes between them", repository)
	}
	if why := respell(repo.RegistryStr()); why != "" {
		return name.Repository{}, run.Refuse(v1alpha1.ReasonInvalid, "image name %q is ambiguous for policies: %s", repository, why)
	}
	return repo, nil
}

// respell says how to write a host that has another spelling; "" if it is the
// one that counts.
func respell(host string) string {
	u := url.URL{Host: host}
	bare, port := u.Hostname(), u.Port()
	n, _ := strconv.ParseUint(port, 10, 16)
	switch {
	case host != strings.ToLower(host):
		return "write the registry's host in lower case"
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		return "write the registry's host in its ASCII form, with xn--"
	case bare == "registry-1.docker.io" || bare == "registry.hub.docker.com":
		return "write Docker Hub as docker.io"
	case strings.HasSuffix(bare, "."):
		return "write the registry's host without the dot at its end"
	case port == "443", port == "80":
		return fmt.Sprintf("leave out the registry's default port %s", port)
	case strings.HasSuffix(host, ":"), port != "" && port != strconv.FormatUint(n, 10):
		return "write the registry's port as a plain number"
	case !strings.Contains(bare, ":") && !hostForm.MatchString(bare):
		return "write the registry's host in letters, digits and dashes between single dots"
	case oddAddress(bare):
		return "write the registry's address in its shortest form, four numbers or IPv6"
	}
	return ""
}

// oddAddress finds addresses that some resolvers read in other notations than
// the usual one, such as 0x7f.1. No name of a host ends with a number.
func oddAddress(host string) bool {
	last := host[strings.LastIndex(host, ".")+1:]
	if !strings.Contains(host, ":") && (last == "" || last[0] < '0' || last[0] > '9') {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err != nil || address.String() != host || address.Is4In6() || address.Zone() != ""
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
