package manifest

import (
	"context"
	_ "embed" // the contract file
	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/kustomize"
)

//go:embed kustomize_set_replicas.yaml
var setReplicasDocument string

// SetReplicas sets how many replicas a kustomization gives a workload.
func SetReplicas() entry.Built {
	return entry.Built{Document: setReplicasDocument, Action: setReplicas{}}
}

type setReplicas struct{}

// Contract is the embedded document.
func (setReplicas) Contract() contract.Contract { return contract.Must(setReplicasDocument) }

// Run edits the file.
func (setReplicas) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	replicas := kustomize.Replicas{Name: in.String("name"), Count: in.Int("count")}
	return git.Rewrite{
		File: in.String("file"), Request: replicas,
		Edit: func(name string, content []byte, _ git.Reader) (edit.Outcome, error) {
			return kustomize.SetReplicas(name, content, replicas)
		},
	}.Do(in, env)
}
