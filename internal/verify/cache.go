package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"
)

// Keyed is a Verifier that can say, without asking the registry, on what its
// answer would depend.
type Keyed interface {
	Verifier
	// Key reads the policies as they are now and nothing else.
	Key(ctx context.Context, img Image, who Subject) (Key, error)
}

// Key tells answers apart: with equal keys, equal images and equal pull rights
// two calls of Verify have the same answer.
type Key struct {
	// PolicySet is the content hash of the whole policy set.
	PolicySet string
	// Policies are the names of those that match, sorted.
	Policies []string
	// Version of the verifier's judgement.
	Version string
}

// CacheOptions of Cached.
type CacheOptions struct {
	// Entries that are kept; zero means 4,096.
	Entries int
	// TTL of an entry; zero means one hour. It bounds how long a signature counts
	// that was taken away from the registry while no policy changed.
	TTL time.Duration
	// Clock for tests; nil means the wall clock.
	Clock cache.Clock
}

type wall struct{}

func (wall) Now() time.Time { return time.Now() }

// Cached remembers images that passed. Refusals are not remembered, because a
// person who signs an image wants it to run now, and errors never. Calls for the
// same answer at the same time share one look at the registry.
func Cached(v Keyed, o CacheOptions) Verifier {
	if o.Entries <= 0 {
		o.Entries = 4096
	}
	if o.TTL <= 0 {
		o.TTL = time.Hour
	}
	if o.Clock == nil {
		o.Clock = wall{}
	}
	return &cached{next: v, ttl: o.TTL, passed: cache.NewLRUExpireCacheWithClock(o.Entries, o.Clock)}
}

type cached struct {
	next   Keyed
	ttl    time.Duration
	passed *cache.LRUExpireCache
	flight singleflight.Group
}

// Verify asks for the key each time, so a changed policy counts at once.
func (c *cached) Verify(ctx context.Context, img Image, who Subject) (Result, error) {
	key, err := c.next.Key(ctx, img, who)
	if err != nil {
		return Result{}, err
	}
	text := fmt.Sprintf("%q %q %q %q %q %s", img, key.PolicySet, key.Version, who.Namespace, who.ServiceAccount, strings.Join(key.Policies, ","))
	if hit, ok := c.passed.Get(text); ok {
		return hit.(Result), nil
	}
	answer, err, shared := c.flight.Do(text, func() (any, error) { return c.next.Verify(ctx, img, who) })
	if shared && ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		// Whoever asked first gave up; that is no answer for us.
		answer, err = c.next.Verify(ctx, img, who)
	}
	if err != nil {
		return Result{}, err
	}
	result := answer.(Result)
	// The policies may have changed between Key and Verify.
	if result.PolicySet == key.PolicySet {
		c.passed.Add(text, result, c.ttl)
	}
	return result, nil
}
