// Package forge is the seam to the hosts where pull requests live.
package forge

import (
	"context"
	"time"
)

// Key finds a proposal again after any crash: there is at most one open pull
// request for one key.
type Key struct {
	// Head is the deterministic branch that carries the change.
	Head string
	// Base is the branch that the change should reach.
	Base string
	// Cause is the marker that stands in the body's hidden metadata block.
	Cause string
}

// Proposal is the wanted content of a pull request.
type Proposal struct {
	Key
	// Title is one line of at most 255 characters.
	Title string
	// Body is Markdown of at most 65,536 characters.
	Body string
	// Labels are created on the forge when they are missing and the forge
	// has labels.
	Labels []string
	// HeadSHA is the commit that the head branch must carry.
	HeadSHA string
}

// ID names one pull request in the repository that the Forge was made for.
type ID int64

// State is the life of a pull request.
type State string

// States of a pull request.
const (
	Open   State = "Open"
	Merged State = "Merged"
	Closed State = "Closed"
)

// Pull is a pull request as the forge tells it.
type Pull struct {
	ID       ID
	URL      string
	State    State
	Title    string
	Body     string
	Head     string
	Base     string
	HeadSHA  string
	MergeSHA string
	// Author is the login that opened it.
	Author    string
	UpdatedAt time.Time
}

// Forge is one repository's pull requests. Every method is bounded in time by
// its context and in size by the implementation. Errors are *run.Refusal where
// a person has to act (no such repository, no permission), *run.Wait where the
// forge asks to come back later (rate limit), else worth a retry.
type Forge interface {
	// Find reads the open pull request of a key, or failing that the newest
	// merged or closed one; ErrNotFound if there was never one.
	Find(ctx context.Context, key Key) (Pull, error)
	// Get reads one pull request.
	Get(ctx context.Context, id ID) (Pull, error)
	// Open creates the pull request or returns the open one of the same key.
	Open(ctx context.Context, p Proposal) (Pull, error)
	// Update makes title and body of an open pull request equal to p.
	Update(ctx context.Context, id ID, p Proposal) (Pull, error)
	// Close closes without merging and says why in a comment; closing a
	// closed one does nothing.
	Close(ctx context.Context, id ID, why string) error
}
