package verify

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counted is a verifier whose policies can be changed between and during calls.
type counted struct {
	mu     sync.Mutex
	calls  int
	set    string
	err    error
	during func()
}

func (c *counted) Key(context.Context, Image, Subject) (Key, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Key{PolicySet: c.set, Policies: []string{"p"}}, nil
}

func (c *counted) Verify(context.Context, Image, Subject) (Result, error) {
	c.mu.Lock()
	c.calls++
	during := c.during
	c.mu.Unlock()
	if during != nil {
		during()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Result{PolicySet: c.set}, c.err
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func TestCached(t *testing.T) {
	inner, at := &counted{set: "a"}, &clock{now: time.Unix(0, 0)}
	v := Cached(inner, CacheOptions{TTL: time.Minute, Clock: at})
	img, who := Image{Repository: "r", Digest: "d"}, Subject{Namespace: "n"}
	step := func(what string, img Image, who Subject, want int) {
		t.Helper()
		if _, err := v.Verify(context.Background(), img, who); !errors.Is(err, inner.err) {
			t.Errorf("%s: error %v", what, err)
		}
		if inner.calls != want {
			t.Errorf("%s: %d calls, want %d", what, inner.calls, want)
		}
	}
	step("cold", img, who, 1)
	step("warm", img, who, 1)
	step("another repository", Image{Repository: "s", Digest: "d"}, who, 2)
	step("other pull rights", img, Subject{Namespace: "m"}, 3)
	step("another object, same rights", img, Subject{Namespace: "n", Kind: "Job", Labels: map[string]string{"run": "7"}}, 3)
	at.now = at.now.Add(2 * time.Minute)
	step("expired", img, who, 4)
	inner.set = "b"
	step("policy changed", img, who, 5)
	inner.err = errors.New("refused")
	inner.set = "c"
	step("refused", img, who, 6)
	step("refused again", img, who, 7)
}

// A policy that changes between key and answer must not fill the cache for the
// old set, which may come back.
func TestCachedPolicyChangesMeanwhile(t *testing.T) {
	inner := &counted{set: "strict"}
	v := Cached(inner, CacheOptions{})
	inner.during = func() {
		inner.mu.Lock()
		defer inner.mu.Unlock()
		inner.set = "loose"
	}
	if _, err := v.Verify(context.Background(), Image{}, Subject{}); err != nil {
		t.Fatal(err)
	}
	inner.during, inner.set = nil, "strict"
	if _, err := v.Verify(context.Background(), Image{}, Subject{}); err != nil || inner.calls != 2 {
		t.Errorf("%d calls, error %v; the answer of another policy set was reused", inner.calls, err)
	}
}

func TestCachedSharesOneFlight(t *testing.T) {
	for name, leaderErr := range map[string]error{"answered": nil, "first caller gave up": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sharedFlight(t, leaderErr) })
		})
	}
}

func sharedFlight(t *testing.T, leaderErr error) {
	inner := &counted{set: "a", err: leaderErr}
	leave := make(chan struct{})
	inner.during = func() { <-leave }
	v := Cached(inner, CacheOptions{})
	results := make(chan error, 20)
	for range cap(results) {
		go func() {
			_, err := v.Verify(context.Background(), Image{}, Subject{})
			results <- err
		}()
	}
	synctest.Wait()
	if inner.calls != 1 {
		t.Errorf("%d calls for one answer", inner.calls)
	}
	close(leave)
	synctest.Wait()
	for range cap(results) {
		if err := <-results; !errors.Is(err, leaderErr) {
			t.Errorf("error %v", err)
		}
	}
	if want := 1; leaderErr == nil && inner.calls != want {
		t.Errorf("%d calls, want %d", inner.calls, want)
	}
	// Who did not give up asked for himself.
	if leaderErr != nil && inner.calls != 1+cap(results) {
		t.Errorf("%d calls, want one more for each of %d", inner.calls, cap(results))
	}
}
