package e2e

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// A step whose action fails twice with a code that may pass is tried again
// after its pauses, and each attempt is an object of its own.
func TestRetries(t *testing.T) {
	step := probe(t, "probe-again", "third", "  idempotent: true\n")
	step.UsesWorkspace = true
	step.Retries = &v1alpha1.Retries{Backoff: &v1alpha1.Backoff{Initial: &metav1.Duration{Duration: 2 * time.Second}, Factor: 3}}
	began := time.Now()
	we := start(t, namespace(t), "again", step)
	finish(t, we, 2*time.Minute)
	if s := we.Status.Steps[0]; we.Status.Phase != v1alpha1.ExecutionCompleted || s.Attempts != 3 || s.RetryAt != nil {
		t.Errorf("the run is %s; step %+v, want three attempts", we.Status.Phase, s)
	}
	if least := (2 + 6) * time.Second * 9 / 10; time.Since(began) < least {
		t.Errorf("three attempts took %s, with pauses of at least %s", time.Since(began), least)
	}
	if j, _ := jobs(t, we.Namespace); len(j) != 3 {
		t.Errorf("%d Jobs were made, want 3", len(j))
	}
}
