package e2e

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// A run that failed is undone, and what stands in finally runs whether it
// failed or was cancelled, but not when it was terminated.
func TestClosingStages(t *testing.T) {
	for name, c := range map[string]struct {
		mode string
		hand func(*v1alpha1.WorkflowExecutionSpec)
		want map[string]string
	}{
		"failed": {"fail", nil, map[string]string{"apply": "Failed StepFailed", "undo": "Succeeded Succeeded", "tell": "Succeeded Succeeded", "praise": "Skipped WhenFalse"}},
		"cancelled": {"hang", func(s *v1alpha1.WorkflowExecutionSpec) { s.Cancel = true },
			map[string]string{"apply": "Cancelled Cancelled", "undo": "Skipped StageNotReached", "tell": "Succeeded Succeeded", "praise": "Skipped WhenFalse"}},
		"terminated": {"hang", func(s *v1alpha1.WorkflowExecutionSpec) { s.Terminate = true },
			map[string]string{"apply": "Cancelled Cancelled", "undo": "Skipped Terminated", "tell": "Skipped Terminated", "praise": "Skipped Terminated"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			we := closing(t, c.mode)
			if c.hand != nil {
				reach(t, we, time.Minute, "a running step", func() bool {
					return slices.ContainsFunc(we.Status.Steps, func(s v1alpha1.StepStatus) bool { return s.Phase == v1alpha1.StepRunning })
				})
				old := we.DeepCopy()
				c.hand(&we.Spec)
				if err := shared.Client.Patch(t.Context(), we, client.MergeFrom(old)); err != nil {
					t.Fatal(err)
				}
			}
			finish(t, we, 2*time.Minute)
			got := map[string]string{}
			for _, s := range we.Status.Steps {
				got[s.Name] = string(s.Phase) + " " + s.Reason
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("the run is %s; steps (-want +got):\n%s", we.Status.Phase, diff)
			}
		})
	}
}

// closing starts a run of a workflow whose only step has a mode, with one step
// that undoes it and two at the end.
func closing(t *testing.T, mode string) *v1alpha1.WorkflowExecution {
	t.Helper()
	ns := namespace(t)
	step := func(name, mode, when string) v1alpha1.WorkflowStep {
		s := probe(t, "probe", mode, "")
		s.Name, s.When = name, when
		return s
	}
	w := &v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "closing"}, Spec: v1alpha1.WorkflowSpec{
		Version: "v1.0.0", Steps: []v1alpha1.WorkflowStep{step("apply", mode, "")}, OnFailure: []v1alpha1.WorkflowStep{step("undo", "well", "")},
		Finally: []v1alpha1.WorkflowStep{step("tell", "well", ""), step("praise", "well", "steps.apply.phase == 'Succeeded'")},
	}}
	we := &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "closing"},
		Spec: v1alpha1.WorkflowExecutionSpec{WorkflowRef: &v1alpha1.LocalReference{Name: w.Name}}}
	if err := errors.Join(shared.Client.Create(t.Context(), w), shared.Client.Create(t.Context(), we)); err != nil {
		t.Fatal(err)
	}
	return we
}

// A step is repeated for each item of a list, each with its own Job, and fails
// as the worst of them.
func TestForEach(t *testing.T) {
	each := probe(t, "probe", "well", "")
	each.Name, each.Inputs, each.OnFailure = "each", raw(map[string]string{"mode": "$(item.mode)"}), v1alpha1.FailureContinues
	each.ForEach = &v1alpha1.ForEach{Items: *raw([]map[string]string{{"mode": "well"}, {"mode": "fail"}, {"mode": "well"}})}
	tell := probe(t, "probe", "well", "")
	tell.Name, tell.After = "tell", []v1alpha1.Edge{{Step: "each", Ended: []v1alpha1.EdgeEnd{v1alpha1.EdgeFailed}}}
	we := start(t, namespace(t), "each", each, tell)
	finish(t, we, 2*time.Minute)
	var got []string
	for _, item := range we.Status.Steps[0].Items {
		got = append(got, string(item.Phase))
	}
	if diff := cmp.Diff([]string{"Succeeded", "Failed", "Succeeded"}, got); diff != "" || we.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Errorf("the run is %s; items (-want +got):\n%s", we.Status.Phase, diff)
	}
	if j, _ := jobs(t, we.Namespace); len(j) != 4 {
		t.Errorf("%d Jobs were made, want 4", len(j))
	}
}

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
