package repo

import (
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/utils/merkletrie"

	"github.com/kubernaut/kubernaut/gitops/edit/unified"
)

const (
	maxDiffFiles = 100
	maxDiffBytes = 256 << 10
)

// FileDiff is one changed file.
type FileDiff struct {
	Path string
	// Status is Added, Modified or Deleted.
	Status string
	// Unified is empty for binary files.
	Unified string
}

// Diff is what a work tree's commits change.
type Diff struct {
	// Base and Head are SHA-1s.
	Base, Head string
	Files      []FileDiff
	// Truncated says that files or text beyond the bounds were left out.
	Truncated bool
}

// Unified joins the files' differences.
func (d Diff) Unified() string {
	var out strings.Builder
	for _, f := range d.Files {
		out.WriteString(f.Unified)
	}
	return out.String()
}

// Paths lists the changed files.
func (d Diff) Paths() []string {
	out := make([]string, len(d.Files))
	for i, f := range d.Files {
		out[i] = f.Path
	}
	return out
}

// DiffBase compares what was cloned with HEAD: at most 100 files and 256 KiB.
func (w *Worktree) DiffBase() (Diff, error) {
	head, err := w.head()
	if err != nil {
		return Diff{}, err
	}
	base, err := w.git.CommitObject(plumbing.NewHash(w.base.SHA))
	if err != nil {
		return Diff{}, fmt.Errorf("read base commit: %w", err)
	}
	from, err := base.Tree()
	if err != nil {
		return Diff{}, fmt.Errorf("read base tree: %w", err)
	}
	to, err := head.Tree()
	if err != nil {
		return Diff{}, fmt.Errorf("read tree: %w", err)
	}
	changes, err := object.DiffTree(from, to)
	if err != nil {
		return Diff{}, fmt.Errorf("compare trees: %w", err)
	}
	out := Diff{Base: w.base.SHA, Head: head.Hash.String()}
	size := 0
	for _, c := range changes {
		f, err := fileDiff(c)
		if err != nil {
			return Diff{}, err
		}
		size += len(f.Unified)
		if len(out.Files) == maxDiffFiles {
			out.Truncated = true
			break
		}
		if size > maxDiffBytes {
			out.Truncated, f.Unified = true, ""
		}
		out.Files = append(out.Files, f)
	}
	return out, nil
}

func fileDiff(c *object.Change) (FileDiff, error) {
	action, err := c.Action()
	if err != nil {
		return FileDiff{}, fmt.Errorf("compare file: %w", err)
	}
	from, to, err := c.Files()
	if err != nil {
		return FileDiff{}, fmt.Errorf("read changed file: %w", err)
	}
	out := FileDiff{Path: c.To.Name, Status: "Modified"}
	switch action {
	case merkletrie.Insert:
		out.Status = "Added"
	case merkletrie.Delete:
		out.Status, out.Path = "Deleted", c.From.Name
	}
	old, oldText, err := content(from)
	if err != nil {
		return FileDiff{}, err
	}
	changed, newText, err := content(to)
	if err != nil {
		return FileDiff{}, err
	}
	if oldText && newText {
		out.Unified = unified.Diff(out.Path, old, changed)
	}
	return out, nil
}

// content reads a text file; nil is an absent one, false a binary or huge one.
func content(f *object.File) ([]byte, bool, error) {
	if f == nil {
		return nil, true, nil
	}
	if binary, err := f.IsBinary(); err != nil || binary || f.Size > maxFile {
		return nil, false, err
	}
	r, err := f.Reader()
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", f.Name, err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", f.Name, err)
	}
	return append([]byte{}, b...), true, nil
}
