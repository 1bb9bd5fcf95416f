package workflow

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// conflictDelay gives the cache time to see a write that came before ours.
const conflictDelay = 50 * time.Millisecond

// finish writes what was found. Nothing needs a timer: everything that a
// Workflow depends on is watched.
func (r *Reconciler) finish(ctx context.Context, p *pass, err error) (ctrl.Result, error) {
	refusal, refused := run.AsRefusal(err)
	wait, waits := run.AsWait(err)
	s := &p.obj.Status
	switch {
	case err == nil:
		s.ObservedGeneration = p.obj.Generation
		s.ContentHash, s.Version, s.Order = p.hash, p.obj.Spec.Version, p.order
		p.conditions(report.Ready(v1alpha1.ReasonSucceeded, fmt.Sprintf("%s with %d steps can run", s.Version, len(s.Order))))
	case refused:
		s.ObservedGeneration = p.obj.Generation
		p.conditions(report.Stalled(refusal.Reason, refusal.Message))
	case waits:
		p.conditions(report.Progressing(wait.Reason, wait.Message))
	default:
		return ctrl.Result{}, err
	}
	if token, ok := meta.ReconcileAnnotationValue(p.obj.GetAnnotations()); ok {
		s.LastHandledReconcileAt = report.Cut(token, 64)
	}
	written := r.record.Write(ctx, p.stored, p.obj, report.Events(p.stored.Status.Conditions, s.Conditions))
	if apierrors.IsConflict(written) {
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(written)
}

func (p *pass) conditions(wanted []metav1.Condition) {
	s := &p.obj.Status
	s.Conditions = report.Merge(s.Conditions, wanted, p.obj.Generation, p.now)
}
