// Package memory is a forge that forgets: for previews and tests.
package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Forge holds the pull requests of one repository.
type Forge struct {
	mu    sync.Mutex
	pulls []forge.Pull
}

// New returns an empty forge.
func New() *Forge { return &Forge{} }

// Find returns the open pull request of a key, else the newest.
func (f *Forge) Find(_ context.Context, key forge.Key) (forge.Pull, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var newest *forge.Pull
	for i, p := range slices.Backward(f.pulls) {
		if p.Head != key.Head || p.Base != key.Base {
			continue
		}
		if p.State == forge.Open {
			return p, nil
		}
		if newest == nil {
			newest = &f.pulls[i]
		}
	}
	if newest == nil {
		return forge.Pull{}, forge.ErrNotFound
	}
	return *newest, nil
}

// Get returns one pull request.
func (f *Forge) Get(_ context.Context, id forge.ID) (forge.Pull, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.at(id)
	if err != nil {
		return forge.Pull{}, err
	}
	return *p, nil
}

func (f *Forge) at(id forge.ID) (*forge.Pull, error) {
	if id < 1 || int(id) > len(f.pulls) {
		return nil, run.Refuse(v1alpha1.ReasonRepositoryNotFound, "there is no pull request %d", id)
	}
	return &f.pulls[id-1], nil
}

// Open creates a pull request, or returns the open one of the same key.
func (f *Forge) Open(ctx context.Context, p forge.Proposal) (forge.Pull, error) {
	if found, err := f.Find(ctx, p.Key); err == nil && found.State == forge.Open {
		return found, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := forge.ID(len(f.pulls) + 1)
	f.pulls = append(f.pulls, forge.Pull{
		ID: id, URL: fmt.Sprintf("memory://pulls/%d", id), State: forge.Open,
		Title: p.Title, Body: p.Body, Head: p.Head, Base: p.Base, HeadSHA: p.HeadSHA,
	})
	return f.pulls[id-1], nil
}

// Update makes title and body equal to p.
func (f *Forge) Update(_ context.Context, id forge.ID, p forge.Proposal) (forge.Pull, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pull, err := f.at(id)
	if err != nil {
		return forge.Pull{}, err
	}
	pull.Title, pull.Body = p.Title, p.Body
	return *pull, nil
}

// Close closes an open pull request.
func (f *Forge) Close(_ context.Context, id forge.ID, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	pull, err := f.at(id)
	if err == nil && pull.State == forge.Open {
		pull.State = forge.Closed
	}
	return err
}
