// Package workflow reconciles Workflows: it says whether one can run with the actions that there are.
package workflow

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/runtime/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/record"
)

// Options may be left out.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Concurrent is how many Workflows are checked at once; below 1 means 1.
	Concurrent int
}

// indexAction finds the Workflows that use an Action.
const indexAction = "spec.steps.action"

// +kubebuilder:rbac:groups=kubernaut.ai,resources=workflows;actions,verbs=get;list;watch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=workflows/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Setup adds the controller to the manager.
func Setup(ctx context.Context, mgr ctrl.Manager, opts Options) error {
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.Workflow{}, indexAction, actionsOf); err != nil {
		return fmt.Errorf("index workflows by action: %w", err)
	}
	r := newReconciler(mgr.GetClient(), opts)
	r.record = record.New(mgr.GetClient(), mgr.GetEventRecorder("workflow-controller"))
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicates.ReconcileRequestedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Workflow{}, builder.WithPredicates(changed)).
		// The status of an Action holds its contract.
		Watches(&v1alpha1.Action{}, handler.EnqueueRequestsFromMapFunc(r.users)).
		WithOptions(controller.Options{MaxConcurrentReconciles: max(1, opts.Concurrent)}).
		Complete(r)
}

func newReconciler(c client.Client, opts Options) *Reconciler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Reconciler{client: c, opts: opts}
}

func actionsOf(o client.Object) []string {
	var names []string
	for _, s := range manifests.Steps(o.(*v1alpha1.Workflow).Spec) {
		if s.Action != "" {
			names = append(names, s.Action)
		}
	}
	return names
}

// users finds the Workflows that use an Action.
func (r *Reconciler) users(ctx context.Context, o client.Object) []reconcile.Request {
	var list v1alpha1.WorkflowList
	if err := r.client.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.MatchingFields{indexAction: o.GetName()}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list workflows", "action", o.GetName())
		return nil
	}
	out := make([]reconcile.Request, 0, len(list.Items))
	for _, w := range list.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&w)})
	}
	return out
}
