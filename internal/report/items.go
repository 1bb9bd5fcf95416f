package report

import (
	"encoding/json"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/run"
)

// fold puts the items of steps with forEach into these; steps are in the order
// of the run, in which items stand before the step that they belong to.
func fold(old []v1alpha1.StepStatus, r run.Run, seen run.Observation, steps []v1alpha1.StepStatus) []v1alpha1.StepStatus {
	items := map[string][]v1alpha1.StepStatus{}
	out := steps[:0:0]
	for i, step := range r.Steps {
		switch {
		case step.Of != nil:
			items[step.Of.Step] = append(items[step.Of.Step], steps[i])
		case len(items[step.Name]) > 0:
			out = append(out, gathered(step, seen, steps[i], items[step.Name]))
		default:
			out = append(out, steps[i])
		}
	}
	return afford(old, out)
}

// gathered tells a step by its items. What is told of the step itself stands
// once it has ended, and so does what was told of its items then.
func gathered(step run.Step, seen run.Observation, s v1alpha1.StepStatus, items []v1alpha1.StepStatus) v1alpha1.StepStatus {
	if len(s.Items) > 0 {
		return s
	}
	ended := run.State(s.Phase).Ended() || s.Phase == v1alpha1.StepSkipped
	s.Items = make([]v1alpha1.ItemStatus, 0, len(items))
	states := make([]run.State, 0, len(items))
	for i, item := range items {
		states = append(states, stateOf(item))
		s.Items = append(s.Items, v1alpha1.ItemStatus{Index: int32(i), Phase: item.Phase, Reason: plainer(item), Attempts: item.Attempts, RetryAt: item.RetryAt, Ref: item.Ref})
		s.StartedAt, s.CompletedAt = earlier(s.StartedAt, item.StartedAt), later(s.CompletedAt, item.CompletedAt)
	}
	if ended {
		return s
	}
	state := plan.Worst(states)
	s.Phase = v1alpha1.StepPhase(state)
	s.Reason, s.Message = sum(items)
	switch state {
	case run.Absent:
		s.Phase, s.Reason, s.Message = v1alpha1.StepPending, items[0].Reason, items[0].Message
	case run.Running:
		s.Reason, s.CompletedAt = v1alpha1.ReasonRunning, nil
	case run.Succeeded:
		s.Reason, s.Outputs = v1alpha1.ReasonSucceeded, listed(step, seen)
	}
	return s
}

// stateOf is where an item stands; one that was never started is Absent.
func stateOf(item v1alpha1.StepStatus) run.State {
	if item.Phase == v1alpha1.StepPending && item.Attempts == 0 {
		return run.Absent
	}
	return run.State(item.Phase)
}

// sum says how many items succeeded, and why the first one did not that did not.
func sum(items []v1alpha1.StepStatus) (reason, message string) {
	done, first := 0, ""
	for i, item := range items {
		switch state := stateOf(item); {
		case state == run.Succeeded:
			done++
		case reason == "" && (state.Ended() || state == run.Skipped):
			reason, first = item.Reason, fmt.Sprintf("; item %d: %s", i, item.Message)
		}
	}
	return reason, fmt.Sprintf("%d of %d items succeeded%s", done, len(items), first)
}

// plainer leaves out the reason that the phase says already.
func plainer(s v1alpha1.StepStatus) string {
	if s.Reason == string(s.Phase) {
		return ""
	}
	return s.Reason
}

func listed(step run.Step, seen run.Observation) *apiextensionsv1.JSON {
	lists, err := plan.Lists(step, seen)
	if err != nil || len(lists) == 0 {
		return nil
	}
	raw, err := json.Marshal(lists)
	if err != nil {
		return nil
	}
	return &apiextensionsv1.JSON{Raw: raw}
}

func earlier(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && b.Before(a) {
		return b
	}
	return a
}

func later(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && a.Before(b) {
		return b
	}
	return a
}
