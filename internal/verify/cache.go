package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Keyed is a Verifier that can say, without asking the registry, on what its
// answer would depend.
type Keyed interface {
	Verifier
	// Key reads the policies and the pull secrets as they are now and nothing else.
	Key(ctx context.Context, img Image, who Subject) (Key, error)
}

// Key tells answers apart: with equal keys and equal images two calls of Verify
// have the same answer.
type Key struct {
	// PolicySet is the content hash of the whole policy set, with all keys and
	// roots of trust in it.
	PolicySet string
	// Policies are the names of those that match, sorted.
	Policies []string
	// Version of the verifier's judgement.
	Version string
	// Scope stands for the credentials that the registry is read with; equal
	// ones have equal scopes, in whatever namespace they lie.
	Scope string
}

// Outcome says where the cache had an answer from.
type Outcome string

// Outcomes of a look into the cache.
const (
	// Hit: the answer was remembered.
	Hit Outcome = "hit"
	// Miss: the registry was asked.
	Miss Outcome = "miss"
	// Shared: somebody else was asking the registry just then.
	Shared Outcome = "shared"
)

const (
	// defaultEntries is some ten times the images of a large catalog in all their
	// versions, and about 4 MiB.
	defaultEntries = 4096
	// defaultRefusals keeps those who push unsigned images in a loop from pushing
	// out what passed.
	defaultRefusals = 256
	defaultTTL      = time.Hour
	// refusedFor spares the registry a crowd that asks for the same unsigned
	// image, and is over before a person who has signed it tries again.
	refusedFor = 5 * time.Second
	// defaultPerRegistry bounds what a restart, with hundreds of steps that are
	// verified again, asks of one registry at once.
	defaultPerRegistry = 8
	// flightTime bounds one look at a registry and the wait for it. Each request
	// has a shorter bound of its own; this is for their sum.
	flightTime = 2 * time.Minute
	// maxMoves is how often an answer is thrown away because policies changed
	// meanwhile: nobody changes them this often within seconds.
	maxMoves = 4
)

// CacheOptions of Cached.
type CacheOptions struct {
	// Entries that are kept; zero means 4,096.
	Entries int
	// TTL of an entry; zero means one hour. It bounds how long a signature counts
	// that was taken away from the registry while no policy changed.
	TTL time.Duration
	// PerRegistry is how many images of one registry are looked at at once; zero
	// means 8.
	PerRegistry int
	// Count is told the outcome of each look; nil means nobody is.
	Count func(Outcome)
	// Clock for tests; nil means the wall clock.
	Clock cache.Clock
}

type wall struct{}

func (wall) Now() time.Time { return time.Now() }

// Cached remembers images that passed, until the TTL or a root of trust that
// was used ends, and for five seconds those that are unsigned. Nothing else is
// remembered: what a policy or the way to the registry is at fault for may be
// mended at any moment. Calls for the same answer at the same time share one
// look at the registry, which goes on when one of them gives up. An answer that
// policies, keys, roots or pull secrets have changed under is thrown away and
// asked for again. Results are shared and must not be changed.
//
// Nothing is kept on disk: what would be read after a restart would have to be
// protected like a key, and reading it all anew is three requests an image, in
// a bounded crowd.
func Cached(v Keyed, o CacheOptions) Verifier {
	if o.Entries <= 0 {
		o.Entries = defaultEntries
	}
	if o.TTL <= 0 {
		o.TTL = defaultTTL
	}
	if o.PerRegistry <= 0 {
		o.PerRegistry = defaultPerRegistry
	}
	if o.Count == nil {
		o.Count = func(Outcome) {}
	}
	if o.Clock == nil {
		o.Clock = wall{}
	}
	return &cached{
		next: v, options: o, slots: newSlots(o.PerRegistry),
		passed:  cache.NewLRUExpireCacheWithClock(o.Entries, o.Clock),
		refused: cache.NewLRUExpireCacheWithClock(min(o.Entries, defaultRefusals), o.Clock),
	}
}

type cached struct {
	next            Keyed
	options         CacheOptions
	passed, refused *cache.LRUExpireCache
	flight          singleflight.Group
	slots           *slots
}

// errMoved says that the answer belongs to a key that is none any more.
var errMoved = errors.New("policies or pull secrets changed meanwhile")

// Verify asks for the key each time, so a changed policy counts at once.
func (c *cached) Verify(ctx context.Context, img Image, who Subject) (Result, error) {
	for range maxMoves {
		key, err := c.key(ctx, img, who)
		if err != nil {
			return Result{}, err
		}
		if hit, ok := c.passed.Get(key.text); ok {
			c.options.Count(Hit)
			return hit.(Result), nil
		}
		if hit, ok := c.refused.Get(key.text); ok {
			c.options.Count(Hit)
			return Result{}, hit.(error)
		}
		result, err := c.share(ctx, key, img, who)
		if !errors.Is(err, errMoved) {
			return result, err
		}
	}
	return Result{}, fmt.Errorf("verify image %s: %w, %d times in a row", img, errMoved, maxMoves)
}

// keyed is a key and the text that answers are found under.
type keyed struct{ set, text string }

func (c *cached) key(ctx context.Context, img Image, who Subject) (keyed, error) {
	k, err := c.next.Key(ctx, img, who)
	if err != nil {
		return keyed{}, err
	}
	return keyed{k.PolicySet, fmt.Sprintf("%q %q %q %q %q", img, k.PolicySet, k.Version, k.Scope, strings.Join(k.Policies, ","))}, nil
}

// share waits for the one look that all who ask for the same answer share. The
// look has a context of its own: who came first may give up, and who came later
// does not want to.
func (c *cached) share(ctx context.Context, key keyed, img Image, who Subject) (Result, error) {
	led := false
	answer := c.flight.DoChan(key.text, func() (any, error) {
		led = true
		alone, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTime)
		defer cancel()
		return c.look(alone, key, img, who)
	})
	select {
	case <-ctx.Done():
		return Result{}, fmt.Errorf("verify image %s: %w", img, context.Cause(ctx))
	case got := <-answer:
		if led {
			c.options.Count(Miss)
		} else {
			c.options.Count(Shared)
		}
		return got.Val.(Result), got.Err
	}
}

// look verifies and remembers what may be remembered. It runs in a goroutine of
// its own, where a panic would end the process.
func (c *cached) look(ctx context.Context, key keyed, img Image, who Subject) (result Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = Result{}, fmt.Errorf("verify image %s: the verifier gave up: %v", img, p)
		}
	}()
	host, _, _ := strings.Cut(img.Repository, "/")
	release, err := c.slots.take(ctx, host)
	if err != nil {
		return Result{}, fmt.Errorf("verify image %s: %d others of %s are being verified: %w", img, c.options.PerRegistry, host, err)
	}
	defer release()
	result, err = c.next.Verify(ctx, img, who)
	refusal, refused := run.AsRefusal(err)
	if err != nil && !refused {
		return Result{}, err
	}
	now, moved := c.key(ctx, img, who)
	if moved != nil {
		return Result{}, moved
	}
	if now != key || !refused && result.PolicySet != key.set {
		return Result{}, errMoved
	}
	if refused {
		if refusal.Reason == v1alpha1.ReasonImageUnsigned || refusal.Reason == v1alpha1.ReasonSignatureInvalid {
			c.refused.Add(key.text, err, refusedFor)
		}
		return Result{}, err
	}
	result.VerifiedAt = c.options.Clock.Now()
	if ttl := c.life(result); ttl > 0 {
		c.passed.Add(key.text, result, ttl)
	}
	return result, nil
}

// life is how long a result may be remembered.
func (c *cached) life(r Result) time.Duration {
	if r.NotAfter.IsZero() {
		return c.options.TTL
	}
	return min(c.options.TTL, r.NotAfter.Sub(r.VerifiedAt))
}
