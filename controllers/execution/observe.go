package execution

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// observe reads what the engine sees of the run, and has what its steps
// proposed followed. What a pass has started that could not write it down is
// looked for past the cache.
func (r *Reconciler) observe(ctx context.Context, p *pass) error {
	_, unsure := r.unsure.Load(p.obj.UID)
	return r.look(ctx, p, unsure)
}

func (r *Reconciler) look(ctx context.Context, p *pass, fresh bool) error {
	p.restore()
	p.run.Fresh = fresh
	seen, err := r.options.Engine.Observe(ctx, p.run)
	if err != nil {
		return fmt.Errorf("observe the run: %w", err)
	}
	p.seen, p.trouble, p.ended = seen, nil, map[string]bool{}
	for _, s := range p.obj.Status.Steps {
		for _, item := range itemsOf(s) {
			if forgotten(item, seen.Steps[item.Name]) {
				p.remember(item)
			}
		}
		if len(s.Items) > 0 && !run.State(s.Phase).Ended() {
			continue // it is what its items come to
		}
		if forgotten(s, seen.Steps[s.Name]) {
			p.remember(s)
		}
	}
	r.propose(ctx, p)
	p.run = plan.Expand(p.run, p.seen)
	return nil
}

// itemsOf are the items of a step, told as steps.
func itemsOf(s v1alpha1.StepStatus) []v1alpha1.StepStatus {
	out := make([]v1alpha1.StepStatus, 0, len(s.Items))
	for _, item := range s.Items {
		out = append(out, v1alpha1.StepStatus{Name: run.Unit(s.Name, int(item.Index)), Phase: item.Phase, Reason: item.Reason,
			Attempts: item.Attempts, RetryAt: item.RetryAt, Ref: item.Ref})
	}
	return out
}

// forgotten says whether status knows more of a step than is seen: that it
// ended for good, or a newer attempt.
func forgotten(s v1alpha1.StepStatus, seen run.Seen) bool {
	state := run.State(s.Phase)
	return state.Ended() || state == run.Skipped || seen.State == run.Absent || seen.Attempt < int(s.Attempts)
}

// remember keeps a step whose object somebody deleted from being run again:
// what it came to stands in status, and what it did while it ran is not known.
func (p *pass) remember(s v1alpha1.StepStatus) {
	attempt := max(1, int(s.Attempts))
	switch state := run.State(s.Phase); {
	case state == run.Running:
		p.seen.Steps[s.Name] = run.Seen{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Ref: s.Ref, Finished: p.now, Started: timeOf(s.StartedAt), Attempt: attempt,
			Message: "it was deleted before its result was read: look at what the action changed, then create another run"}
	case state == run.Pending && s.Attempts > 0 && s.RetryAt == nil:
		p.seen.Steps[s.Name] = run.Seen{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Ref: s.Ref, Finished: p.now, Attempt: attempt,
			Message: "it was deleted after it was started: look at what the action changed, then create another run"}
	case s.RetryAt != nil: // what it failed with is not known any more
		p.seen.Steps[s.Name] = run.Seen{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Ref: s.Ref, Finished: p.now, Attempt: attempt,
			Message: "its last attempt was deleted before it was repeated: look at what the action changed, then create another run"}
	case state.Ended() || state == run.Skipped:
		p.ended[s.Name] = true
		p.seen.Steps[s.Name] = whole(run.Seen{State: state, Reason: run.Reason(s.Reason), Message: s.Message, Ref: s.Ref, Attempt: int(s.Attempts),
			Started: timeOf(s.StartedAt), Finished: timeOf(s.CompletedAt), Outputs: outputsOf(s.Outputs)}, p.seen.Steps[s.Name])
	}
}

// whole adds to what status knows of an end what is still seen of the same end:
// status tells less of the items of a step.
func whole(known, seen run.Seen) run.Seen {
	if seen.State != known.State {
		return known
	}
	known.Reason, known.Message = cmp.Or(known.Reason, seen.Reason), cmp.Or(known.Message, seen.Message)
	if known.Started.IsZero() {
		known.Started = seen.Started
	}
	if known.Finished.IsZero() {
		known.Finished = seen.Finished
	}
	if known.Outputs == nil {
		known.Outputs = seen.Outputs
	}
	return known
}

func outputsOf(j *apiextensionsv1.JSON) json.RawMessage {
	if j == nil {
		return nil
	}
	return j.Raw
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// plan decides what is next. What stops a run or ends a part of it is decided
// by what the API server has: a late cache may lack a step that was started.
func (r *Reconciler) plan(ctx context.Context, p *pass) error {
	p.decision = r.next(p)
	if d := p.decision; p.run.Fresh || d.Stop == "" && d.Outcome == nil && d.Closing == nil {
		return nil
	}
	if err := r.look(ctx, p, true); err != nil {
		return err
	}
	p.decision = r.next(p)
	return nil
}

func (r *Reconciler) next(p *pass) run.Decision {
	return plan.Next(plan.State{
		Run: p.run, Seen: p.seen, Now: p.now, MaxParallel: p.policy.MaxParallel,
		Suspended: p.obj.Spec.Suspend, SuspendedBy: p.obj.Spec.SuspendedBy, SuspendReason: p.obj.Spec.SuspendReason,
		Cancelled: p.obj.Spec.Cancel, Terminated: p.obj.Spec.Terminate, Traits: r.options.Engine.Traits(),
	})
}

// report computes the status and when to look again.
func (r *Reconciler) report(_ context.Context, p *pass) error {
	p.obj.Status = report.Execution{
		Old: p.obj.Status, Generation: p.obj.Generation, Run: p.run, Seen: p.seen, Decision: p.decision, Now: p.now,
	}.Status()
	if p.trouble != nil {
		p.stuck()
		return nil
	}
	if !p.decision.WakeAt.IsZero() {
		p.result.RequeueAfter = max(p.decision.WakeAt.Sub(p.now), time.Millisecond)
	}
	if p.decision.Outcome != nil {
		p.result.RequeueAfter = releaseDelay
	}
	return nil
}

// stuck says what keeps a step from starting and when it is tried again.
func (p *pass) stuck() {
	wait, waits := run.AsWait(p.trouble)
	if waits {
		p.trouble = nil
		p.wait(wait)
		return
	}
	p.conditions(append(report.Retrying(v1alpha1.ReasonProgressingWithRetry, p.trouble.Error()), p.verified()...))
}
