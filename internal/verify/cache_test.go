package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// counted is a verifier whose policies can be changed between and during calls.
type counted struct {
	mu         sync.Mutex
	calls      int
	set, scope string
	notAfter   time.Time
	err        error
	during     func(ctx context.Context)
}

func (c *counted) Key(context.Context, Image, Subject) (Key, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Key{PolicySet: c.set, Policies: []string{"p"}, Scope: c.scope}, nil
}

func (c *counted) Verify(ctx context.Context, _ Image, _ Subject) (Result, error) {
	c.mu.Lock()
	c.calls++
	set, during := c.set, c.during
	c.mu.Unlock()
	if during != nil {
		during(ctx)
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return Result{}, c.err
	}
	return Result{PolicySet: set, NotAfter: c.notAfter}, nil
}

// change sets fields under the lock.
func (c *counted) change(edit func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	edit()
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func TestCached(t *testing.T) {
	inner, at := &counted{set: "a", scope: "s"}, &clock{now: time.Unix(0, 0)}
	var outcomes []Outcome
	v := Cached(inner, CacheOptions{TTL: time.Minute, Clock: at, Count: func(o Outcome) { outcomes = append(outcomes, o) }})
	img, who := Image{Repository: "r", Digest: "d"}, Subject{Namespace: "n"}
	step := func(what string, img Image, who Subject, want int) {
		t.Helper()
		result, err := v.Verify(t.Context(), img, who)
		if !errors.Is(err, inner.err) {
			t.Errorf("%s: error %v", what, err)
		}
		if inner.calls != want {
			t.Errorf("%s: %d calls, want %d", what, inner.calls, want)
		}
		if err == nil && result.VerifiedAt.IsZero() {
			t.Errorf("%s: nothing says when it was verified", what)
		}
	}
	step("cold", img, who, 1)
	step("warm", img, who, 1)
	step("another repository", Image{Repository: "s", Digest: "d"}, who, 2)
	step("another namespace with the same credentials", img, Subject{Namespace: "m"}, 2)
	step("another object", img, Subject{Namespace: "n", Kind: "Job", Labels: map[string]string{"run": "7"}}, 2)
	inner.scope = "t"
	step("another pull secret", img, who, 3)
	at.now = at.now.Add(2 * time.Minute)
	step("expired", img, who, 4)
	inner.set = "b"
	step("policy changed", img, who, 5)
	inner.set, inner.err = "c", errors.New("registry gone")
	step("an outage", img, who, 6)
	step("an outage is not remembered", img, who, 7)
	inner.err = nil
	inner.notAfter = at.now.Add(time.Second)
	step("a root that ends soon", img, who, 8)
	at.now = at.now.Add(time.Second)
	step("at its end", img, who, 8)
	at.now = at.now.Add(time.Nanosecond)
	step("after its end", img, who, 9)
	step("after its end nothing is remembered", img, who, 10)
	if got := fmt.Sprint(outcomes); got != "[miss hit miss hit hit miss miss miss miss miss miss hit miss miss]" {
		t.Errorf("outcomes %s", got)
	}
}

func TestRefusalsAreRememberedForSeconds(t *testing.T) {
	for reason, remembered := range map[run.Reason]bool{
		v1alpha1.ReasonImageUnsigned: true, v1alpha1.ReasonSignatureInvalid: true,
		v1alpha1.ReasonNoMatchingPolicy: false, v1alpha1.ReasonPolicyUnusable: false, v1alpha1.ReasonPolicyDenied: false,
		v1alpha1.ReasonImageNotFound: false, v1alpha1.ReasonAuthenticationFailed: false,
	} {
		t.Run(string(reason), func(t *testing.T) {
			inner, at := &counted{err: run.Refuse(reason, "no")}, &clock{now: time.Unix(0, 0)}
			v := Cached(inner, CacheOptions{Clock: at})
			ask := func() {
				t.Helper()
				_, err := v.Verify(t.Context(), Image{}, Subject{})
				if refusal, ok := run.AsRefusal(err); !ok || refusal.Reason != reason {
					t.Fatalf("error %v", err)
				}
			}
			ask()
			at.now = at.now.Add(refusedFor)
			ask()
			if remembered != (inner.calls == 1) {
				t.Errorf("%d calls", inner.calls)
			}
			at.now = at.now.Add(time.Nanosecond)
			inner.change(func() { inner.err = nil })
			if _, err := v.Verify(t.Context(), Image{}, Subject{}); err != nil {
				t.Errorf("signed at last: %v", err)
			}
		})
	}
}

// What is answered holds for the policies and pull secrets as they are after
// the look at the registry, not for those that it began with.
func TestAttack23_WhatChangesMeanwhileCounts(t *testing.T) {
	for name, move := range map[string]func(*counted){
		"policy":      func(c *counted) { c.set = "strict" },
		"pull secret": func(c *counted) { c.scope = "other" },
	} {
		for what, err := range map[string]error{"passed": nil, "refused": run.Refuse(v1alpha1.ReasonImageUnsigned, "no")} {
			t.Run(name+" "+what, func(t *testing.T) {
				inner := &counted{set: "loose", err: err}
				inner.during = func(context.Context) {
					inner.change(func() { move(inner); inner.during = nil })
				}
				v := Cached(inner, CacheOptions{})
				result, got := v.Verify(t.Context(), Image{}, Subject{})
				if inner.calls != 2 || !errors.Is(got, err) || err == nil && result.PolicySet != inner.set {
					t.Errorf("%d calls, result %+v, error %v; want the answer of what holds now", inner.calls, result, got)
				}
				inner.change(func() { inner.set, inner.scope = "loose", "" })
				if _, _ = v.Verify(t.Context(), Image{}, Subject{}); inner.calls != 3 {
					t.Errorf("%d calls: the answer that was thrown away is remembered", inner.calls)
				}
			})
		}
	}
}

// A policy that comes and goes while the registry is asked leaves no answer of
// its own under the name of the other.
func TestAttack23_PolicyForAMoment(t *testing.T) {
	inner := &counted{set: "strict"}
	v := Cached(setOf{inner, "loose"}, CacheOptions{})
	if result, err := v.Verify(t.Context(), Image{}, Subject{}); !errors.Is(err, errMoved) || inner.calls != maxMoves {
		t.Errorf("result %+v, error %v after %d calls", result, err, inner.calls)
	}
}

// setOf answers from another set than its key says.
type setOf struct {
	Keyed
	set string
}

func (s setOf) Verify(ctx context.Context, img Image, who Subject) (Result, error) {
	r, err := s.Keyed.Verify(ctx, img, who)
	r.PolicySet = s.set
	return r, err
}

func TestManyShareOneLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, leave := &counted{set: "a"}, make(chan struct{})
		inner.during = func(context.Context) { <-leave }
		var mu sync.Mutex
		outcomes := map[Outcome]int{}
		v := Cached(inner, CacheOptions{Count: func(o Outcome) { mu.Lock(); outcomes[o]++; mu.Unlock() }})
		ctx, giveUp := context.WithCancel(t.Context())
		first, others := make(chan error, 1), make(chan error, 20)
		go func() { _, err := v.Verify(ctx, Image{}, Subject{}); first <- err }()
		synctest.Wait()
		for range cap(others) {
			go func() { _, err := v.Verify(t.Context(), Image{}, Subject{}); others <- err }()
		}
		synctest.Wait()
		giveUp()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
		close(leave)
		for range cap(others) {
			if err := <-others; err != nil {
				t.Errorf("who did not give up got %v", err)
			}
		}
		if inner.calls != 1 || outcomes[Shared] != cap(others) {
			t.Errorf("%d calls for one answer, outcomes %v", inner.calls, outcomes)
		}
	})
}

// A verifier that hangs for ever or panics costs its callers an error, and
// those after them nothing.
func TestAVerifierThatGoesWrong(t *testing.T) {
	for name, during := range map[string]func(context.Context){
		"hangs":  func(ctx context.Context) { <-ctx.Done() },
		"panics": func(context.Context) { panic("no such luck") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := &counted{during: during}
				v := Cached(inner, CacheOptions{})
				if _, err := v.Verify(t.Context(), Image{}, Subject{}); err == nil {
					t.Error("it passed")
				}
				inner.change(func() { inner.during = nil })
				if _, err := v.Verify(t.Context(), Image{}, Subject{}); err != nil {
					t.Errorf("the next one: %v", err)
				}
			})
		})
	}
}

// After a restart every step is verified again; one registry sees a bounded
// crowd of it, and does not hold up another one.
func TestNoStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		inner, leave := &counted{}, make(chan struct{})
		inner.during = func(context.Context) { <-leave }
		v := Cached(inner, CacheOptions{PerRegistry: most}).(*cached)
		var all sync.WaitGroup
		ask := func(ctx context.Context, host string, i int) error {
			_, err := v.Verify(ctx, Image{Repository: host + "/x", Digest: fmt.Sprint(i)}, Subject{})
			return err
		}
		for i := range 100 {
			all.Go(func() {
				if err := ask(t.Context(), "one.example.com", i); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if inner.calls != most {
			t.Errorf("%d at once, want %d", inner.calls, most)
		}
		all.Go(func() { _ = ask(t.Context(), "other.example.com", 0) })
		synctest.Wait()
		if inner.calls != most+1 {
			t.Errorf("%d at once, want one more of another registry", inner.calls)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := ask(soon, "one.example.com", 1000); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1000") {
			t.Errorf("who may not wait got %v", err)
		}
		close(leave)
		all.Wait()
		synctest.Wait()
		if len(v.slots.named) != 0 {
			t.Errorf("%d registries are remembered for ever", len(v.slots.named))
		}
	})
}
