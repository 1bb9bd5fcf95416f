// Package step reconciles ActionExecutions: one action of a run, verified once
// more and then run as a Job.
package step

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/fluxcd/pkg/runtime/predicates"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Jobs carries single actions out.
type Jobs interface {
	// Observe reads what became of the action; Absent if nothing was created.
	Observe(ctx context.Context, ae *v1alpha1.ActionExecution) (run.Seen, error)
	// DryRun asks whether the Job would be accepted, and writes nothing.
	DryRun(ctx context.Context, ae *v1alpha1.ActionExecution, needs run.Needs) error
	// Start creates the Job; twice is once.
	Start(ctx context.Context, ae *v1alpha1.ActionExecution, needs run.Needs) error
	// Stop ends the Job; twice is once.
	Stop(ctx context.Context, ae *v1alpha1.ActionExecution) error
}

// Options of the controller.
type Options struct {
	// Jobs that carry actions out.
	Jobs Jobs
	// Gate is the ordered list of checks before a Job is created.
	Gate gate.Gate
	// Now is the clock.
	Now func() time.Time
	// MaxConcurrent is how many steps are reconciled at once.
	MaxConcurrent int
}

// +kubebuilder:rbac:groups=kubernaut.ai,resources=actionexecutions,verbs=get;list;watch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=actionexecutions/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=actionexecutions/finalizers,verbs=update
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;create
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;create

// New returns a Reconciler that reads and writes with c and tells events to e.
func New(c client.Client, e events.EventRecorder, opts Options) *Reconciler {
	return &Reconciler{client: c, record: record.New(c, e), options: opts}
}

// Setup adds the controller to the manager.
func Setup(mgr ctrl.Manager, opts Options) error {
	r := New(mgr.GetClient(), mgr.GetEventRecorder("actionexecution-controller"), opts)
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicates.ReconcileRequestedPredicate{})
	b := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ActionExecution{}, builder.WithPredicates(changed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: max(1, opts.MaxConcurrent)})
	r.Watches(func(of client.Object, news predicate.Predicate, wakes handler.MapFunc) {
		b = b.Watches(of, handler.EnqueueRequestsFromMapFunc(wakes), builder.WithPredicates(news))
	})
	return b.Complete(r)
}

// Watches tells add what wakes steps beside a change of their own spec: which
// kind, which news of it, and the steps that these wake.
func (r *Reconciler) Watches(add func(of client.Object, news predicate.Predicate, wakes handler.MapFunc)) {
	add(&batchv1.Job{}, news(jobState), r.stepOfJob)
	add(&corev1.Pod{}, news(podState), r.stepOfPod)
}
