package manifest

import (
	"context"
	_ "embed" // the contract file
	"path"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/helm"
)

//go:embed helm_values_set.yaml
var setValuesDocument string

// SetValues changes values of a chart.
func SetValues() entry.Built {
	return entry.Built{Document: setValuesDocument, Action: setValues{}}
}

type setValues struct{}

// Contract is the embedded document.
func (setValues) Contract() contract.Contract { return contract.Must(setValuesDocument) }

// Run edits the file.
func (setValues) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	wanted, err := changes(in)
	if err != nil {
		return nil, err
	}
	return git.Rewrite{
		File: in.String("file"), Request: []any{in["chart"], in["set"], in["append"], in["delete"]},
		Edit: func(name string, content []byte, read git.Reader) (edit.Outcome, error) {
			chart, err := chartOf(name, in.String("chart"), read)
			if err != nil {
				return edit.Outcome{}, err
			}
			return helm.SetValues(name, content, chart, wanted)
		},
	}.Do(in, env)
}

// chartOf reads schema and defaults of the chart in a folder, by default the
// one of the file with the values.
func chartOf(name, folder string, read git.Reader) (helm.Chart, error) {
	if folder == "" {
		folder = path.Dir(name)
	}
	schema, err := read(path.Join(folder, "values.schema.json"))
	if err != nil {
		return helm.Chart{}, err
	}
	chart := helm.Chart{Schema: schema}
	if defaults := path.Join(folder, "values.yaml"); len(schema) > 0 && defaults != path.Clean(name) {
		chart.Defaults, err = read(defaults)
	}
	return chart, err
}
