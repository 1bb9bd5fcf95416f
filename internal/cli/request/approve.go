package request

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
)

type decision struct {
	refuse  bool
	hold    time.Duration
	comment string
}

// Approve is the verb by which a person decides about a run that waits for one.
func Approve(e *env.Env) *cobra.Command {
	d := &decision{}
	c := &cobra.Command{
		Use: "approve EXECUTION", Short: "Approve or refuse a run that has more steps than may run unasked",
		Example: "  kubernaut approve raise-memory-x7k2p --comment 'seen with the team'",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return d.run(cmd.Context(), e, args[0]) },
	}
	c.Flags().BoolVar(&d.refuse, "refuse", false, "refuse the run instead")
	c.Flags().DurationVar(&d.hold, "for", time.Hour, "how long the decision holds")
	c.Flags().StringVar(&d.comment, "comment", "", "why, for the auditor")
	return c
}

func (d *decision) run(ctx context.Context, e *env.Env, name string) error {
	_, c, ns, err := find(e, "execution")
	if err != nil {
		return err
	}
	we := &v1alpha1.WorkflowExecution{}
	if err := kinds.Get(ctx, c, "execution", client.ObjectKey{Namespace: ns, Name: name}, we); err != nil {
		return err
	}
	if we.Status.CompletedAt != nil {
		return fmt.Errorf("execution %s has ended: there is nothing to decide", name)
	}
	hash, err := contentHash(ctx, c, we)
	if err != nil {
		return err
	}
	me, err := whoami(ctx, c)
	if err != nil {
		return err
	}
	a := &v1alpha1.Approval{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: name + "-"}, Spec: v1alpha1.ApprovalSpec{
		Execution: v1alpha1.ExecutionReference{Name: name, UID: string(we.UID)}, ContentHash: hash, Decision: "Approve",
		Approver: me, Until: metav1.NewTime(time.Now().Add(d.hold)), Comment: d.comment,
	}}
	if d.refuse {
		a.Spec.Decision = "Refuse"
	}
	if err := c.Create(ctx, a); err != nil {
		return fmt.Errorf("create the approval: %w", err)
	}
	e.Say("✔ %s: %s of execution %s by %s until %s", a.Name, a.Spec.Decision, name, a.Spec.Approver, a.Spec.Until.Format(time.RFC3339))
	return nil
}

// whoami is the name under which the API server knows the caller.
func whoami(ctx context.Context, c client.Client) (string, error) {
	me := &authenticationv1.SelfSubjectReview{}
	if err := c.Create(ctx, me); err != nil {
		return "", fmt.Errorf("ask the cluster who you are: %w", err)
	}
	return me.Status.UserInfo.Username, nil
}

// contentHash is the hash of the steps that the run would have now.
func contentHash(ctx context.Context, c client.Client, we *v1alpha1.WorkflowExecution) (string, error) {
	if we.Spec.WorkflowRef == nil {
		return catalog.Hash(v1alpha1.Workflow{Spec: v1alpha1.WorkflowSpec{Steps: we.Spec.Steps}}), nil
	}
	w := &v1alpha1.Workflow{}
	if err := kinds.Get(ctx, c, "workflow", client.ObjectKey{Namespace: we.Namespace, Name: we.Spec.WorkflowRef.Name}, w); err != nil {
		return "", err
	}
	if w.Status.ContentHash == "" {
		return "", fmt.Errorf("workflow %s was not looked at yet, so there is nothing to approve: see 'get workflows'", w.Name)
	}
	return w.Status.ContentHash, nil
}
