// Package forgetest is the contract that every forge keeps.
package forgetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Repository is one empty repository on a forge, for one test. The branches
// "main", "fix/one" and "fix/two" exist and differ.
type Repository struct{ Forge forge.Forge }

// Run holds a forge against the contract; each case gets a repository of its own.
func Run(t *testing.T, repository func(t *testing.T) Repository) {
	for name, check := range map[string]func(*testing.T, context.Context, forge.Forge){
		"find-nothing": findNothing, "open-once": openOnce, "open-two-keys": openTwo,
		"update": update, "close-twice": closeTwice, "closed-is-found": closedIsFound, "missing": missing,
	} {
		t.Run(name, func(t *testing.T) { check(t, t.Context(), repository(t).Forge) })
	}
}

// Proposal is a valid one for a branch.
func Proposal(branch string) forge.Proposal {
	return forge.Proposal{
		Key:   forge.Key{Head: branch, Base: "main", Cause: "cause-" + branch},
		Title: "raise the limit (" + branch + ")", Body: "why & what\n\n```diff\n-1\n+2\n```\n", Labels: []string{"remediation"},
	}
}

func open(t *testing.T, ctx context.Context, f forge.Forge, p forge.Proposal) forge.Pull {
	t.Helper()
	pull, err := f.Open(ctx, p)
	if err != nil {
		t.Fatalf("open %s: %v", p.Head, err)
	}
	return pull
}

func findNothing(t *testing.T, ctx context.Context, f forge.Forge) {
	if _, err := f.Find(ctx, Proposal("fix/one").Key); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("find in an empty repository: %v, want ErrNotFound", err)
	}
}

func openOnce(t *testing.T, ctx context.Context, f forge.Forge) {
	p := Proposal("fix/one")
	first, second := open(t, ctx, f, p), open(t, ctx, f, p)
	if first.ID != second.ID {
		t.Errorf("opened twice: %d and %d", first.ID, second.ID)
	}
	if first.State != forge.Open || first.URL == "" || first.Head != p.Head || first.Base != p.Base || first.Title != p.Title {
		t.Errorf("opened %+v, want what was proposed", first)
	}
	found, err := f.Find(ctx, p.Key)
	if err != nil || found.ID != first.ID {
		t.Errorf("find = %d, %v, want %d", found.ID, err, first.ID)
	}
	got, err := f.Get(ctx, first.ID)
	if err != nil || strings.TrimSpace(got.Body) != strings.TrimSpace(p.Body) {
		t.Errorf("get = %q, %v, want the body %q", got.Body, err, p.Body)
	}
}

func openTwo(t *testing.T, ctx context.Context, f forge.Forge) {
	if a, b := open(t, ctx, f, Proposal("fix/one")), open(t, ctx, f, Proposal("fix/two")); a.ID == b.ID {
		t.Errorf("two branches share pull request %d", a.ID)
	}
}

func update(t *testing.T, ctx context.Context, f forge.Forge) {
	p := Proposal("fix/one")
	id := open(t, ctx, f, p).ID
	p.Title, p.Body = "another title", "another body"
	if _, err := f.Update(ctx, id, p); err != nil {
		t.Fatal(err)
	}
	got, err := f.Get(ctx, id)
	if err != nil || got.Title != p.Title || got.Body != p.Body || got.State != forge.Open {
		t.Errorf("after the update: %+v, %v", got, err)
	}
}

func closeTwice(t *testing.T, ctx context.Context, f forge.Forge) {
	id := open(t, ctx, f, Proposal("fix/one")).ID
	for range 2 {
		if err := f.Close(ctx, id, "not needed any more"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.Get(ctx, id); err != nil || got.State != forge.Closed {
		t.Errorf("after closing: %s, %v", got.State, err)
	}
}

func closedIsFound(t *testing.T, ctx context.Context, f forge.Forge) {
	p := Proposal("fix/one")
	first := open(t, ctx, f, p).ID
	if err := f.Close(ctx, first, "no"); err != nil {
		t.Fatal(err)
	}
	if found, err := f.Find(ctx, p.Key); err != nil || found.ID != first || found.State != forge.Closed {
		t.Errorf("find after closing: %+v, %v, want the closed one", found, err)
	}
	second := open(t, ctx, f, p).ID
	if second == first {
		t.Error("a closed pull request was opened again")
	}
	if found, err := f.Find(ctx, p.Key); err != nil || found.ID != second {
		t.Errorf("find = %d, %v, want the open one %d", found.ID, err, second)
	}
}

func missing(t *testing.T, ctx context.Context, f forge.Forge) {
	_, err := f.Get(ctx, 4711)
	if r, refused := run.AsRefusal(err); !refused || r.Reason != v1alpha1.ReasonRepositoryNotFound {
		t.Errorf("get of a missing one: %v, want a Refusal", err)
	}
}
