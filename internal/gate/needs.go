package gate

import (
	"time"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Needs says what a contract asks of an engine. A contract that was parsed is
// whole and below the floor, so nothing is left to default here.
func Needs(c contract.Contract) run.Needs {
	amounts := func(a contract.Amounts) map[string]string {
		out := map[string]string{}
		if a.CPU != "" {
			out["cpu"] = a.CPU
		}
		if a.Memory != "" {
			out["memory"] = a.Memory
		}
		return out
	}
	n := run.Needs{
		Stdin: c.Spec.Input == contract.InputStdin, Idempotent: c.Spec.Idempotent,
		RetryableExits: c.RetryableExits(), PreconditionExits: c.PreconditionExits(),
		Requests: amounts(c.Spec.Resources.Requests), Limits: amounts(c.Spec.Resources.Limits),
	}
	if s := c.Spec.SecurityContext; s.RunAsUser != nil {
		n.User = *s.RunAsUser
	}
	if s := c.Spec.SecurityContext; s.ReadOnlyRootFilesystem != nil {
		n.WritableRoot = !*s.ReadOnlyRootFilesystem
	}
	for _, p := range c.Spec.RBAC.Permissions {
		n.Permissions = append(n.Permissions, run.Permission{APIGroups: p.APIGroups, Resources: p.Resources, Verbs: p.Verbs})
	}
	for _, need := range c.Spec.Credentials {
		n.Credentials = append(n.Credentials, run.CredentialNeed{Name: need.Name, Required: need.Required})
	}
	for _, o := range c.Spec.Outputs {
		n.Outputs = append(n.Outputs, o.Name)
	}
	if d, err := time.ParseDuration(c.Spec.Timeout); err == nil {
		n.Timeout = d
	}
	return n
}
