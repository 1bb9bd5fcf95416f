package git

import (
	"bytes"
	"context"
	_ "embed" // the contract file
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/patch"
	"github.com/kubernaut/kubernaut/gitops/edit/unified"
	"github.com/kubernaut/kubernaut/gitops/repo"
	"github.com/kubernaut/kubernaut/internal/run"
)

//go:embed modify_file.yaml
var modifyDocument string

// maxDiff is how much of a diff stands in the outputs.
const maxDiff = 16 << 10

// ModifyFile changes values in one YAML file of a clone.
func ModifyFile() entry.Built { return entry.Built{Document: modifyDocument, Action: modifyFile{}} }

type modifyFile struct{}

// Contract is the embedded document.
func (modifyFile) Contract() contract.Contract { return contract.Must(modifyDocument) }

// Run edits the file. The note is written before the file, so that a call that
// was killed in between is repeated, and one that was killed after it knows
// what it did.
func (modifyFile) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	at, err := findPlace(env, in)
	if err != nil {
		return nil, err
	}
	tree, err := at.open()
	if err != nil {
		return nil, err
	}
	name := at.file(in.String("file"))
	sel, changes, request, err := requested(in)
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
	note := editNote(env.Facts.Step, name, request)
	content, err := tree.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var earlier edited
	if found, err := n.read(note, &earlier); err != nil {
		return nil, err
	} else if found && earlier.After == digest(content) {
		env.Log.Info("file was changed before", "file", name, "edits", len(earlier.Edits))
		return edits(earlier), nil
	}
	e, out, err := apply(name, content, sel, changes)
	if err != nil || !out.Changed() {
		return edits(e), err
	}
	env.Log.Info("change file", "file", name, "edits", len(e.Edits))
	return edits(e), store(n, note, e, tree, out)
}

// requested reads the selector and the wanted changes, those of the patch first.
func requested(in contract.Values) (edit.Selector, []edit.Change, []byte, error) {
	var sel edit.Selector
	request, err := json.Marshal([]any{in["select"], in["patch"], in["set"]})
	if err != nil {
		return sel, nil, nil, fmt.Errorf("encode inputs: %w", err)
	}
	chosen := in.Object("select")
	if !in.Has("select") {
		chosen = identity(in.Object("patch"))
	}
	if sel, err = selector(chosen); err != nil {
		return sel, nil, nil, err
	}
	var changes []edit.Change
	if in.Has("patch") {
		raw, err := json.Marshal(in.Object("patch"))
		if err != nil {
			return sel, nil, nil, fmt.Errorf("encode patch: %w", err)
		}
		if changes, err = patch.ByName(raw); err != nil {
			return sel, nil, nil, err
		}
	}
	set := in.Object("set")
	for _, path := range slices.Sorted(maps.Keys(set)) {
		changes = append(changes, edit.Change{Path: path, Value: set[path]})
	}
	if len(changes) == 0 {
		return sel, nil, nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "read inputs: found no change, wanted patch or set with at least one value")
	}
	return sel, changes, request, nil
}

func selector(given map[string]any) (edit.Selector, error) {
	var sel edit.Selector
	fields := map[string]*string{"apiVersion": &sel.APIVersion, "kind": &sel.Kind, "name": &sel.Name, "namespace": &sel.Namespace}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		text, isText := given[key].(string)
		field, known := fields[key]
		if !known || !isText {
			return sel, run.Refuse(v1alpha1.ReasonInvalidParameters, "read inputs.select.%s: wanted apiVersion, kind, name or namespace with text", key)
		}
		*field = text
	}
	return sel, nil
}

// identity finds in a patch which object it is written for.
func identity(patch map[string]any) map[string]any {
	out := map[string]any{}
	metadata, _ := patch["metadata"].(map[string]any)
	for key, from := range map[string]map[string]any{"apiVersion": patch, "kind": patch, "name": metadata, "namespace": metadata} {
		if v, ok := from[key]; ok {
			out[key] = v
		}
	}
	return out
}

func apply(name string, content []byte, sel edit.Selector, changes []edit.Change) (edited, edit.Outcome, error) {
	out, err := edit.Apply(name, content, sel, changes)
	if err != nil {
		return edited{}, out, err
	}
	return edited{
		File: name, Selector: sel, Edits: out.Edits,
		Before: digest(content), After: digest(out.Content),
		Diff: unified.Diff(name, content, out.Content),
	}, out, nil
}

func store(n *notes, note string, e edited, tree *repo.Worktree, out edit.Outcome) error {
	if err := n.write(note, e); err != nil {
		return err
	}
	return tree.WriteFile(e.File, out.Content)
}

func edits(e edited) contract.Values {
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
