// Package actions lists every built-in action.
package actions

import (
	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/actions/manifest"
	"github.com/kubernaut/kubernaut/actions/workload"
)

// All lists the built-in actions. Who only reads their contracts may pass nil.
func All(forges git.Forges) []entry.Built {
	return []entry.Built{
		git.Clone(),
		git.ModifyFile(),
		manifest.YAMLSet(),
		manifest.Patch(),
		manifest.SetImage(),
		manifest.SetReplicas(),
		manifest.SetValues(),
		git.Commit(),
		git.CreatePR(forges),
		workload.RestartPod(),
		workload.ScaleDeployment(),
	}
}

// Find returns the action of a name such as "git-clone" or of a type such as
// "kubernetes/scale-deployment"; underscores count as dashes.
func Find(forges git.Forges, name string) (entry.Built, bool) {
	name = contract.CanonicalType(name)
	for _, b := range All(forges) {
		c := b.Action.Contract()
		if c.Metadata.Name == name || c.Spec.ActionType == name {
			return b, true
		}
	}
	return entry.Built{}, false
}
