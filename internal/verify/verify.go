// Package verify is the seam behind which signatures are judged.
package verify

import (
	"context"
	"time"
)

// Image is one image pinned to its content.
type Image struct {
	// Repository is the full name without tag or digest, such as
	// "registry.example.com/actions/git-clone".
	Repository string
	// Digest is "sha256:" and 64 lower-case hexadecimal digits.
	Digest string
}

// String returns "repository@digest".
func (i Image) String() string { return i.Repository + "@" + i.Digest }

// Subject says for whom an image is judged: policies match on it and pull
// secrets are read in its name.
type Subject struct {
	// Namespace is where the image would run.
	Namespace string
	// ServiceAccount whose pull secrets may be used; empty means "default".
	ServiceAccount string
	// Kind, Group, Version name the object that carries the image, such as
	// Job, batch, v1; Labels are that object's labels.
	Kind, Group, Version string
	Labels               map[string]string
}

// Result says why an image may run.
type Result struct {
	// Policies are the names of all policies that matched; every one passed.
	Policies []string
	// Signer names who signed, for people: "key sha256:<16 hex of the key's
	// SHA-256>" or a certificate identity.
	Signer string
	// Format is "legacy" or "bundle".
	Format string
	// Authority of the first policy that was satisfied by a signature, Identity
	// and Issuer in its certificate; empty where there is none.
	Authority, Identity, Issuer string
	// LogIndex in the transparency log; nil where no log is involved.
	LogIndex *int64
	// SignedAt by log or timestamp; zero where nothing says it.
	SignedAt time.Time
	// NotAfter is when a root of trust that was used ends; zero means never.
	NotAfter time.Time
	// VerifiedAt is when the signatures were looked at; zero means just now.
	VerifiedAt time.Time
	// Warnings for people, of policies that warn only.
	Warnings []string
	// PolicySet is the content hash of the whole policy set that was used.
	PolicySet string
}

// Verifier judges images. Verify reads policies and the registry and writes
// nothing; it may be repeated and called from several goroutines. Only a nil
// error lets an image run. A *run.Refusal is final until image or policies
// change; any other error, such as an unreachable registry, is worth a retry.
type Verifier interface {
	Verify(ctx context.Context, img Image, who Subject) (Result, error)
}
