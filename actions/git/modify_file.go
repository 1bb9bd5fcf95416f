package git

import (
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
	"github.com/kubernaut/kubernaut/internal/run"
)

//go:embed modify_file.yaml
var modifyDocument string

// ModifyFile changes values in one YAML file of a clone.
func ModifyFile() entry.Built { return entry.Built{Document: modifyDocument, Action: modifyFile{}} }

type modifyFile struct{}

// Contract is the embedded document.
func (modifyFile) Contract() contract.Contract { return contract.Must(modifyDocument) }

// Run edits the file.
func (modifyFile) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	chosen := in.Object("select")
	if !in.Has("select") {
		chosen = identity(in.Object("patch"))
	}
	sel, err := Selector(chosen)
	if err != nil {
		return nil, err
	}
	changes, err := requested(in)
	if err != nil {
		return nil, err
	}
	return Rewrite{
		File: in.String("file"), Selector: sel, Request: []any{in["select"], in["patch"], in["set"]},
		Edit: func(name string, content []byte, _ Reader) (edit.Outcome, error) {
			return edit.Apply(name, content, sel, changes)
		},
	}.Do(in, env)
}

// requested reads the wanted changes, those of the patch first.
func requested(in contract.Values) ([]edit.Change, error) {
	var changes []edit.Change
	if in.Has("patch") {
		raw, err := json.Marshal(in.Object("patch"))
		if err != nil {
			return nil, fmt.Errorf("encode patch: %w", err)
		}
		if changes, err = patch.ByName(raw); err != nil {
			return nil, err
		}
	}
	set := in.Object("set")
	for _, path := range slices.Sorted(maps.Keys(set)) {
		changes = append(changes, edit.Change{Path: path, Value: set[path]})
	}
	if len(changes) == 0 {
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "read inputs: found no change, wanted patch or set with at least one value")
	}
	return changes, nil
}

// Selector reads which document is meant from the fields apiVersion, kind, name
// and namespace.
func Selector(given map[string]any) (edit.Selector, error) {
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
