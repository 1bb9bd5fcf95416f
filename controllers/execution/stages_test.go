package execution

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// closed is a run of the workflow fix: one step, one that undoes it and one
// that tells of it at the end.
func closed(t *testing.T) *world {
	t.Helper()
	e := twoSteps()
	e.Spec.Steps, e.Spec.WorkflowType = nil, ""
	e.Spec.WorkflowRef = &v1alpha1.LocalReference{Name: "fix"}
	w := newWorld(t, e)
	step := func(name, text string) []v1alpha1.WorkflowStep {
		return []v1alpha1.WorkflowStep{{Name: name, Image: image(1), UsesWorkspace: true, Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"` + text + `"}`)}}}
	}
	ready := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, ObservedGeneration: 1}}
	w.make(&v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "fix", Generation: 1},
		Spec:   v1alpha1.WorkflowSpec{Version: "v1.0.0", Steps: step("a", "hello"), OnFailure: step("u", "undo"), Finally: step("f", "told")},
		Status: v1alpha1.WorkflowStatus{Conditions: ready, ContentHash: "sha256:fix"}})
	w.outcome["u"], w.outcome["f"] = `{}`, `{}`
	return w
}

// first changes the first step of the workflow.
func (w *world) first(edit func(*v1alpha1.WorkflowStep)) {
	w.t.Helper()
	fix := &v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "fix"}}
	if err := w.base.Get(w.t.Context(), client.ObjectKeyFromObject(fix), fix); err != nil {
		w.t.Fatal(err)
	}
	edit(&fix.Spec.Steps[0])
	if err := w.base.Update(w.t.Context(), fix); err != nil {
		w.t.Fatal(err)
	}
}

// unreadable has step a open a pull request that nobody can follow.
func unreadable(w *world) {
	w.t.Helper()
	w.first(func(s *v1alpha1.WorkflowStep) { s.Image = image(2) })
	w.outcome["a"] = `{"prNumber":"seven"}`
}

func TestClosingStages(t *testing.T) {
	for name, c := range map[string]struct {
		spoil       func(*world)
		want, until string
	}{
		"succeeded": {func(*world) {}, "Completed Ready=True/Succeeded a:Succeeded u:Skipped f:Succeeded", "Finally Completed"},
		"failed": {func(w *world) { w.outcome["a"] = "fail" },
			"Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed u:Succeeded f:Succeeded", "Finally Failed"},
		"finally failed": {func(w *world) { w.outcome["f"] = "fail" },
			"Failed Stalled=True/StepFailed Ready=False/StepFailed a:Succeeded u:Skipped f:Failed", "Finally Completed"},
		"proposal cannot be read": {unreadable,
			"Failed Stalled=True/OutputsInvalid Ready=False/OutputsInvalid a:Failed u:Succeeded f:Succeeded", "Finally Failed"},
		"overdue": {func(w *world) {
			w.hang("a")
			w.now = w.now.Add(time.Hour)
		}, "Failed Stalled=True/Timeout Ready=False/Timeout a:Cancelled u:Succeeded f:Succeeded", "Finally Failed"},
		"cancelled": {func(w *world) {
			w.hang("a")
			w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true })
		}, "Cancelled Stalled=True/Cancelled Ready=False/Cancelled a:Cancelled u:Skipped f:Succeeded", "Finally Cancelled"},
		"terminated": {func(w *world) {
			w.hang("a")
			w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Terminate = true })
		}, "Cancelled Stalled=True/Terminated Ready=False/Terminated a:Cancelled u:Skipped f:Skipped", ""},
		"terminated before the start": {func(w *world) {
			w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Terminate = true })
		}, "Cancelled Stalled=True/Cancelled Ready=False/Cancelled", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := closed(t)
			c.spoil(w)
			w.settle()
			got := w.run()
			if diff := cmp.Diff(c.want, told(got)); diff != "" {
				t.Fatalf("status (-want +got):\n%s", diff)
			}
			until := ""
			if s := got.Status.Closing; s != nil {
				until = string(s.Stage) + " " + string(s.Phase)
				if want := w.now.Add(10 * time.Minute); !s.Deadline.Time.Equal(want) {
					t.Errorf("the stage ends at %s, want %s", s.Deadline, want)
				}
			}
			if until != c.until {
				t.Errorf("closing = %q, want %q", until, c.until)
			}
		})
	}
}

// A crash between any two writes changes neither the end nor what was made.
func TestCrashInClosingStages(t *testing.T) {
	for name, spoil := range map[string]func(*world){"failed": func(w *world) { w.outcome["a"] = "fail" }, "proposal cannot be read": unreadable} {
		t.Run(name, func(t *testing.T) {
			whole := closed(t)
			spoil(whole)
			whole.settle()
			for n := 1; n <= len(whole.writes); n++ {
				for _, applied := range []bool{false, true} {
					w := closed(t)
					spoil(w)
					w.failAt, w.applied = n, applied
					w.settle()
					if diff := cmp.Diff(told(whole.run()), told(w.run())); diff != "" {
						t.Fatalf("write %d, applied %t (-want +got):\n%s", n, applied, diff)
					}
					equal(t, "objects", w.names(), whole.names())
				}
			}
		})
	}
}
