package manifest

import (
	"context"
	_ "embed" // the contract file
	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/gitops/edit"
)

//go:embed yaml_set.yaml
var yamlSetDocument string

// YAMLSet changes values of one file by their paths.
func YAMLSet() entry.Built {
	return entry.Built{Document: yamlSetDocument, Action: yamlSet{}}
}

type yamlSet struct{}

// Contract is the embedded document.
func (yamlSet) Contract() contract.Contract { return contract.Must(yamlSetDocument) }

// Run edits the file.
func (yamlSet) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	r, err := target(in)
	if err != nil {
		return nil, err
	}
	wanted, err := changes(in)
	if err != nil {
		return nil, err
	}
	r.Request = []any{in["select"], in["set"], in["append"], in["delete"]}
	r.Edit = func(name string, content []byte, _ git.Reader) (edit.Outcome, error) {
		return edit.Apply(name, content, r.Selector, wanted)
	}
	return r.Do(in, env)
}
