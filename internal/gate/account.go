package gate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Accounts are the service accounts that one policy lets steps name.
type Accounts struct {
	// Policy is the name of the ExecutionPolicy.
	Policy string
	// Names of the accounts.
	Names []string
}

// account judges the service account that a step names. What runs as it has
// the account's rights, which no ceiling bounds, so that none may be named
// unless a policy lists it; and those that are made for single steps never.
func (c *Case) account(step run.Step) run.Verdict {
	name := step.ServiceAccount
	if c.made(name) {
		return refuse(v1alpha1.ReasonPolicyDenied, fmt.Sprintf(
			"step %s names service account %s, which is made for one step of a run and for nothing else: name an account of your own that an ExecutionPolicy lists under serviceAccounts",
			step.Name, name))
	}
	if len(c.Policy.Accounts) == 0 {
		return refuse(v1alpha1.ReasonPolicyDenied, fmt.Sprintf(
			"step %s names service account %s, and no ExecutionPolicy of namespace %s lists accounts that steps may name: remove serviceAccountName, or have the account listed under serviceAccounts of an ExecutionPolicy",
			step.Name, name, c.Run.Namespace))
	}
	for _, allowed := range c.Policy.Accounts {
		if !slices.Contains(allowed.Names, name) {
			return refuse(v1alpha1.ReasonPolicyDenied, fmt.Sprintf(
				"step %s names service account %s, which ExecutionPolicy %s does not list: name one of %s, or have it listed under serviceAccounts there",
				step.Name, name, allowed.Policy, strings.Join(allowed.Names, ", ")))
		}
	}
	return run.Pass()
}

// made says whether an account is, or will be, one that the controller makes:
// it has the name of an ActionExecution.
func (c *Case) made(name string) bool {
	if slices.Contains(c.Actions, name) || name == c.Object {
		return true
	}
	return slices.ContainsFunc(c.Run.Steps, func(s run.Step) bool {
		for attempt := range run.MaxAttempts {
			if slices.ContainsFunc(units(s), func(unit string) bool { return names.Attempt(c.Run.Name, unit, attempt+1) == name }) {
				return true
			}
		}
		return false
	})
}

// units names a step, or all items that it may be repeated for.
func units(s run.Step) []string {
	if s.ForEach == nil {
		return []string{s.Name}
	}
	out := make([]string, 0, s.ForEach.Max)
	for i := range s.ForEach.Max {
		out = append(out, run.Unit(s.Name, i))
	}
	return out
}

// NamesOf lists the names of ActionExecutions.
func NamesOf(actions []v1alpha1.ActionExecution) []string {
	out := make([]string, 0, len(actions))
	for _, a := range actions {
		out = append(out, a.Name)
	}
	return out
}
