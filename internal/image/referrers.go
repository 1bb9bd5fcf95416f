package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// maxPages bounds the pages of referrers that are followed: with the usual
	// 100 and more entries a page that is far beyond any honest image.
	maxPages = 20
	// maxList and maxReferrers bound all pages together.
	maxList, maxReferrers = 8 << 20, 20_000
	// maxExcuse bounds what is read of why there is no list.
	maxExcuse = 64 << 10
	// lackingLife is how long a registry is believed to have no list of referrers.
	// Meanwhile the list is asked only where nothing is under the fallback tag.
	lackingLife = 10 * time.Minute
	// maxLacking bounds the registries that are remembered for it.
	maxLacking = 128
)

// Referrers lists what refers to a digest, over all pages, by the referrers API
// or else the fallback tag. No referrers is an empty list. With kinds only
// referrers of these artifact types are returned; a single kind is told to the
// registry as well, which may then send a shorter list.
func (r *Repository) Referrers(ctx context.Context, digest string, kinds ...string) ([]v1.Descriptor, error) {
	all, err := r.referrers(ctx, digest, kinds)
	if err != nil {
		return nil, fmt.Errorf("list referrers: %w", classify(err))
	}
	if len(kinds) > 0 {
		all = slices.DeleteFunc(all, func(d v1.Descriptor) bool { return !slices.Contains(kinds, d.ArtifactType) })
	}
	return all, nil
}

func (r *Repository) referrers(ctx context.Context, digest string, kinds []string) ([]v1.Descriptor, error) {
	if r.session.lists.lacking(r.name.RegistryStr()) {
		// One odd answer may have been all that spoke against a list, so that it
		// never is the reason why nothing is found.
		if all, err := r.fallback(ctx, digest); len(all) > 0 || err != nil {
			return all, err
		}
	}
	all, err := r.list(ctx, digest, kinds)
	var not *listless
	if !errors.As(err, &not) {
		if err == nil {
			r.session.lists.has(r.name)
		}
		return all, err
	}
	if not.registry {
		r.session.lists.suspect(r.name)
	}
	return r.fallback(ctx, digest)
}

// fallback reads the list under the tag where it is kept without the API.
func (r *Repository) fallback(ctx context.Context, digest string) ([]v1.Descriptor, error) {
	desc, err := r.get(ctx, r.name.Tag(strings.Replace(digest, ":", "-", 1)))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return nil, fmt.Errorf("parse list of referrers: %w", err)
	}
	return index.Manifests, nil
}

// lists remembers which registries have no lists of referrers. That there is
// none for a repository counts for its registry only once the repository has
// been read: else somebody who names one that does not exist could hide the
// bundles of all others.
type lists struct{ without, suspected *cache.LRUExpireCache }

func newLists() lists {
	return lists{without: cache.NewLRUExpireCache(maxLacking), suspected: cache.NewLRUExpireCache(maxLacking)}
}

func (l lists) lacking(host string) bool {
	_, lacks := l.without.Get(host)
	return lacks
}

func (l lists) suspect(r name.Repository) { l.suspected.Add(r.Name(), true, lackingLife) }

// has notes that there is a list after all.
func (l lists) has(r name.Repository) {
	l.suspected.Remove(r.Name())
	l.without.Remove(r.RegistryStr())
}

// read notes that a repository exists.
func (l lists) read(r name.Repository) {
	if _, ok := l.suspected.Get(r.Name()); ok {
		l.suspected.Remove(r.Name())
		l.without.Add(r.RegistryStr(), true, lackingLife)
	}
}

// listless says that there is no list at this address; registry is set if that
// may hold for all of the registry, and not just for this repository.
type listless struct{ registry bool }

func (*listless) Error() string { return "no list of referrers" }

// list reads all pages.
func (r *Repository) list(ctx context.Context, digest string, kinds []string) ([]v1.Descriptor, error) {
	at := &url.URL{Scheme: "https", Host: r.name.RegistryStr(), Path: fmt.Sprintf("/v2/%s/referrers/%s", r.name.RepositoryStr(), digest)}
	if len(kinds) == 1 {
		at.RawQuery = url.Values{"artifactType": kinds}.Encode()
	}
	var all []v1.Descriptor
	left := int64(maxList)
	for n := 0; at != nil; n++ {
		if n == maxPages {
			return nil, fmt.Errorf("more than %d pages: %w", maxPages, ErrTooLarge)
		}
		page, err := r.page(ctx, at, n == 0, min(left, maxManifest))
		if err != nil {
			return nil, err
		}
		if all, left, at = append(all, page.manifests...), left-page.size, page.next; len(all) > maxReferrers {
			return nil, fmt.Errorf("more than %d referrers: %w", maxReferrers, ErrTooLarge)
		}
	}
	return all, nil
}

// withoutAddress leaves out an address that may carry a signature of a store.
func withoutAddress(err error) error {
	var long *url.Error
	if errors.As(err, &long) {
		return long.Err
	}
	return err
}

// page is one answer with a part of the list.
type page struct {
	manifests []v1.Descriptor
	size      int64
	next      *url.URL
}

func (r *Repository) page(ctx context.Context, at *url.URL, first bool, limit int64) (*page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", string(types.OCIImageIndex))
	resp, err := r.session.http.Do(req)
	if err != nil {
		return nil, withoutAddress(err)
	}
	defer resp.Body.Close()
	resp.Body = &sparse{&limited{ReadCloser: resp.Body, left: limit}, maxParts}
	if not := noList(resp); first && not != nil {
		return nil, not
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, err
	}
	if !isIndex(resp) {
		return nil, fmt.Errorf("a page is of type %q", resp.Header.Get("Content-Type"))
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	index := v1.IndexManifest{}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("parse list of referrers: %w", err)
	}
	next, err := nextPage(at, resp)
	return &page{manifests: index.Manifests, size: int64(len(data)), next: next}, err
}

// noList recognizes registries without a list by how they answer: with what the
// distribution specification says, in their own words, or with a page for people.
func noList(resp *http.Response) *listless {
	switch resp.StatusCode {
	case http.StatusOK:
		if isIndex(resp) {
			return nil
		}
		return &listless{registry: true}
	case http.StatusNotFound:
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxExcuse))
		var said struct{ Errors []transport.Diagnostic }
		if err != nil || json.Unmarshal(data, &said) != nil {
			return &listless{registry: err == nil}
		}
		return &listless{registry: !slices.ContainsFunc(said.Errors, func(d transport.Diagnostic) bool {
			return d.Code != transport.UnsupportedErrorCode && d.Code != "METHOD_UNKNOWN"
		})}
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return &listless{registry: true}
	default:
		return nil
	}
}

func isIndex(resp *http.Response) bool {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && kind == string(types.OCIImageIndex)
}

// nextPage reads the Link header. The request carries credentials, so the next
// page must be the same list on the same host. Its scheme is ours: registries
// behind a proxy do not know theirs.
func nextPage(at *url.URL, resp *http.Response) (*url.URL, error) {
	target, params, found := strings.Cut(resp.Header.Get("Link"), ">")
	if !found || !strings.HasPrefix(target, "<") || !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
		return nil, nil
	}
	next, err := at.Parse(strings.TrimPrefix(target, "<"))
	if err != nil {
		return nil, fmt.Errorf("parse link to the next page of referrers: %w", err)
	}
	if next.Host != at.Host || next.Path != at.Path {
		return nil, fmt.Errorf("next page of referrers is elsewhere, at %s%s", next.Host, next.Path)
	}
	next.Scheme = at.Scheme
	return next, nil
}
