// Package manifest changes manifests, kustomizations and values of charts in a clone.
package manifest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/internal/run"
)

// target says which file is meant: file, or the one in folder that has the
// selected object.
func target(in contract.Values) (git.Rewrite, error) {
	sel, err := git.Selector(in.Object("select"))
	r := git.Rewrite{File: in.String("file"), Folder: in.String("folder"), Selector: sel}
	if err == nil && (r.File == "") == (r.Folder == "") {
		err = run.Refuse(v1alpha1.ReasonInvalidParameters, "read inputs: wanted either file or folder")
	}
	return r, err
}

// changes reads the inputs set, append and delete, in this order.
func changes(in contract.Values) ([]edit.Change, error) {
	var out []edit.Change
	for _, op := range []edit.Op{edit.Set, edit.Append} {
		values := in.Object(cmp.Or(string(op), "set"))
		for _, path := range slices.Sorted(maps.Keys(values)) {
			out = append(out, edit.Change{Op: op, Path: path, Value: values[path]})
		}
	}
	gone, err := in.Strings("delete")
	if err != nil {
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "read inputs.delete: %s", err)
	}
	for _, path := range gone {
		out = append(out, edit.Change{Op: edit.Delete, Path: path})
	}
	if len(out) == 0 {
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "read inputs: found no change, wanted at least one")
	}
	return out, nil
}
