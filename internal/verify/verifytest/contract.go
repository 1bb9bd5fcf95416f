// Package verifytest holds the contract that every verifier has to keep.
package verifytest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Fixture is a verifier in a world of its own.
type Fixture struct {
	Verifier verify.Keyed
	// Good may run, Bad may not.
	Good, Bad verify.Image
	// Outage makes what the verifier needs unreachable until back is called.
	Outage func() (back func())
}

// Run checks the contract; each part gets a fixture from make.
func Run(t *testing.T, make func(t *testing.T) Fixture) {
	ctx := context.Background()
	t.Run("a good image passes, again and again, in any number", func(t *testing.T) {
		f := make(t)
		first, err := f.Verifier.Verify(ctx, f.Good, verify.Subject{})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				again, err := f.Verifier.Verify(ctx, f.Good, verify.Subject{})
				if diff := cmp.Diff(first, again); err != nil || diff != "" {
					t.Errorf("error %v, result (-first +again):\n%s", err, diff)
				}
			})
		}
		all.Wait()
	})
	t.Run("a bad image is refused by name and without result", func(t *testing.T) {
		f := make(t)
		result, err := f.Verifier.Verify(ctx, f.Bad, verify.Subject{})
		refusal, ok := run.AsRefusal(err)
		if !ok {
			t.Fatalf("error is %v, want a refusal", err)
		}
		if refusal.Reason == "" || !strings.Contains(refusal.Message, f.Bad.String()) {
			t.Errorf("refusal %q lacks a reason or the image: %s", refusal.Reason, refusal.Message)
		}
		if diff := cmp.Diff(verify.Result{}, result); diff != "" {
			t.Errorf("a refusal came with a result:\n%s", diff)
		}
	})
	t.Run("an outage is no verdict and ends", func(t *testing.T) {
		f := make(t)
		back := f.Outage()
		for _, img := range []verify.Image{f.Good, f.Bad} {
			_, err := f.Verifier.Verify(ctx, img, verify.Subject{})
			var refusal *run.Refusal
			if err == nil || errors.As(err, &refusal) {
				t.Errorf("error is %v, want one that is worth a retry", err)
			}
		}
		back()
		if _, err := f.Verifier.Verify(ctx, f.Good, verify.Subject{}); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
	t.Run("the key belongs to the answer", func(t *testing.T) {
		f := make(t)
		key, err := f.Verifier.Key(ctx, f.Good, verify.Subject{})
		if err != nil {
			t.Fatal(err)
		}
		result, err := f.Verifier.Verify(ctx, f.Good, verify.Subject{})
		if err != nil || result.PolicySet != key.PolicySet {
			t.Errorf("policy set of the key is %q, of the result %q, error %v", key.PolicySet, result.PolicySet, err)
		}
	})
}
