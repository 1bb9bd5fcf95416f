package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

const (
	listTimeout  = 30 * time.Second
	fetchTimeout = 3 * time.Minute
	maxFetch     = 512 << 20
	objectCache  = 16 << 20
)

// wanted is where fetched commits are kept, outside the names that people use.
const wanted = "refs/kubernaut/wanted"

// Checkout is a file tree of a remote at one commit.
type Checkout struct {
	// Revision is Flux's form: "main@sha1:…", "v1.2.3@sha1:…", "sha1:…".
	Revision string
	// Dir holds the files, without .git, submodules and anything that a link
	// could write outside; links themselves are kept as they are, so read it
	// through os.OpenRoot. Empty if the revision was known already.
	Dir    string
	Commit Commit
}

// Fetch brings the tree of one commit into dir/tree; dir must exist and is the
// caller's to remove. It lists the remote's references first: if the revision
// is have, nothing is downloaded and Dir is empty. Each fetch starts afresh,
// so rewritten history is no special case. Errors are *run.Refusal where a
// person has to act, else worth a retry; none carries a credential.
func Fetch(ctx context.Context, remote Remote, ref Ref, dir, have string) (Checkout, error) {
	l, err := remote.link()
	if err != nil {
		return Checkout{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	got, err := l.resolve(ctx, ref)
	if err != nil {
		return Checkout{}, err
	}
	if have != "" && got.revision() == have {
		return Checkout{Revision: have}, nil
	}
	objects := filepath.Join(dir, "objects")
	defer func() { _ = os.RemoveAll(objects) }()
	limit := newBudget(maxFetch)
	store := filesystem.NewStorageWithOptions(limited{osfs.New(objects, osfs.WithBoundOS()), limit},
		cache.NewObjectLRU(objectCache), filesystem.Options{})
	if _, err = git.Init(store, nil); err != nil {
		return Checkout{}, fmt.Errorf("create object store: %w", err)
	}
	if err = l.download(ctx, store, &got, ref); err != nil {
		return Checkout{}, err
	}
	out := Checkout{Revision: got.revision(), Dir: filepath.Join(dir, "tree")}
	if out.Commit, err = readCommit(store, got.hash); err != nil {
		return Checkout{}, err
	}
	if err = writeTree(ctx, store, got.hash, out.Dir, limit); err != nil {
		return Checkout{}, l.explain("write files of", err)
	}
	return out, nil
}

// download gets the commit, shallow where the host allows, and puts the
// commit that really arrived into got: the branch may have moved since it was listed.
func (l link) download(ctx context.Context, store storage.Storer, got *resolved, ref Ref) error {
	if got.name != "" {
		if err := l.fetch(ctx, store, got.name.String(), 1); err != nil {
			return err
		}
		at, err := store.Reference(wanted)
		if err != nil {
			return fmt.Errorf("read fetched reference: %w", err)
		}
		got.hash, err = peel(store, at.Hash())
		return err
	}
	err := l.fetch(ctx, store, got.hash.String(), 1)
	if err == nil {
		return nil
	}
	// Not every host gives single commits away: look through the branch.
	branch := "refs/heads/*"
	if ref.Branch != "" {
		branch = plumbing.NewBranchReferenceName(ref.Branch).String()
	}
	if err = l.fetch(ctx, store, branch, 0); err != nil {
		return err
	}
	if _, err = store.EncodedObject(plumbing.CommitObject, got.hash); err != nil {
		return refuse(v1alpha1.ReasonReferenceNotFound, "repository %s: no commit %s on %s", l.remote.URL, got.hash, branch)
	}
	return nil
}

// fetch brings one source (a reference, a pattern or a commit) into store.
func (l link) fetch(ctx context.Context, store storage.Storer, src string, depth int) error {
	cert, key := l.cert()
	target := wanted
	if src == "refs/heads/*" {
		target += "/*"
	}
	err := l.git(store).FetchContext(ctx, &git.FetchOptions{
		RefSpecs: []config.RefSpec{config.RefSpec("+" + src + ":" + target)}, Depth: depth, Tags: git.NoTags, Force: true,
		Auth: l.auth, CABundle: l.ca, ClientCert: cert, ClientKey: key, ProxyOptions: l.proxy(),
	})
	var missing git.NoMatchingRefSpecError
	switch {
	case err == nil, isUpToDate(err):
		return nil
	case errors.As(err, &missing):
		return refuse(v1alpha1.ReasonReferenceNotFound, "repository %s: has no %s", l.remote.URL, src)
	}
	return l.explain("fetch "+src+" of", err)
}

// peel follows annotated tags to their commit.
func peel(store storage.Storer, hash plumbing.Hash) (plumbing.Hash, error) {
	const maxTags = 8
	for range maxTags {
		obj, err := store.EncodedObject(plumbing.AnyObject, hash)
		if err != nil {
			return hash, fmt.Errorf("read object %s: %w", hash, err)
		}
		if obj.Type() == plumbing.CommitObject {
			return hash, nil
		}
		next, err := tagTarget(obj)
		if err != nil {
			return hash, err
		}
		hash = next
	}
	return hash, refuse(v1alpha1.ReasonReferenceNotFound, "tags of tags go deeper than %d", maxTags)
}

func tagTarget(obj plumbing.EncodedObject) (plumbing.Hash, error) {
	raw, err := readObject(obj)
	const prefix = "object "
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if obj.Type() != plumbing.TagObject || len(raw) < len(prefix)+40 {
		return plumbing.ZeroHash, refuse(v1alpha1.ReasonReferenceNotFound, "reference leads to a %s, not to a commit", obj.Type())
	}
	return plumbing.NewHash(string(raw[len(prefix) : len(prefix)+40])), nil
}

const maxObject = 1 << 20

func readObject(obj plumbing.EncodedObject) ([]byte, error) {
	if obj.Size() > maxObject {
		return nil, refuse(v1alpha1.ReasonRepositoryTooLarge, "object %s is larger than %d bytes", obj.Hash(), maxObject)
	}
	r, err := obj.Reader()
	if err != nil {
		return nil, fmt.Errorf("open object %s: %w", obj.Hash(), err)
	}
	defer func() { _ = r.Close() }()
	raw, err := io.ReadAll(io.LimitReader(r, maxObject))
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", obj.Hash(), err)
	}
	return raw, nil
}
