// Package source is the seam to the places that catalog snapshots come from.
package source

import (
	"context"
	"io/fs"
)

// Snapshot is a file tree at one revision.
type Snapshot struct {
	// Revision is Flux's form, "main@sha1:<hex>" or "v1.2.3@sha256:<hex>".
	Revision string
	// Tree is read-only; symbolic links that leave it are refused on reading.
	Tree fs.FS
	// Commit is the raw signed commit for verification; nil when the source
	// does not carry one (a Flux artifact).
	Commit *Commit
	// Close frees the files behind Tree.
	Close func() error
}

// Commit is what a signature check needs of a commit.
type Commit struct {
	Hash, Author, Committer, Message string
	// Signature is the armored PGP or SSH signature, empty if unsigned.
	Signature string
	// Encoded is the commit object without its signature.
	Encoded []byte
}

// Source brings snapshots. Fetch reads the network only; have is the revision
// of the last snapshot. If the remote still has that revision, Fetch returns a
// Snapshot with that Revision and a nil Tree. Errors are *run.Refusal where a
// person has to act, else worth a retry.
type Source interface {
	Fetch(ctx context.Context, have string) (Snapshot, error)
}
