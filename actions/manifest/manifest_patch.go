package manifest

import (
	"context"
	_ "embed" // the contract file
	"encoding/json"
	"fmt"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/patch"
	"github.com/kubernaut/kubernaut/internal/run"
)

//go:embed manifest_patch.yaml
var manifestPatchDocument string

// Patch patches one object of a file.
func Patch() entry.Built {
	return entry.Built{Document: manifestPatchDocument, Action: manifestPatch{}}
}

type manifestPatch struct{}

// Contract is the embedded document.
func (manifestPatch) Contract() contract.Contract { return contract.Must(manifestPatchDocument) }

// Run edits the file.
func (manifestPatch) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	r, err := target(in)
	if err != nil {
		return nil, err
	}
	if in.Has("patch") == in.Has("operations") {
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "read inputs: wanted either patch or operations")
	}
	r.Request = []any{in["select"], in["patch"], in["operations"]}
	r.Edit = func(name string, content []byte, _ git.Reader) (edit.Outcome, error) {
		wanted, err := patchOf(in, name, content, r.Selector)
		if err != nil {
			return edit.Outcome{}, err
		}
		return edit.Apply(name, content, r.Selector, wanted)
	}
	return r.Do(in, env)
}

func patchOf(in contract.Values, name string, content []byte, sel edit.Selector) ([]edit.Change, error) {
	if in.Has("patch") {
		object, err := edit.Read(name, content, sel)
		if err != nil {
			return nil, err
		}
		return patch.Strategic(object, in.Object("patch"))
	}
	raw, err := json.Marshal(in["operations"])
	if err != nil {
		return nil, fmt.Errorf("encode operations: %w", err)
	}
	return patch.JSON(raw)
}
