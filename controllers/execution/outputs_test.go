package execution

import (
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// chatty is a run whose steps put out more than its status takes: b0 to b7,
// then a, which is declared first, then d, then c, which reads b5.
func chatty() *v1alpha1.WorkflowExecution {
	e := twoSteps()
	e.Spec.Steps = nil
	add := func(name, text string, after ...string) {
		e.Spec.Steps = append(e.Spec.Steps, v1alpha1.WorkflowStep{Name: name, Image: image(1), RunAfter: after,
			Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"` + text + `"}`)}})
	}
	add("a", "x", "b5")
	for i := range 8 {
		add(fmt.Sprintf("b%d", i), "x")
	}
	add("d", "x", "a")
	add("c", "$(steps.b5.outputs.word)", "d", "b5")
	return e
}

func chattyWorld(t *testing.T, e *v1alpha1.WorkflowExecution) *world {
	t.Helper()
	w := newWorld(t, e)
	w.settings.ComplexityApprovalThreshold = 50
	for _, s := range e.Spec.Steps {
		w.outcome[s.Name] = `{"word":"hi","pad":"` + strings.Repeat("p", 1950) + `"}`
	}
	return w
}

// The outputs of a step that a retry takes over have no other copy than status.
func TestARetryKeepsTheOutputsThatItTookOver(t *testing.T) {
	w := chattyWorld(t, chatty())
	w.outcome["a"] = "fail"
	w.settle()
	first := w.run()
	first.Name, first.UID, first.ResourceVersion = "first", "uid-first", ""
	e := chatty()
	e.Spec.RetryOf = &v1alpha1.LocalReference{Name: "first"}
	w = chattyWorld(t, e)
	w.make(first)
	w.settle()
	if got := w.run(); got.Status.Phase != v1alpha1.ExecutionCompleted || got.Status.Steps[6].Reason != v1alpha1.ReasonReused {
		t.Errorf("the retry is %s: %s", got.Status.Phase, told(got))
	}
}

// A step whose outputs did not fit says so to the end, and those that refer to
// it find them all the same.
func TestOutputsThatDidNotFit(t *testing.T) {
	w := chattyWorld(t, chatty())
	w.hang("d")
	omitted := func() (names []string) {
		for _, s := range w.run().Status.Steps {
			if s.OutputsOmitted {
				names = append(names, s.Name)
			}
		}
		return names
	}
	before := omitted()
	if len(before) == 0 {
		t.Fatal("all outputs fit: the test tests nothing")
	}
	if err := w.base.Delete(t.Context(), &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-" + before[0]}}); err != nil {
		t.Fatal(err)
	}
	w.outcome["d"] = `{}`
	w.settle()
	if got := w.run(); got.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Errorf("the run is %s: %s", got.Status.Phase, told(got))
	}
	if after := omitted(); len(after) < len(before) || after[0] != before[0] {
		t.Errorf("outputs are called left out of %v, and were of %v", after, before)
	}
}
