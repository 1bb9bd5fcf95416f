package step

import (
	"context"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// report turns what was seen into status.
func (r *Reconciler) report(_ context.Context, p *pass) error {
	if p.seen.State.Ended() {
		p.end(p.seen)
		return nil
	}
	if pod := p.obj.Status.PodName; pod != "" && p.seen.Message == run.AwaitsPod {
		p.seen.Message = fmt.Sprintf("pod %s is gone; waits for its Job to say how it ended", pod)
	}
	p.fill(p.seen)
	p.conditions(report.Progressing(p.seen.Reason, p.seen.Message))
	return nil
}

// end writes down the action's result. One whose end nobody saw ends now.
func (p *pass) end(seen run.Seen) {
	if seen.Finished.IsZero() {
		seen.Finished = p.now
	}
	p.fill(seen)
	p.obj.Status.ObservedGeneration = p.obj.Generation
	if seen.State == run.Succeeded {
		p.conditions(report.Ready(v1alpha1.ReasonSucceeded, "the action did its work"))
		return
	}
	p.conditions(report.Stalled(seen.Reason, seen.Message))
}

// wait says what the action waits for and until when.
func (p *pass) wait(why *run.Wait) {
	p.obj.Status.Phase = v1alpha1.StepPending
	if !why.Until.IsZero() {
		p.result.RequeueAfter = max(why.Until.Sub(p.now), time.Millisecond)
	}
	p.conditions(report.Progressing(why.Reason, why.Message))
}

func (p *pass) fill(seen run.Seen) {
	s := &p.obj.Status
	s.Phase = v1alpha1.StepPhase(seen.State)
	if seen.Ref != "" {
		s.JobName, s.PodName, s.NodeName = p.obj.Name, seen.Ref, seen.Node
	}
	if !seen.Started.IsZero() {
		s.StartedAt = seconds(seen.Started)
	}
	if !seen.Finished.IsZero() {
		s.CompletedAt = seconds(seen.Finished)
	}
	s.FailureCause, s.Began, s.Repeatable = v1alpha1.RetryCause(seen.Cause), seen.Began, seen.Repeatable
	if seen.ExitCode != nil {
		s.ExitCode = seen.ExitCode
	}
	if len(seen.Outputs) > 0 {
		s.Outputs = &apiextensionsv1.JSON{Raw: seen.Outputs}
	}
}

// conditions replaces all conditions but Verified.
func (p *pass) conditions(wanted []metav1.Condition) {
	s := &p.obj.Status
	if c := report.Find(s.Conditions, v1alpha1.ConditionVerified); c != nil {
		wanted = append(wanted, *c)
	}
	s.Conditions = report.Merge(p.stored.Status.Conditions, wanted, p.obj.Generation, p.now)
}

func seconds(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.Truncate(time.Second))
	return &m
}
