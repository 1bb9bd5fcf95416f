package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

const (
	maxClone = 1 << 30
	// baseFile records where a clone came from, inside .git.
	baseFile = "kubernaut.json"
	maxBase  = 16 << 10
)

// CloneOptions bounds a clone.
type CloneOptions struct {
	// Branch is the branch to change; empty for the remote's default.
	Branch string
	// MaxBytes limits what is written to disk; 0 means 1 GiB.
	MaxBytes int64
	// Timeout limits the whole clone; 0 means three minutes.
	Timeout time.Duration
}

// Base is where a work tree came from. It is kept beside the objects, so that
// later steps in other processes know it.
type Base struct {
	// URL carries no credentials.
	URL    string `json:"url"`
	Branch string `json:"branch"`
	SHA    string `json:"sha"`
}

// Clone brings one branch, without history, to dir, which is created. A clone
// that this function made there before is replaced, an empty directory too,
// anything else is a Refusal. Only a complete clone appears at dir.
func Clone(ctx context.Context, remote Remote, dir string, o CloneOptions) (*Worktree, error) {
	l, err := remote.link()
	if err != nil {
		return nil, err
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = maxClone
	}
	if o.Timeout == 0 {
		o.Timeout = fetchTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if err = replaceable(dir); err != nil {
		return nil, err
	}
	got, err := l.resolve(ctx, Ref{Branch: o.Branch})
	if err != nil {
		return nil, err
	}
	staging := filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".cloning")
	if err = os.RemoveAll(staging); err != nil {
		return nil, fmt.Errorf("remove earlier attempt: %w", err)
	}
	defer func() { _ = os.RemoveAll(staging) }()
	if err = l.cloneInto(ctx, staging, got, o.MaxBytes); err != nil {
		return nil, l.explain("clone", err)
	}
	if err = os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("remove earlier clone: %w", err)
	}
	if err = os.Rename(staging, dir); err != nil {
		return nil, fmt.Errorf("move clone to its place: %w", err)
	}
	return OpenWorktree(dir)
}

// replaceable allows what a clone may overwrite: nothing, an empty directory
// or an earlier clone of ours.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil
	}
	if err != nil {
		return refuse(v1alpha1.ReasonWorktreeInvalid, "directory %s cannot be cloned to: %s", dir, err)
	}
	if _, err = readBase(dir); err != nil {
		return refuse(v1alpha1.ReasonWorktreeInvalid, "directory %s is not empty and no clone of ours: choose another", dir)
	}
	return nil
}

func (l link) cloneInto(ctx context.Context, dir string, got resolved, maxBytes int64) error {
	limit := newBudget(maxBytes)
	r, err := initRepository(dir, limit, got.name)
	if err != nil {
		return err
	}
	if err = l.download(ctx, r.Storer, &got, Ref{}); err != nil {
		return err
	}
	if err = r.Storer.SetReference(plumbing.NewHashReference(got.name, got.hash)); err != nil {
		return fmt.Errorf("set branch: %w", err)
	}
	if _, err = r.CreateRemote(&config.RemoteConfig{Name: remoteName, URLs: []string{l.remote.URL}}); err != nil {
		return fmt.Errorf("write remote: %w", err)
	}
	w, err := r.Worktree()
	if err != nil {
		return fmt.Errorf("open work tree: %w", err)
	}
	if err = w.Checkout(&git.CheckoutOptions{Branch: got.name, Force: true}); err != nil {
		return fmt.Errorf("check out files: %w", err)
	}
	base, err := json.Marshal(Base{URL: l.remote.URL, Branch: got.name.Short(), SHA: got.hash.String()})
	if err != nil {
		return fmt.Errorf("encode clone record: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, ".git", baseFile), base, 0o644)
}

func initRepository(dir string, limit *budget, branch plumbing.ReferenceName) (*git.Repository, error) {
	store, files := open(dir, limit)
	r, err := git.InitWithOptions(store, files, git.InitOptions{DefaultBranch: branch})
	if err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	return r, nil
}

// open gives the two halves of a repository on disk. Bound file systems keep
// links from leading a read or write out of the directory.
func open(dir string, limit *budget) (*filesystem.Storage, limited) {
	files := limited{osfs.New(dir, osfs.WithBoundOS()), limit}
	objects := limited{osfs.New(filepath.Join(dir, ".git"), osfs.WithBoundOS()), limit}
	return filesystem.NewStorageWithOptions(objects, cache.NewObjectLRU(objectCache), filesystem.Options{}), files
}

func readBase(dir string) (Base, error) {
	raw, err := readBounded(filepath.Join(dir, ".git", baseFile), maxBase)
	if err != nil {
		return Base{}, refuse(v1alpha1.ReasonWorktreeInvalid, "directory %s holds no clone of ours: clone the repository first", dir)
	}
	var b Base
	if err = json.Unmarshal(raw, &b); err != nil || b.URL == "" || b.Branch == "" || !isSHA1(b.SHA) {
		return Base{}, refuse(v1alpha1.ReasonWorktreeInvalid, "clone record in %s cannot be read: clone the repository again", dir)
	}
	return b, nil
}
