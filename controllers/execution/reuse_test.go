package execution

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/verify/memory"
)

// chain is an inline run of three steps without a workspace, one after the other.
func chain() *v1alpha1.WorkflowExecution {
	e := twoSteps()
	step := func(name, text string, after ...string) v1alpha1.WorkflowStep {
		return v1alpha1.WorkflowStep{Name: name, Image: image(1), Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"` + text + `"}`)}, RunAfter: after}
	}
	e.Spec.Steps = []v1alpha1.WorkflowStep{step("a", "hello"), step("b", "$(steps.a.outputs.word)!", "a"), step("c", "$(steps.b.outputs.word)?", "b")}
	return e
}

// first is a run of the chain that failed at its last step.
func first(t *testing.T) *v1alpha1.WorkflowExecution {
	t.Helper()
	w := newWorld(t, chain())
	w.outcome["b"], w.outcome["c"] = `{"word":"ho"}`, "fail"
	w.settle()
	e := w.run()
	e.Name, e.UID, e.ResourceVersion = "first", "uid-first", ""
	return e
}

// second is a world with a run that retries another one.
func second(t *testing.T, before *v1alpha1.WorkflowExecution, change func(*v1alpha1.WorkflowExecution)) *world {
	t.Helper()
	e := chain()
	e.Spec.RetryOf = &v1alpha1.LocalReference{Name: "first"}
	change(e)
	w := newWorld(t, e)
	if before != nil {
		w.make(before)
	}
	w.outcome["b"], w.outcome["c"] = `{"word":"ho"}`, `{}`
	return w
}

func asItIs(*v1alpha1.WorkflowExecution) {}

func TestARetryGoesOnAtTheFailedStep(t *testing.T) {
	w := second(t, first(t), asItIs)
	w.settle()
	equal(t, "writes", w.writes, []string{
		"patch WorkflowExecution run finalizers",
		"status Executing Ready=False/Progressing a:Succeeded b:Succeeded",
		"create ActionExecution run-c",
		"status Executing Ready=False/Progressing a:Succeeded b:Succeeded c:Running",
		"status Completed Ready=True/Succeeded a:Succeeded b:Succeeded c:Succeeded",
	})
	equal(t, "objects", w.names(), []string{`step run-c {"text":"ho?"}`})
	for i, want := range []string{`{"word":"hi"}`, `{"word":"ho"}`} {
		s := w.run().Status.Steps[i]
		if s.Reason != v1alpha1.ReasonReused || !strings.Contains(s.Message, "taken over from run first") || s.Attempts != 0 || s.Ref != "" || string(s.Outputs.Raw) != want {
			t.Errorf("step %+v, want it taken over with %s", s, want)
		}
	}
	if event := <-w.events.Events; !strings.Contains(event, "2 of 3 steps are taken over from run first") {
		t.Errorf("the first event is %s", event)
	}
}

// A run that is retried walks the whole gate again, steps that were taken over
// included.
func TestARetryIsJudgedAnew(t *testing.T) {
	w := second(t, first(t), asItIs)
	w.verifier = memory.New(nil)
	w.settle()
	equal(t, "writes", w.writes, []string{"patch WorkflowExecution run finalizers", "status Failed Stalled=True/ImageUnsigned Ready=False/ImageUnsigned"})
}

func TestRetriesThatAreRefused(t *testing.T) {
	failed := first(t)
	for name, c := range map[string]struct {
		before *v1alpha1.WorkflowExecution
		spoil  func(*v1alpha1.WorkflowExecution)
		says   string
	}{
		"deleted":       {nil, asItIs, "there is none in namespace ops"},
		"goes on":       {failed, func(e *v1alpha1.WorkflowExecution) { e.Status.CompletedAt = nil }, "it goes on"},
		"succeeded":     {failed, func(e *v1alpha1.WorkflowExecution) { e.Status.Phase = v1alpha1.ExecutionCompleted }, "it succeeded"},
		"another type":  {failed, func(e *v1alpha1.WorkflowExecution) { e.Spec.WorkflowType = "other" }, "it is a run of type other and this one is of type demo"},
		"another place": {failed, func(e *v1alpha1.WorkflowExecution) { e.Namespace = "shop" }, "there is none in namespace ops"},
		"step runs on":  {failed, func(e *v1alpha1.WorkflowExecution) { e.Status.Steps[2].Phase = v1alpha1.StepRunning }, "its step c still runs"},
		"another target": {failed, func(e *v1alpha1.WorkflowExecution) {
			e.Spec.Target = &v1alpha1.Target{APIVersion: "v1", Kind: "Pod", Name: "x"}
		}, "it has another target"},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.before.DeepCopy()
			if before != nil {
				c.spoil(before)
			}
			w := second(t, before, asItIs)
			w.settle()
			if got := told(w.run()); got != "Failed Stalled=True/RetryRefused Ready=False/RetryRefused" || len(w.names()) > 0 {
				t.Fatalf("status = %s, objects %v", got, w.names())
			}
			if r := report.Find(w.run().Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(r.Message, c.says) {
				t.Errorf("Ready says %q, want %q", r.Message, c.says)
			}
		})
	}
}

// forget deletes the run that is retried once the retry is admitted, unless that
// is the write that is lost.
func (w *world) forget() {
	w.t.Helper()
	for range 2 { // the finalizer and the admission
		_, _ = w.reconcile()
	}
	if w.run().Status.Snapshot == nil {
		return
	}
	if err := w.base.Delete(w.t.Context(), &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "first"}}); err != nil {
		w.t.Fatal(err)
	}
}

// A crash between any two writes neither starts a step that was taken over nor
// changes the end, though the run that is retried is deleted meanwhile.
func TestCrashInARetry(t *testing.T) {
	before := first(t)
	whole := second(t, before.DeepCopy(), asItIs)
	whole.settle()
	want := strip(whole.run())
	for n := 1; n <= len(whole.writes); n++ {
		for _, applied := range []bool{false, true} {
			w := second(t, before.DeepCopy(), asItIs)
			w.failAt, w.applied = n, applied
			w.forget()
			w.settle()
			if diff := cmp.Diff(want, strip(w.run())); diff != "" {
				t.Fatalf("write %d, applied %t (-want +got):\n%s", n, applied, diff)
			}
			equal(t, "objects", w.names(), whole.names())
			if slices.ContainsFunc(w.writes, func(s string) bool { return strings.HasPrefix(s, "create ActionExecution run-a") }) {
				t.Fatalf("write %d, applied %t: a was started:\n%s", n, applied, strings.Join(w.writes, "\n"))
			}
		}
	}
}
