package repo

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Person is a name and a mail address in a commit.
type Person struct{ Name, Email string }

// CommitOptions says who commits what for whom.
type CommitOptions struct {
	Message string
	Author  Person
	// Committer is Author if it is empty.
	Committer Person
	// When is written into the commit. The same files, message and time on
	// the same base give the same commit, which makes a repeated run harmless.
	When time.Time
	// Signer signs the commit; nil leaves it unsigned.
	Signer Signer
}

// Signer returns the signature of a commit as it stands in the commit.
type Signer interface {
	Sign(commit io.Reader) ([]byte, error)
}

func (o CommitOptions) complete() bool {
	return o.Message != "" && o.Author.Name != "" && o.Author.Email != "" && !o.When.IsZero()
}

// CommitPaths commits exactly the named files, changed or deleted, and
// returns the new commit's SHA-1. If they are unchanged, it returns the
// present commit when that is this very commit (a retry), else ErrNoChange.
func (w *Worktree) CommitPaths(paths []string, o CommitOptions) (string, error) {
	if len(paths) == 0 || !o.complete() {
		return "", refuse(v1alpha1.ReasonInvalid, "commit needs paths, a message, an author and a time")
	}
	tree, err := w.git.Worktree()
	if err != nil {
		return "", fmt.Errorf("open work tree: %w", err)
	}
	// What others may have staged is none of this commit.
	if err = tree.Reset(&git.ResetOptions{Mode: git.MixedReset}); err != nil {
		return "", fmt.Errorf("reset index: %w", err)
	}
	for _, p := range paths {
		if err = w.stage(tree, p); err != nil {
			return "", err
		}
	}
	if o.Committer == (Person{}) {
		o.Committer = o.Author
	}
	hash, err := tree.Commit(o.Message, &git.CommitOptions{
		Author:    &object.Signature{Name: o.Author.Name, Email: o.Author.Email, When: o.When},
		Committer: &object.Signature{Name: o.Committer.Name, Email: o.Committer.Email, When: o.When},
		Signer:    o.Signer,
	})
	if errors.Is(err, git.ErrEmptyCommit) {
		return w.sameCommit(o)
	}
	if err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	return hash.String(), nil
}

func (w *Worktree) sameCommit(o CommitOptions) (string, error) {
	head, err := w.head()
	if err != nil {
		return "", err
	}
	if head.Hash.String() != w.base.SHA && head.Message == o.Message {
		return head.Hash.String(), nil
	}
	return "", ErrNoChange
}

func (w *Worktree) head() (*object.Commit, error) {
	ref, err := w.git.Head()
	if err != nil {
		return nil, fmt.Errorf("read HEAD: %w", err)
	}
	c, err := w.git.CommitObject(ref.Hash())
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", ref.Hash(), err)
	}
	return c, nil
}

func (w *Worktree) stage(tree *git.Worktree, name string) error {
	if err := w.notInSubmodule(name); err != nil {
		return err
	}
	root, _, err := w.contain(name)
	var missing *missingError
	if errors.As(err, &missing) {
		if _, removeErr := tree.Remove(name); removeErr != nil {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	_ = root.Close()
	// Without SkipStatus the library compares the whole tree for each file.
	if err = tree.AddWithOptions(&git.AddOptions{Path: name, SkipStatus: true}); err != nil {
		return fmt.Errorf("stage %s: %w", name, err)
	}
	return nil
}

func (w *Worktree) notInSubmodule(name string) error {
	head, err := w.head()
	if err != nil {
		return err
	}
	tree, err := head.Tree()
	if err != nil {
		return fmt.Errorf("read tree: %w", err)
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		at := strings.Join(parts[:i+1], "/")
		if entry, err := tree.FindEntry(at); err == nil && entry.Mode == filemode.Submodule {
			return refuse(v1alpha1.ReasonPathRefused, "%s is inside the submodule %s: change its own repository", name, at)
		}
	}
	return nil
}
