package start

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
)

// Retry is the verb that starts a run which goes on where another one failed.
func Retry(e *env.Env) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "retry EXECUTION", Short: "Start a run that goes on where another one failed, and follow it to its end",
		Long: "Retry creates a WorkflowExecution with the workflow, the parameters and the target of one that failed or was cancelled.\n" +
			"Steps that succeeded there with the same image and inputs are not run again, unless they use the workspace.",
		Example: "  kubernaut retry raise-memory-x7k2p --reason 'the registry is back'",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.retry(cmd.Context(), e, args[0]) },
	}
	c.Flags().StringVar(&o.name, "name", "", "name of the new run; default is the workflow's with a random end")
	c.Flags().StringVar(&o.reason, "reason", "", "why, for the reviewer of what the run does; default is the old run's")
	c.Flags().BoolVar(&o.noWait, "no-wait", false, "return as soon as the run is created")
	return c
}

func (o *options) retry(ctx context.Context, e *env.Env, name string) error {
	c, ns, err := e.Open()
	if err != nil {
		return err
	}
	before := &v1alpha1.WorkflowExecution{}
	if err := kinds.Get(ctx, c, "execution", client.ObjectKey{Namespace: ns, Name: name}, before); err != nil {
		return err
	}
	switch {
	case before.Status.CompletedAt == nil:
		return fmt.Errorf("execution %s goes on: 'tree %s --watch' follows it, 'cancel %s' ends it", name, name, name)
	case before.Status.Phase == v1alpha1.ExecutionCompleted:
		return fmt.Errorf("execution %s succeeded: there is nothing to retry, 'run' starts another one", name)
	}
	return o.create(ctx, e, c, o.again(before))
}

// again is a run that retries one.
func (o *options) again(before *v1alpha1.WorkflowExecution) *v1alpha1.WorkflowExecution {
	we := &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: before.Namespace, Name: o.name}, Spec: *before.Spec.DeepCopy()}
	s := &we.Spec
	s.RetryOf = &v1alpha1.LocalReference{Name: before.Name}
	s.Suspend, s.SuspendReason, s.SuspendedBy, s.Cancel, s.Terminate = false, "", "", false, false
	s.Reason = or(o.reason, s.Reason)
	if o.name == "" {
		we.GenerateName = s.WorkflowType + "-"
		if s.WorkflowRef != nil {
			we.GenerateName = s.WorkflowRef.Name + "-"
		}
	}
	return we
}
