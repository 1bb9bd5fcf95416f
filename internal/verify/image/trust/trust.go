// Package trust turns roots of trust, as policies name them, into what
// signatures are verified with.
package trust

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
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
	// down is how long nobody asks again after a server did not answer: a run is
	// tried again later anyway.
	down = 10 * time.Second
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

	mu sync.Mutex
	// versions of the last timestamps by the root's hash: an older one is a replay.
	versions map[string]int64
}

// New returns an empty memory of roots.
func New(o Options) *Roots {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: maxTime}
	}
	kept := cache.NewLRUExpireCache(maxRoots)
	if o.Clock != nil {
		kept = cache.NewLRUExpireCacheWithClock(maxRoots, o.Clock)
	}
	return &Roots{client: o.Client, kept: kept, versions: map[string]int64{}}
}

// Material returns what the root says. It asks the network for roots on servers
// alone, once a day. An *Unusable is final until the root changes; any other
// error is worth a retry.
func (r *Roots) Material(ctx context.Context, from *policy.Root) (root.TrustedMaterial, error) {
	if hit, ok := r.kept.Get(from.Hash); ok {
		return hit.(remembered).material, hit.(remembered).err
	}
	made := r.flight.DoChan(from.Hash, func() (any, error) {
		// Whoever waits may give up; the others still want the answer.
		material, err := r.guarded(from)
		if err == nil {
			r.kept.Add(from.Hash, remembered{material: material}, fresh)
		} else {
			r.kept.Add(from.Hash, remembered{err: err}, down)
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

type remembered struct {
	material root.TrustedMaterial
	err      error
}

// guarded turns a panic of a parser into an error: it would happen in nobody's
// call and end the process.
func (r *Roots) guarded(from *policy.Root) (material root.TrustedMaterial, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Unusable{fmt.Errorf("the parser gave up on it: %v", p)}
		}
	}()
	return r.read(from)
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
		material, err := update(&tuf.Options{Root: from.Repository.Root, RepositoryBaseURL: "https://copy.invalid", Fetcher: files}, from.Repository.Target)
		if err != nil {
			return nil, &Unusable{err} // waiting does not change a copy
		}
		return material, nil
	case from.Remote != nil:
		return r.follow(from.Hash, &tuf.Options{Root: from.Remote.Root, RepositoryBaseURL: from.Remote.Mirror}, from.Remote.Target)
	case from.Public:
		public := tuf.DefaultOptions()
		return r.follow(from.Hash, &tuf.Options{Root: public.Root, RepositoryBaseURL: public.RepositoryBaseURL}, publicTarget)
	default:
		return nil, &Unusable{errors.New("the root of trust is empty")}
	}
}

// follow asks a server, and takes no state that is older than the last one.
func (r *Roots) follow(name string, o *tuf.Options, target string) (root.TrustedMaterial, error) {
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	r.mu.Lock()
	from := &fetcher{ctx: ctx, client: r.client, least: r.versions[name]}
	r.mu.Unlock()
	o.Fetcher = from
	material, err := update(o, target)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.versions[name] = from.version
	r.mu.Unlock()
	return material, nil
}

func fromJSON(text []byte) (root.TrustedMaterial, error) {
	parsed, err := root.NewTrustedRootFromJSON(text)
	if err != nil {
		return nil, &Unusable{fmt.Errorf("read trusted root: %w", err)}
	}
	return parsed, nil
}
