package execution

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Reconciler brings one run a step further each time the world changes.
type Reconciler struct {
	client  client.Client
	record  *record.Recorder
	options Options
	places  places
	// unsure has the UIDs of runs of which a step was started and may not be
	// written down: a late cache would start another one in its place.
	unsure sync.Map
}

// pass is one reconciliation: the world as it was read, and what came of it.
type pass struct {
	// stored is the object as it was last read or written, obj what it becomes.
	stored, obj *v1alpha1.WorkflowExecution
	now         time.Time
	policy      gate.Policy
	sensitive   map[string]bool             // parameters, while the run is admitted
	patience    time.Duration               // with the queue, while the run is admitted
	before      *v1alpha1.WorkflowExecution // the run that this one retries, while it is admitted
	run         run.Run
	seen        run.Observation
	decision    run.Decision
	ended       map[string]bool // steps and items of which status tells the end
	trouble     error           // what kept a step from starting or ending, and is worth another try
	result      ctrl.Result
}

// errDone ends a pass early and well.
var errDone = errors.New("nothing more to do")

// Reconcile reads as the story of a run.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p := &pass{stored: &v1alpha1.WorkflowExecution{}, now: r.options.Now()}
	if err := r.client.Get(ctx, req.NamespacedName, p.stored); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p.obj = p.stored.DeepCopy()
	if v, ok := meta.ReconcileAnnotationValue(p.obj.GetAnnotations()); ok {
		p.obj.Status.LastHandledReconcileAt = v
	}
	for _, step := range []func(context.Context, *pass) error{
		r.guard,   // finalizer first; a deleted run is released
		r.settle,  // a run that ended only gives back what it holds
		r.admit,   // the gate; what passed is written down before anything is created
		r.observe, // what the engine sees
		r.plan,    // what is next
		r.apply,   // do it
		r.report,  // say it
	} {
		if err := step(ctx, p); err != nil {
			return r.finish(ctx, p, err)
		}
	}
	return r.finish(ctx, p, nil)
}

// finish writes the status, whatever the pass ended with.
func (r *Reconciler) finish(ctx context.Context, p *pass, err error) (ctrl.Result, error) {
	refusal, refused := run.AsRefusal(err)
	wait, waits := run.AsWait(err)
	switch {
	case refused:
		p.refuse(refusal)
	case waits:
		p.wait(wait)
	case err != nil && !errors.Is(err, errDone):
		return r.retry(ctx, p, err)
	}
	if p.obj == nil {
		r.unsure.Delete(p.stored.UID)
		return p.result, nil
	}
	what := report.Events(p.stored.Status.Conditions, p.obj.Status.Conditions)
	what = append(report.StepEvents(p.stored.Status.Steps, p.obj.Status.Steps), what...)
	if err := r.record.Write(ctx, p.stored, p.obj, what); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: conflictDelay}, nil
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if p.trouble == nil {
		r.unsure.Delete(p.obj.UID)
	}
	return p.result, p.trouble
}

// retry says what goes wrong, so that a run that comes no further tells why.
// A run that ended keeps what it ended with.
func (r *Reconciler) retry(ctx context.Context, p *pass, why error) (ctrl.Result, error) {
	if apierrors.IsConflict(why) {
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	}
	if p.stored.Status.CompletedAt != nil || ctx.Err() != nil {
		return ctrl.Result{}, why
	}
	p.obj = p.stored.DeepCopy()
	p.conditions(append(report.Retrying(v1alpha1.ReasonProgressingWithRetry, why.Error()), p.verified()...))
	return ctrl.Result{}, errors.Join(why, client.IgnoreNotFound(r.record.Write(ctx, p.stored, p.obj, nil)))
}

// conflictDelay is how long the cache is given to see a write that came before
// ours: a watch delivers in a few milliseconds.
const conflictDelay = 50 * time.Millisecond

// refuse ends the run for good.
func (p *pass) refuse(why *run.Refusal) {
	s := &p.obj.Status
	s.Phase, s.ObservedGeneration = v1alpha1.ExecutionFailed, p.obj.Generation
	if why.Reason == v1alpha1.ReasonCancelled {
		s.Phase = v1alpha1.ExecutionCancelled
	}
	if s.CompletedAt == nil {
		s.CompletedAt = seconds(p.now)
	}
	p.conditions(append(report.Stalled(why.Reason, why.Message), p.verified()...))
	p.result.RequeueAfter = releaseDelay
}

// wait says what the run waits for and until when.
func (p *pass) wait(why *run.Wait) {
	s := &p.obj.Status
	if s.Phase == "" {
		s.Phase = v1alpha1.ExecutionInitializing
	}
	if !why.Until.IsZero() {
		p.result.RequeueAfter = max(why.Until.Sub(p.now), time.Millisecond)
	}
	if s.CompletedAt != nil {
		return // a finished run keeps its conditions while its workspace goes
	}
	p.conditions(append(report.Progressing(why.Reason, why.Message), p.verified()...))
}
