package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/go-git/go-git/v5"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// maxFile bounds the files that are read to be edited.
const maxFile = 4 << 20

// Worktree is a clone that this package made. One process uses it at a time.
type Worktree struct {
	dir  string
	base Base
	git  *git.Repository
}

// OpenWorktree opens what Clone made, in this process or an earlier one. The
// owner of the files does not matter.
func OpenWorktree(dir string) (*Worktree, error) {
	base, err := readBase(dir)
	if err != nil {
		return nil, err
	}
	store, files := open(dir, newBudget(maxClone))
	r, err := git.Open(store, files)
	if err != nil {
		return nil, refuse(v1alpha1.ReasonWorktreeInvalid, "directory %s is no usable repository (%s): clone it again", dir, err)
	}
	return &Worktree{dir: dir, base: base, git: r}, nil
}

// Dir is where the files are.
func (w *Worktree) Dir() string { return w.dir }

// Base is where the clone came from.
func (w *Worktree) Base() Base { return w.base }

// Head is the SHA-1 of the current commit.
func (w *Worktree) Head() (string, error) {
	ref, err := w.git.Head()
	if err != nil {
		return "", fmt.Errorf("read HEAD: %w", err)
	}
	return ref.Hash().String(), nil
}

// ReadFile reads a plain file of at most 4 MiB by its slash-separated path.
func (w *Worktree) ReadFile(name string) ([]byte, error) {
	root, _, err := w.contain(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > maxFile {
		return nil, refuse(v1alpha1.ReasonPathRefused, "file %s is larger than %d bytes", name, maxFile)
	}
	return b, nil
}

// WriteFile replaces an existing plain file in one step, with the same mode.
func (w *Worktree) WriteFile(name string, content []byte) error {
	root, info, err := w.contain(name)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	temporary := path.Join(path.Dir(name), "."+path.Base(name)+".writing")
	_ = root.Remove(temporary) // left by a killed process
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return fmt.Errorf("create %s: %w", temporary, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(info.Mode().Perm()) // in spite of the umask
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		_ = root.Remove(temporary)
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// contain opens the tree and refuses every name that is not a plain file
// reached through plain directories inside it.
func (w *Worktree) contain(name string) (*os.Root, fs.FileInfo, error) {
	if err := plainPath(name); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open work tree: %w", err)
	}
	info, err := walk(root, name)
	if err != nil {
		_ = root.Close()
		return nil, nil, err
	}
	return root, info, nil
}

func walk(root *os.Root, name string) (fs.FileInfo, error) {
	parts := strings.Split(name, "/")
	for i := range parts {
		at := strings.Join(parts[:i+1], "/")
		info, err := root.Lstat(at)
		last := i == len(parts)-1
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &missingError{refuse(v1alpha1.ReasonPathRefused, "file %s is not in the repository", name)}
		case err != nil:
			return nil, fmt.Errorf("look at %s: %w", at, err)
		case last && info.Mode().IsRegular():
			return info, nil
		case last || !info.IsDir():
			return nil, refuse(v1alpha1.ReasonPathRefused, "%s is not a plain file reached through plain directories (%s is %s)", name, at, info.Mode().Type())
		}
	}
	return nil, refuse(v1alpha1.ReasonPathRefused, "path %q names nothing", name)
}

// missingError marks the one refusal that a deletion may ignore.
type missingError struct{ error }

func (e *missingError) Unwrap() error { return e.error }
