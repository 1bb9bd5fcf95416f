package step

import (
	"context"
	"errors"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Reconciler brings one action a step further each time the world changes.
type Reconciler struct {
	client  client.Client
	record  *record.Recorder
	options Options
}

// pass is one reconciliation.
type pass struct {
	stored, obj *v1alpha1.ActionExecution
	now         time.Time
	seen        run.Seen
	result      ctrl.Result
}

// errDone ends a pass early and well.
var errDone = errors.New("nothing more to do")

// conflictDelay is how long the cache is given to see a write that came before
// ours: a watch delivers in a few milliseconds.
const conflictDelay = 50 * time.Millisecond

// Reconcile reads as the story of an action.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p := &pass{stored: &v1alpha1.ActionExecution{}, now: r.options.Now()}
	if err := r.client.Get(ctx, req.NamespacedName, p.stored); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p.obj = p.stored.DeepCopy()
	if v, ok := meta.ReconcileAnnotationValue(p.obj.GetAnnotations()); ok {
		p.obj.Status.LastHandledReconcileAt = v
	}
	for _, step := range []func(context.Context, *pass) error{
		r.settled, // an action that ended, or that goes with its run, is left alone
		r.observe, // what became of its Job
		r.cancel,  // stop it if somebody asked
		r.start,   // verify, check and create, if there is nothing yet
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
		p.end(run.Seen{State: run.Failed, Reason: refusal.Reason, Message: refusal.Message, Finished: p.now})
	case waits:
		p.wait(wait)
	case err != nil && !errors.Is(err, errDone):
		return r.retry(ctx, p, err)
	}
	what := report.Events(p.stored.Status.Conditions, p.obj.Status.Conditions)
	if err := r.record.Write(ctx, p.stored, p.obj, what); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: conflictDelay}, nil
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return p.result, nil
}

// retry says what goes wrong, so that a step that comes no further tells why.
func (r *Reconciler) retry(ctx context.Context, p *pass, why error) (ctrl.Result, error) {
	if apierrors.IsConflict(why) {
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	}
	if ctx.Err() != nil {
		return ctrl.Result{}, why
	}
	p.obj = p.stored.DeepCopy()
	p.conditions(report.Retrying(v1alpha1.ReasonProgressingWithRetry, why.Error()))
	return ctrl.Result{}, errors.Join(why, client.IgnoreNotFound(r.record.Write(ctx, p.stored, p.obj, nil)))
}
