package e2e

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// A run fails because a Deployment is missing. Somebody makes it, and a retry
// of the run goes on there: the step before is taken over and makes no Job.
func TestRetryGoesOnAtTheFailedStep(t *testing.T) {
	ns := namespace(t)
	look := probe(t, "probe", "well", "")
	look.Name = "look"
	scale := v1alpha1.WorkflowStep{
		Name: "scale", ActionType: "kubernetes/scale_deployment", Image: shared.Repository("scale-deployment") + ":latest", RunAfter: []string{"look"},
		Inputs: raw(map[string]any{"namespace": ns, "resource_name": "web", "replicas": 2}),
	}
	first := start(t, ns, "first", look, scale)
	finish(t, first, 2*time.Minute)
	if s := first.Status.Steps; first.Status.Phase != v1alpha1.ExecutionFailed || s[0].Phase != v1alpha1.StepSucceeded || s[1].Phase != v1alpha1.StepFailed {
		t.Fatalf("the first run does not fail at its second step: %s", yamlOf(first.Status))
	}
	before, _ := jobs(t, ns)

	deployment(t, ns, "web")
	second := &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "second"}, Spec: *first.Spec.DeepCopy()}
	second.Spec.RetryOf = &v1alpha1.LocalReference{Name: first.Name}
	if err := shared.Client.Create(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	finish(t, second, 2*time.Minute)
	s := second.Status.Steps
	if second.Status.Phase != v1alpha1.ExecutionCompleted || s[0].Reason != v1alpha1.ReasonReused || s[0].Outputs == nil || string(s[0].Outputs.Raw) != string(first.Status.Steps[0].Outputs.Raw) {
		t.Errorf("the retry does not take over the first step and complete: %s", yamlOf(second.Status))
	}
	if after, _ := jobs(t, ns); len(after) != len(before)+1 {
		t.Errorf("the retry made %d Jobs, want 1", len(after)-len(before))
	}

	third := &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "third"}, Spec: *second.Spec.DeepCopy()}
	third.Spec.RetryOf.Name = second.Name
	if err := shared.Client.Create(t.Context(), third); err != nil {
		t.Fatal(err)
	}
	finish(t, third, time.Minute)
	if c := condition(third, v1alpha1.ConditionStalled); c.Reason != v1alpha1.ReasonRetryRefused {
		t.Errorf("the retry of a run that succeeded is not refused: %s", yamlOf(third.Status))
	}
}
