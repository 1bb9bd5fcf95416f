package git

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/tree"
	"github.com/kubernaut/kubernaut/gitops/edit/unified"
	"github.com/kubernaut/kubernaut/gitops/repo"
)

// maxDiff is how much of a diff stands in the outputs.
const maxDiff = 16 << 10

// Reader reads another file of the clone; nil content means there is none.
type Reader func(name string) ([]byte, error)

// Rewrite is one change of one file of a clone.
type Rewrite struct {
	// File in the repository. If it is empty, Folder is searched for the one
	// file that has the selected document.
	File, Folder string
	Selector     edit.Selector
	// Request is all that the change depends on, as JSON values: a repetition
	// of the step is known by it.
	Request any
	// Edit changes the content.
	Edit func(name string, content []byte, read Reader) (edit.Outcome, error)
}

// Do makes the change in the clone that the inputs' destination names, notes it
// for git-commit, and returns the outputs changed, file, edits and diff. The
// note is written before the file, so that a call that was killed in between is
// repeated, and one that was killed after it knows what it did.
func (r Rewrite) Do(in contract.Values, env entry.Env) (contract.Values, error) {
	request, err := json.Marshal(r.Request)
	if err != nil {
		return nil, fmt.Errorf("encode inputs: %w", err)
	}
	at, err := findPlace(env, in)
	if err != nil {
		return nil, err
	}
	clone, err := at.open()
	if err != nil {
		return nil, err
	}
	n, err := at.notes()
	if err != nil {
		return nil, err
	}
	defer n.close()
	unlock, err := n.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	name, err := r.find(at, clone)
	if err != nil {
		return nil, err
	}
	return r.rewrite(name, clone, noted{n, editNote(env.Facts.Step, name, request)}, env)
}

// noted is where a change is noted.
type noted struct {
	*notes
	name string
}

func (r Rewrite) rewrite(name string, clone *repo.Worktree, n noted, env entry.Env) (contract.Values, error) {
	content, err := clone.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var earlier edited
	if found, err := n.read(n.name, &earlier); err != nil {
		return nil, err
	} else if found && earlier.After == digest(content) {
		env.Log.Info("file was changed before", "file", name, "edits", len(earlier.Edits))
		return outputs(earlier), nil
	}
	out, err := r.Edit(name, content, func(other string) ([]byte, error) { return readIfThere(clone, other) })
	if err != nil {
		return nil, err
	}
	e := edited{
		File: name, Selector: r.Selector, Edits: out.Edits,
		Before: digest(content), After: digest(out.Content),
		Diff: unified.Diff(name, content, out.Content),
	}
	if !out.Changed() {
		return outputs(e), nil
	}
	env.Log.Info("change file", "file", name, "edits", len(e.Edits))
	if err := n.write(n.name, e); err != nil {
		return nil, err
	}
	return outputs(e), clone.WriteFile(name, out.Content)
}

func (r Rewrite) find(at place, clone *repo.Worktree) (string, error) {
	if r.File != "" {
		return at.file(r.File), nil
	}
	root, err := os.OpenRoot(clone.Dir())
	if err != nil {
		return "", fmt.Errorf("open clone: %w", err)
	}
	defer func() { _ = root.Close() }()
	name, _, err := tree.Find(root.FS(), at.file(r.Folder), r.Selector)
	return name, err
}

// readIfThere reads a plain file of the clone, if there is one.
func readIfThere(clone *repo.Worktree, name string) ([]byte, error) {
	root, err := os.OpenRoot(clone.Dir())
	if err != nil {
		return nil, fmt.Errorf("open clone: %w", err)
	}
	defer func() { _ = root.Close() }()
	if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return clone.ReadFile(name)
}

func outputs(e edited) contract.Values {
	list := make([]map[string]any, 0, len(e.Edits))
	for _, one := range e.Edits {
		list = append(list, map[string]any{"path": one.Path, "old": one.Old, "new": one.New, "line": one.Line})
	}
	diff := []byte(e.Diff)
	if len(diff) > maxDiff {
		diff = append(bytes.ToValidUTF8(diff[:maxDiff], nil), "\n…\n"...)
	}
	return contract.Values{"changed": e.Before != e.After, "file": e.File, "edits": list, "diff": string(diff)}
}
