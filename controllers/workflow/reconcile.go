package workflow

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
)

// Reconciler checks Workflows.
type Reconciler struct {
	client client.Client
	record *record.Recorder
	opts   Options
}

// pass is one reconciliation: what was read and what was found.
type pass struct {
	stored, obj *v1alpha1.Workflow
	now         time.Time
	hash        string
	order       []string
	contracts   map[string]contract.Contract // by name of the Action
}

// Reconcile is the story of one check.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p := &pass{stored: &v1alpha1.Workflow{}, now: r.opts.Now()}
	if err := r.client.Get(ctx, req.NamespacedName, p.stored); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !p.stored.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	p.obj = p.stored.DeepCopy()
	for _, step := range []func(context.Context, *pass) error{
		r.check,   // graph, parameters and references
		r.version, // a version means one content
		r.actions, // what the actions take and give
		r.inputs,  // and whether the steps keep to it
	} {
		if err := step(ctx, p); err != nil {
			return r.finish(ctx, p, err)
		}
	}
	return r.finish(ctx, p, nil)
}
