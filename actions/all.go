// Package actions lists every built-in action.
package actions

import (
	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/workload"
)

// All lists the built-in actions.
func All() []entry.Built {
	return []entry.Built{
		workload.RestartPod(),
		workload.ScaleDeployment(),
	}
}

// Find returns the action of a name such as "git-clone" or of a type such as
// "kubernetes/scale-deployment"; underscores count as dashes.
func Find(name string) (entry.Built, bool) {
	name = contract.CanonicalType(name)
	for _, b := range All() {
		c := b.Action.Contract()
		if c.Metadata.Name == name || c.Spec.ActionType == name {
			return b, true
		}
	}
	return entry.Built{}, false
}
