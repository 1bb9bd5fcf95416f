package pullrequest

import (
	"context"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// allowed refuses a repository that the namespace's policies do not allow,
// before a Secret is read or anything is sent: whoever may create this object
// may not choose where credentials go. The gate's own check is asked.
func (r *Reconciler) allowed(ctx context.Context, pr *v1alpha1.PullRequest) error {
	var policies v1alpha1.ExecutionPolicyList
	if err := r.client.List(ctx, &policies, client.InNamespace(pr.Namespace)); err != nil {
		return fmt.Errorf("list execution policies of %s: %w", pr.Namespace, err)
	}
	inputs, err := json.Marshal(map[string]string{"repository": pr.Spec.Repository})
	if err != nil {
		return fmt.Errorf("write repository %q: %w", pr.Spec.Repository, err)
	}
	verdict := gate.Repositories{}.Check(ctx, &gate.Case{
		Run:    run.Run{Namespace: pr.Namespace, Name: pr.Name, Steps: []run.Step{{Name: "follow", Inputs: inputs}}},
		Policy: gate.PolicyOf(policies.Items, settings.Settings{}),
	})
	if verdict.Kind != run.Passed {
		return run.Refuse(verdict.Reason, "%s", verdict.Message)
	}
	return nil
}
