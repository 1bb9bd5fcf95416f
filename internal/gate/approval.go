package gate

import (
	"context"
	"fmt"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Approval asks a person when a run has more steps than may run unasked.
type Approval struct{}

// Name returns "approval".
func (Approval) Name() string { return "approval" }

// Check looks for a decision about this run and these steps that still holds.
// One refusal outweighs any number of approvals.
func (Approval) Check(_ context.Context, c *Case) run.Verdict {
	steps, threshold := 0, c.Policy.ApprovalThreshold
	for _, step := range c.Run.Steps {
		steps++
		if step.ForEach != nil {
			steps += step.ForEach.Most() - 1
		}
	}
	approved := steps <= threshold
	for _, a := range c.Approvals {
		if a.Spec.Execution.UID != c.Run.UID || a.Spec.ContentHash != c.ContentHash || !c.Now.Before(a.Spec.Until.Time) {
			continue
		}
		if a.Spec.Decision != "Approve" {
			return refuse(v1alpha1.ReasonApprovalRefused, fmt.Sprintf("%s refused the run: %s", a.Spec.Approver, a.Spec.Comment))
		}
		approved = true
	}
	if approved {
		return run.Pass()
	}
	return run.Verdict{Kind: run.Waiting, Reason: v1alpha1.ReasonAwaitingApproval, Message: fmt.Sprintf(
		"the run has %d steps and more than %d need a person: create an Approval for execution %s, uid %s, contentHash %s", steps, threshold, c.Run.Name, c.Run.UID, c.ContentHash)}
}
