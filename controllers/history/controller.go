// Package history deletes finished runs, and what their steps left, when the policies of the namespace keep them no longer.
package history

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Options of the controller.
type Options struct {
	// Now is the clock.
	Now func() time.Time
}

// +kubebuilder:rbac:groups=kubernaut.ai,resources=workflowexecutions;actionexecutions,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=kubernaut.ai,resources=executionpolicies;pullrequests,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Setup adds the controller to the manager. It works on a namespace at a time,
// since which run goes depends on the others.
func Setup(mgr ctrl.Manager, opts Options) error {
	r := &Reconciler{
		client: mgr.GetClient(), live: mgr.GetAPIReader(), now: opts.Now,
		record: record.New(mgr.GetClient(), mgr.GetEventRecorder("history-controller")),
	}
	theirs := handler.EnqueueRequestsFromMapFunc(namespaceOf)
	return ctrl.NewControllerManagedBy(mgr).
		Named("history").
		Watches(&v1alpha1.WorkflowExecution{}, theirs, builder.WithPredicates(predicate.NewPredicateFuncs(finished))).
		Watches(&v1alpha1.ActionExecution{}, theirs, builder.WithPredicates(predicate.NewPredicateFuncs(ended))).
		Watches(&v1alpha1.PullRequest{}, theirs).
		Watches(&v1alpha1.ExecutionPolicy{}, theirs).
		Complete(r)
}

// namespaceOf asks for the namespace of an object.
func namespaceOf(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: o.GetNamespace()}}}
}

func finished(o client.Object) bool {
	e, ok := o.(*v1alpha1.WorkflowExecution)
	return ok && e.Status.CompletedAt != nil
}

func ended(o client.Object) bool {
	ae, ok := o.(*v1alpha1.ActionExecution)
	return ok && run.State(ae.Status.Phase).Ended()
}
