package execution

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
)

// conditional is a run whose second step has the condition and precondition.
func conditional(when, must string) *v1alpha1.WorkflowExecution {
	e := twoSteps()
	e.Spec.Steps[1].When = when
	if must != "" {
		e.Spec.Steps[1].Preconditions = []v1alpha1.Precondition{{Condition: must, Message: "the run must be another one"}}
	}
	return e
}

func TestConditionsOfARun(t *testing.T) {
	for name, c := range map[string]struct{ when, must, want, says string }{
		"true": {"steps.a.phase == 'Succeeded' && execution.name == 'run'", "execution.namespace == 'ops'",
			"Completed Ready=True/Succeeded a:Succeeded b:Succeeded", ""},
		"false": {"steps.a.reason == 'OutOfMemory'", "",
			"Completed Ready=True/Succeeded a:Succeeded b:Skipped", "when is false: steps.a.reason == 'OutOfMemory'"},
		"precondition is false": {"", "execution.name == 'other'",
			"Failed Stalled=True/PreconditionFailed Ready=False/PreconditionFailed a:Succeeded b:Failed", "the run must be another one (execution.name == 'other')"},
		"output that the contract does not have": {"steps.a.outputs.ghost == 'x'", "",
			"Failed Stalled=True/InvalidCondition Ready=False/InvalidCondition", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, conditional(c.when, c.must))
			w.settle()
			got := w.run()
			if diff := cmp.Diff(c.want, told(got)); diff != "" {
				t.Fatalf("status (-want +got):\n%s", diff)
			}
			if c.says != "" && !strings.Contains(got.Status.Steps[1].Message, c.says) {
				t.Errorf("message %q", got.Status.Steps[1].Message)
			}
			for _, s := range got.Status.Steps {
				if s.Phase == v1alpha1.StepSkipped && s.Reason != v1alpha1.ReasonWhenFalse {
					t.Errorf("step %+v", s)
				}
			}
		})
	}
}

// What a step that was skipped or failed unstarted came to is not asked again,
// and the types that conditions need are those of the admission.
func TestConditionsStandInTheSnapshot(t *testing.T) {
	e := conditional("params.count > 2", "")
	e.Spec.Steps, e.Spec.WorkflowType = nil, ""
	e.Spec.WorkflowRef = &v1alpha1.LocalReference{Name: "fix"}
	e.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"count":2}`)}
	w := newWorld(t, e)
	ready := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, ObservedGeneration: 1}}
	w.make(&v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "fix", Generation: 1},
		Spec:   v1alpha1.WorkflowSpec{Version: "v1.0.0", Parameters: []v1alpha1.Parameter{{Name: "count", Type: "integer"}}, Steps: conditional("params.count > 2", "").Spec.Steps},
		Status: v1alpha1.WorkflowStatus{Conditions: ready, ContentHash: "sha256:fix"}})
	w.settle()
	got := w.run()
	if diff := cmp.Diff("Completed Ready=True/Succeeded a:Succeeded b:Skipped", told(got)); diff != "" {
		t.Fatalf("status (-want +got):\n%s\n%+v", diff, report.Find(got.Status.Conditions, v1alpha1.ConditionReady))
	}
	if diff := cmp.Diff(map[string]string{"count": "integer"}, got.Status.Snapshot.ParameterTypes); diff != "" {
		t.Error(diff)
	}
}
