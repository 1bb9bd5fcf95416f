// Package trust turns roots of trust, as policies name them, into what
// signatures are verified with.
package trust

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

const (
	// maxRoots that are kept: one per TrustRoot, and some for those that changed.
	maxRoots = 64
	// fresh is how long a root from a server is used before it is asked again, as
	// Sigstore's clients do. A fixed root is kept as long: it costs nothing.
	fresh = 24 * time.Hour
	// maxTime of fetching a root, all requests together.
	maxTime = 20 * time.Second
	// publicTarget holds the trusted root of Sigstore's public repository.
	publicTarget = "trusted_root.json"
)

// Options of Roots; the zero value asks servers directly.
type Options struct {
	// Client for TUF repositories; nil means one with a time limit.
	Client *http.Client
	// Clock for tests; nil means the wall clock.
	Clock cache.Clock
}

// Roots reads roots of trust and remembers them by their content. It is safe
// for concurrent use.
type Roots struct {
	client *http.Client
	kept   *cache.LRUExpireCache
	flight singleflight.Group
}

// New returns an empty memory of roots.
func New(o Options) *Roots {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: maxTime}
	}
	if o.Clock == nil {
		return &Roots{client: o.Client, kept: cache.NewLRUExpireCache(maxRoots)}
	}
	return &Roots{client: o.Client, kept: cache.NewLRUExpireCacheWithClock(maxRoots, o.Clock)}
}

// Material returns what the root says. It asks the network for roots on servers
// alone, once a day. An *Unusable is final until the root changes; any other
// error is worth a retry.
func (r *Roots) Material(ctx context.Context, from *policy.Root) (root.TrustedMaterial, error) {
	if hit, ok := r.kept.Get(from.Hash); ok {
		return hit.(root.TrustedMaterial), nil
	}
	made := r.flight.DoChan(from.Hash, func() (any, error) {
		// Whoever waits may give up; the others still want the answer.
		material, err := r.read(from)
		if err == nil {
			r.kept.Add(from.Hash, material, fresh)
		}
		return material, err
	})
	select {
	case answer := <-made:
		if answer.Err != nil {
			return nil, answer.Err
		}
		return answer.Val.(root.TrustedMaterial), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for root of trust %q: %w", from.Name, ctx.Err())
	}
}

// Unusable is why a root cannot be used whatever the network does.
type Unusable struct{ Err error }

// Error says what is wrong with the content.
func (u *Unusable) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unusable) Unwrap() error { return u.Err }

func (r *Roots) read(from *policy.Root) (root.TrustedMaterial, error) {
	switch {
	case from.TrustedRoot != nil:
		return fromJSON(from.TrustedRoot)
	case from.Keys != nil:
		return fromKeys(from.Keys)
	case from.Repository != nil:
		files, err := unpack(from.Repository)
		if err != nil {
			return nil, &Unusable{err}
		}
		return update(from.Repository.Root, "https://copy.invalid", from.Repository.Target, files)
	case from.Remote != nil:
		return update(from.Remote.Root, from.Remote.Mirror, from.Remote.Target, &fetcher{client: r.client})
	case from.Public:
		public := tuf.DefaultOptions()
		return update(public.Root, public.RepositoryBaseURL, publicTarget, &fetcher{client: r.client})
	default:
		return nil, &Unusable{errors.New("the root of trust is empty")}
	}
}

func fromJSON(text []byte) (root.TrustedMaterial, error) {
	parsed, err := root.NewTrustedRootFromJSON(text)
	if err != nil {
		return nil, &Unusable{fmt.Errorf("read trusted root: %w", err)}
	}
	return parsed, nil
}
