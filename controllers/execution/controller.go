// Package execution reconciles WorkflowExecutions: it lets a run through the
// gate, asks the planner what is next and has an engine do it.
package execution

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fluxcd/pkg/runtime/predicates"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/engine"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// Options of the controller.
type Options struct {
	// Engine that carries the steps out.
	Engine engine.Engine
	// Live reads past the cache, to judge whether a run is still as it was read.
	Live client.Reader
	// Gate is the ordered list of checks that a run must pass before anything
	// is created.
	Gate gate.Gate
	// Now is the clock.
	Now func() time.Time
	// Settings says what holds where no ExecutionPolicy says anything. It is
	// asked at each pass, so that a change counts for runs under way.
	Settings func() settings.Settings
	// MaxConcurrent is how many runs are reconciled at once.
	MaxConcurrent int
	// Changed says that Settings has something new, which runs that wait for what
	// settings allow are woken for; nil if it never has.
	Changed <-chan event.GenericEvent
}

// indexWorkflow finds the runs that wait for a Workflow.
const indexWorkflow = "spec.workflowRef.name"

// +kubebuilder:rbac:groups=kubernaut.ai,resources=workflowexecutions,verbs=get;list;watch;update;patch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=workflowexecutions/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=workflowexecutions/finalizers,verbs=update
// +kubebuilder:rbac:groups=kubernaut.ai,resources=workflows;actions;executionpolicies;approvals,verbs=get;list;watch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=actionexecutions;pullrequests,verbs=get;list;watch;create;update;patch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;create;delete;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// New returns a Reconciler that reads and writes with c and tells events to e.
func New(c client.Client, e events.EventRecorder, opts Options) *Reconciler {
	return &Reconciler{client: c, record: record.New(c, e), options: opts}
}

// Setup adds the controller to the manager.
func Setup(ctx context.Context, mgr ctrl.Manager, opts Options) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.WorkflowExecution{}, indexWorkflow, func(o client.Object) []string {
		if ref := o.(*v1alpha1.WorkflowExecution).Spec.WorkflowRef; ref != nil {
			return []string{ref.Name}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("index runs by workflow: %w", err)
	}
	r := New(mgr.GetClient(), mgr.GetEventRecorder("workflowexecution-controller"), opts)
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicates.ReconcileRequestedPredicate{})
	b := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.WorkflowExecution{}, builder.WithPredicates(changed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: max(1, opts.MaxConcurrent)})
	r.Watches(func(of client.Object, news predicate.Predicate, wakes handler.MapFunc) {
		b = b.Watches(of, handler.EnqueueRequestsFromMapFunc(wakes), builder.WithPredicates(news))
	})
	if opts.Changed != nil {
		b = b.WatchesRawSource(source.Channel(opts.Changed, handler.EnqueueRequestsFromMapFunc(r.loosened)))
	}
	return b.Complete(r)
}

// Watches tells add what wakes runs beside a change of their own spec: which
// kind, which news of it, and the runs that these wake.
func (r *Reconciler) Watches(add func(of client.Object, news predicate.Predicate, wakes handler.MapFunc)) {
	all := predicate.Funcs{}
	add(&v1alpha1.ActionExecution{}, stepNews(), runOfStep)
	add(&v1alpha1.WorkflowExecution{}, moves(), r.queued)
	add(&v1alpha1.Workflow{}, all, r.runsOfWorkflow)
	add(&v1alpha1.Action{}, all, r.runsNotStarted)
	add(&v1alpha1.Approval{}, all, runOfApproval)
	add(&v1alpha1.ExecutionPolicy{}, all, r.runsOfPolicy)
}

// view is what of a step can change its run.
type view struct {
	phase           v1alpha1.StepPhase
	reason, message string
	cancel          bool
}

// stepNews lets through what a run has to know of its steps: neither that one
// was created, which the run did itself, nor that all goes well with it.
func stepNews() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return tells(e.Object) != tells(&v1alpha1.ActionExecution{}) },
		UpdateFunc: func(e event.UpdateEvent) bool { return tells(e.ObjectOld) != tells(e.ObjectNew) },
	}
}

func tells(o client.Object) view {
	ae, ok := o.(*v1alpha1.ActionExecution)
	if !ok {
		return view{}
	}
	t := view{phase: ae.Status.Phase, cancel: ae.Spec.Cancel}
	if c := report.Find(ae.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		t.reason, t.message = c.Reason, c.Message
	}
	if report.UnderWay(t.phase, t.reason) {
		return view{cancel: t.cancel}
	}
	return t
}

// runsOfWorkflow finds the runs of a Workflow that have not started.
func (r *Reconciler) runsOfWorkflow(ctx context.Context, o client.Object) []reconcile.Request {
	return r.runs(ctx, notStarted, client.InNamespace(o.GetNamespace()), client.MatchingFields{indexWorkflow: o.GetName()})
}

// runsNotStarted finds the runs of a namespace that have not started.
func (r *Reconciler) runsNotStarted(ctx context.Context, o client.Object) []reconcile.Request {
	return r.runs(ctx, notStarted, client.InNamespace(o.GetNamespace()))
}

// runsOfPolicy finds the runs of a namespace for which a policy of it counts at
// once: those that have not started, and those with steps that wait for a place.
func (r *Reconciler) runsOfPolicy(ctx context.Context, o client.Object) []reconcile.Request {
	return r.runs(ctx, func(e *v1alpha1.WorkflowExecution) bool { return notStarted(e) || crowded(e) }, client.InNamespace(o.GetNamespace()))
}

// loosened finds the runs that may go on by other settings. Of those in the
// queue, which can be many, it finds those that it brings forward.
func (r *Reconciler) loosened(ctx context.Context, o client.Object) []reconcile.Request {
	others := func(e *v1alpha1.WorkflowExecution) bool { return notStarted(e) && e.Status.Queue == nil || crowded(e) }
	return append(r.queued(ctx, o), r.runs(ctx, others)...)
}

func notStarted(e *v1alpha1.WorkflowExecution) bool {
	return e.Status.CompletedAt == nil && e.Status.Snapshot == nil
}

// crowded says whether steps of a run, or items of one, wait for others to end.
func crowded(e *v1alpha1.WorkflowExecution) bool {
	return e.Status.CompletedAt == nil && slices.ContainsFunc(e.Status.Steps, func(s v1alpha1.StepStatus) bool {
		return s.Reason == v1alpha1.ReasonQueued ||
			slices.ContainsFunc(s.Items, func(i v1alpha1.ItemStatus) bool { return i.Reason == v1alpha1.ReasonQueued })
	})
}

// runs lists those of which pick says yes.
func (r *Reconciler) runs(ctx context.Context, pick func(*v1alpha1.WorkflowExecution) bool, opts ...client.ListOption) []reconcile.Request {
	var list v1alpha1.WorkflowExecutionList
	if err := r.client.List(ctx, &list, opts...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list runs that wait")
		return nil
	}
	var out []reconcile.Request
	for _, e := range list.Items {
		if pick(&e) {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&e)})
		}
	}
	return out
}

// runOfStep finds the run that owns a step.
func runOfStep(_ context.Context, o client.Object) []reconcile.Request {
	ref := metav1.GetControllerOf(o)
	if ref == nil || ref.APIVersion != v1alpha1.GroupVersion().String() || ref.Kind != "WorkflowExecution" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: ref.Name}}}
}

func runOfApproval(_ context.Context, o client.Object) []reconcile.Request {
	name := o.(*v1alpha1.Approval).Spec.Execution.Name
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}
