package execution

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
)

func TestNothingIsMadeBeforeEveryStepIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*v1alpha1.WorkflowStep)
		want  string
	}{
		"value of another type": {func(s *v1alpha1.WorkflowStep) { s.Inputs = &apiextensionsv1.JSON{Raw: []byte(`{"text":7}`)} }, v1alpha1.ReasonInvalidParameters},
		"account not listed":    {func(s *v1alpha1.WorkflowStep) { s.ServiceAccountName = "admin" }, v1alpha1.ReasonPolicyDenied},
		"account of a step":     {func(s *v1alpha1.WorkflowStep) { s.ServiceAccountName = "run-a" }, v1alpha1.ReasonPolicyDenied},
		"account of a run":      {func(s *v1alpha1.WorkflowStep) { s.ServiceAccountName = "other-b" }, v1alpha1.ReasonPolicyDenied},
	} {
		t.Run(name, func(t *testing.T) {
			e := twoSteps()
			c.spoil(&e.Spec.Steps[1])
			rails := &v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "rails"}, Spec: v1alpha1.ExecutionPolicySpec{ServiceAccounts: []string{"run-a", "other-b"}}}
			other := &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "other-b"}, Spec: v1alpha1.ActionExecutionSpec{Inputs: &apiextensionsv1.JSON{Raw: []byte(`{}`)}}}
			w := newWorld(t, e, rails, other)
			w.settleOnly()
			equal(t, "writes", w.writes, []string{"patch WorkflowExecution run finalizers", "status Failed Stalled=True/" + c.want + " Ready=False/" + c.want})
		})
	}
}

func TestRunsAreJudgedForTheJobsTheyBecome(t *testing.T) {
	e := twoSteps()
	e.Labels = map[string]string{"chosen": "by the person"}
	w := newWorld(t, e)
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	var want []verify.Subject
	for _, step := range []string{"a", "b"} {
		want = append(want, verify.Subject{Namespace: "ops", ServiceAccount: "default", Kind: "Job", Group: "batch", Version: "v1", Labels: map[string]string{
			v1alpha1.LabelExecution: "run", v1alpha1.LabelStep: step, v1alpha1.LabelActionExecution: "run-" + step}})
	}
	slices.SortFunc(w.subjects, func(a, b verify.Subject) int {
		return strings.Compare(a.Labels[v1alpha1.LabelStep], b.Labels[v1alpha1.LabelStep])
	})
	if diff := cmp.Diff(want, w.subjects); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
}

func TestReferencesHaveTheirValuesAtTheGate(t *testing.T) {
	for inputs, want := range map[string]string{
		`{"text":"x","repository":"https://$(execution.name).example.com/"}`:                            "Executing Ready=False/Progressing",
		`{"text":"x","repository":"https://$(execution.namespace).example.com/"}`:                       "Failed Stalled=True/PolicyDenied Ready=False/PolicyDenied",
		`{"text":"$(steps.a.outputs.word)","count":"$(steps.a.outputs.word)"}`:                          "Executing Ready=False/Progressing",
		`{"text":"$(steps.a.outputs.word)","repository":"https://$(execution.namespace).example.com/"}`: "Failed Stalled=True/PolicyDenied Ready=False/PolicyDenied",
	} {
		e := twoSteps()
		e.Spec.Steps[1].Inputs = &apiextensionsv1.JSON{Raw: []byte(inputs)}
		rails := &v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "rails"}, Spec: v1alpha1.ExecutionPolicySpec{Repositories: []string{"https://run.example.com/"}}}
		w := newWorld(t, e, rails)
		if _, err := w.reconcile(); err != nil {
			t.Fatal(err)
		}
		if len(w.writes) < 2 || w.writes[1] != "status "+want {
			t.Errorf("%s: writes %q, want the second to be %q", inputs, w.writes, want)
		}
	}
}

func TestSensitiveParametersAreShownNowhere(t *testing.T) {
	for name, c := range map[string]struct {
		given, inputs, want string
	}{
		"in a sensitive input": {`{"token":"hunter2","user":"u"}`, `{"text":"x","token":"$(params.token)"}`, "Executing Ready=False/Progressing"},
		"in another":           {`{"token":"hunter2","user":"u"}`, `{"text":"$(params.token)"}`, "Failed Stalled=True/InvalidReference Ready=False/InvalidReference"},
		"that does not fit":    {`{"token":"hunter2!","user":"u"}`, `{"text":"x","token":"$(params.token)"}`, "Failed Stalled=True/InvalidParameters Ready=False/InvalidParameters"},
		"without its other":    {`{"token":"hunter2"}`, `{"text":"x","token":"$(params.token)"}`, "Failed Stalled=True/InvalidParameters Ready=False/InvalidParameters"},
	} {
		t.Run(name, func(t *testing.T) {
			e := twoSteps()
			e.Spec = v1alpha1.WorkflowExecutionSpec{WorkflowRef: &v1alpha1.LocalReference{Name: "fix"}, Parameters: jsonOf([]byte(c.given))}
			ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded}
			w := newWorld(t, e, &v1alpha1.Workflow{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "fix"},
				Spec: v1alpha1.WorkflowSpec{
					Parameters: []v1alpha1.Parameter{{Name: "user"}, {Name: "token", Sensitive: true, Pattern: "^[a-z0-9]+$", DependsOn: []string{"user"}}},
					Steps:      []v1alpha1.WorkflowStep{{Name: "a", Image: image(1), Inputs: jsonOf([]byte(c.inputs))}},
				},
				Status: v1alpha1.WorkflowStatus{Conditions: []metav1.Condition{ready}},
			})
			if _, err := w.reconcile(); err != nil {
				t.Fatal(err)
			}
			if len(w.writes) < 2 || w.writes[1] != "status "+c.want {
				t.Errorf("writes %q, want the second to be %q", w.writes, c.want)
			}
			for _, condition := range w.run().Status.Conditions {
				if strings.Contains(condition.Message, "hunter2") {
					t.Errorf("%s says %s", condition.Type, condition.Message)
				}
			}
			for len(w.events.Events) > 0 {
				if event := <-w.events.Events; strings.Contains(event, "hunter2") {
					t.Errorf("event %s", event)
				}
			}
		})
	}
}
