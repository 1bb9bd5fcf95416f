package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	// maxMessage bounds a condition's message.
	maxMessage = 2048
	// maxHistory is how many attempts the status holds.
	maxHistory = 5
	// conflictDelay gives the cache time to see a write that came before ours.
	conflictDelay = 50 * time.Millisecond
)

// errSame ends a pass that found what is published already.
var errSame = errors.New("the revision is published")

// finish writes what the attempt came to and says when the next is due.
func (r *Reconciler) finish(ctx context.Context, p *pass, err error) (ctrl.Result, error) {
	if errors.Is(err, errDone) {
		return ctrl.Result{}, nil
	}
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	}
	if !p.obj.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, err
	}
	retry := p.obj.Spec.Interval.Duration
	if p.obj.Spec.RetryInterval != nil {
		retry = p.obj.Spec.RetryInterval.Duration
	}
	next := retry
	refusal, refused := run.AsRefusal(err)
	wait, waits := run.AsWait(err)
	switch {
	case err == nil, errors.Is(err, errSame):
		next = p.obj.Spec.Interval.Duration
		p.succeed()
	case refused:
		p.stall(refusal)
	case waits:
		p.conditions(report.Progressing(wait.Reason, wait.Message))
	default:
		ctrl.LoggerFrom(ctx).Error(err, "attempt failed", "revision", p.obj.Status.LastAttemptedRevision)
		p.conditions(report.Retrying(reasonFor(err), err.Error()))
	}
	if token, fresh := requested(p.obj); fresh {
		p.obj.Status.LastHandledReconcileAt = report.Cut(token, 64)
	}
	if err := r.write(ctx, p, p.events()...); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: conflictDelay}, nil
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return ctrl.Result{RequeueAfter: r.opts.Jitter(max(next, time.Second))}, nil
}

func (p *pass) succeed() {
	s := &p.obj.Status
	s.ObservedGeneration = p.obj.Generation
	s.Findings = nil
	p.remember(v1alpha1.ReasonSucceeded)
	p.conditions(report.Ready(v1alpha1.ReasonSucceeded, fmt.Sprintf("published %d actions and %d workflows of %s", s.Actions, s.Workflows, s.LastAppliedRevision)))
}

// stall says that a person has to act; the last good revision stays published.
func (p *pass) stall(why *run.Refusal) {
	s := &p.obj.Status
	s.ObservedGeneration = p.obj.Generation
	s.Findings = p.findings
	if len(s.Findings) > maxFindings {
		s.Findings = s.Findings[:maxFindings]
	}
	message := why.Message
	if s.LastAppliedRevision != "" && s.LastAppliedRevision != p.snapshot.Revision {
		message += fmt.Sprintf("; %s stays published", s.LastAppliedRevision)
	}
	if p.snapshot.Revision != "" {
		p.remember(string(why.Reason))
	}
	p.conditions(report.Stalled(why.Reason, message))
}

// remember puts an attempt on top of the history unless it is there.
func (p *pass) remember(reason string) {
	s := &p.obj.Status
	if len(s.History) > 0 && s.History[0].Revision == s.LastAttemptedRevision && s.History[0].Reason == reason {
		return
	}
	attempt := v1alpha1.CatalogSnapshot{Revision: s.LastAttemptedRevision, Reason: reason, Time: metav1.NewTime(p.now.Truncate(time.Second))}
	s.History = append([]v1alpha1.CatalogSnapshot{attempt}, s.History...)
	if len(s.History) > maxHistory {
		s.History = s.History[:maxHistory]
	}
}

// conditions replaces all conditions. What was found about the signature stays
// until it is looked at again.
func (p *pass) conditions(wanted []metav1.Condition) {
	s := &p.obj.Status
	signed := p.signed
	if signed == nil && p.verifies() {
		signed = report.Find(s.Conditions, v1alpha1.ConditionSourceVerified)
	}
	if signed != nil {
		wanted = append(wanted, *signed)
	}
	s.Conditions = report.Merge(s.Conditions, wanted, p.obj.Generation, p.now)
}

// write makes the stored status that of the pass and tells what.
func (r *Reconciler) write(ctx context.Context, p *pass, what ...report.Event) error {
	if err := r.record.Write(ctx, p.stored, p.obj, what); err != nil {
		return err
	}
	p.stored = p.obj.DeepCopy()
	return nil
}

// events tells what the whole pass made of Ready, or a new revision under the
// same reason.
func (p *pass) events() []report.Event {
	old, now := p.before, p.obj.Status
	events := report.Events(old.Conditions, now.Conditions)
	ready := report.Find(now.Conditions, v1alpha1.ConditionReady)
	if len(events) > 0 || ready == nil || old.LastAttemptedRevision == now.LastAttemptedRevision {
		return events
	}
	kind := "Normal"
	if ready.Status != metav1.ConditionTrue {
		kind = "Warning"
	}
	return []report.Event{{Type: kind, Reason: ready.Reason, Message: ready.Message}}
}
