package execution

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
)

// aimed is a world with a run of a workflow that works on the kinds.
func aimed(t *testing.T, kinds []string, target *v1alpha1.Target) *world {
	t.Helper()
	e := twoSteps()
	e.Spec.Steps, e.Spec.WorkflowType, e.Spec.Target = nil, "", target
	e.Spec.WorkflowRef = &v1alpha1.LocalReference{Name: "fix"}
	w := newWorld(t, e)
	text, when := `{"text":"hello"}`, ""
	var schema *v1alpha1.TargetSchema
	if kinds != nil {
		schema = &v1alpha1.TargetSchema{Kinds: kinds}
		text, when = `{"text":"$(target.apiVersion) $(target.kind) $(target.namespace)/$(target.name)"}`, "target.name == 'web'"
	}
	ready := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, ObservedGeneration: 1}}
	w.make(&v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "fix", Generation: 1},
		Spec: v1alpha1.WorkflowSpec{Version: "v1.0.0", Target: schema, Steps: []v1alpha1.WorkflowStep{
			{Name: "a", Image: image(1), When: when, Inputs: &apiextensionsv1.JSON{Raw: []byte(text)}}}},
		Status: v1alpha1.WorkflowStatus{Conditions: ready, ContentHash: "sha256:fix"}})
	w.settle()
	return w
}

func TestTargetOfARun(t *testing.T) {
	web := &v1alpha1.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	w := aimed(t, []string{"v1/Pod", "apps/v1/Deployment"}, web)
	if got := told(w.run()); got != "Completed Ready=True/Succeeded a:Succeeded" {
		t.Fatal(got)
	}
	if got := strings.Join(w.names(), " "); !strings.Contains(got, "apps/v1 Deployment ops/web") {
		t.Errorf("inputs: %s", got)
	}
	for name, c := range map[string]struct {
		kinds  []string
		target *v1alpha1.Target
		says   string
	}{
		"none":         {[]string{"v1/Pod"}, nil, "works on one of v1/Pod: create another run with spec.target"},
		"another kind": {[]string{"v1/Pod"}, web, "is of kind apps/v1/Deployment, want one of v1/Pod"},
		"not wanted":   {nil, web, "the workflow works on none"},
	} {
		t.Run(name, func(t *testing.T) {
			w := aimed(t, c.kinds, c.target)
			ready := report.Find(w.run().Status.Conditions, v1alpha1.ConditionReady)
			if ready.Reason != v1alpha1.ReasonInvalidParameters || !strings.Contains(ready.Message, c.says) {
				t.Errorf("%s: %s", ready.Reason, ready.Message)
			}
		})
	}
}
