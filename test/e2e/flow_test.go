package e2e

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// What follows a failure runs after it, what depends on success or on nothing
// does not, and each step that did not run says why.
func TestFailureIsFollowed(t *testing.T) {
	step := func(name, mode string, change func(*v1alpha1.WorkflowStep)) v1alpha1.WorkflowStep {
		s := probe(t, "probe", mode, "")
		s.Name = name
		change(&s)
		return s
	}
	after := func(name string, ends ...v1alpha1.EdgeEnd) func(*v1alpha1.WorkflowStep) {
		return func(s *v1alpha1.WorkflowStep) { s.After = append(s.After, v1alpha1.Edge{Step: name, Ended: ends}) }
	}
	we := start(t, namespace(t), "undo",
		step("look", "fail", func(s *v1alpha1.WorkflowStep) { s.OnFailure = v1alpha1.FailureContinues }),
		step("apply", "fail", after("look", v1alpha1.EdgeAlways)),
		step("check", "well", func(s *v1alpha1.WorkflowStep) { s.RunAfter = []string{"apply"} }),
		step("undo", "well", after("apply", v1alpha1.EdgeFailed)),
		step("tell", "well", after("undo", v1alpha1.EdgeSucceeded, v1alpha1.EdgeSkipped)),
		step("praise", "well", after("look", v1alpha1.EdgeFailed)),
	)
	finish(t, we, 2*time.Minute)
	got := map[string]string{}
	for _, s := range we.Status.Steps {
		got[s.Name] = string(s.Phase) + " " + s.Reason
	}
	// praise starts beside apply, before that one has failed.
	want := map[string]string{
		"look": "Failed StepFailed", "apply": "Failed StepFailed", "check": "Skipped DependencyFailed",
		"undo": "Succeeded Succeeded", "tell": "Succeeded Succeeded", "praise": "Succeeded Succeeded",
	}
	if diff := cmp.Diff(want, got); diff != "" || we.Status.Phase != v1alpha1.ExecutionFailed {
		t.Errorf("the run is %s; steps (-want +got):\n%s", we.Status.Phase, diff)
	}
	if j, _ := jobs(t, we.Namespace); len(j) != 5 {
		t.Errorf("%d Jobs were made, want 5", len(j))
	}
}
