package execution

import (
	"fmt"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// BenchmarkReconcile50Steps is a pass of a run of 50 steps in which nothing is
// new: ten have succeeded, five run, and the others wait. The API server is in
// memory, so that what is measured is ours and the reading of objects.
func BenchmarkReconcile50Steps(b *testing.B) {
	e := twoSteps()
	e.Spec.Steps = nil
	for i := range 50 {
		s := v1alpha1.WorkflowStep{Name: fmt.Sprintf("s%d", i), Image: image(1), Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"hello"}`)}}
		if i >= 5 {
			s.RunAfter = []string{fmt.Sprintf("s%d", i-5)}
		}
		e.Spec.Steps = append(e.Spec.Steps, s)
	}
	w := newWorld(b, e)
	w.settings.ComplexityApprovalThreshold = 50
	for i := range 50 {
		w.outcome[fmt.Sprintf("s%d", i)] = `{"word":"hi"}`
		if i >= 10 {
			w.outcome[fmt.Sprintf("s%d", i)] = "hang"
		}
	}
	w.settle()
	writes := len(w.writes)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.reconcile(); err != nil {
			b.Fatal(err)
		}
	}
	if len(w.writes) != writes {
		b.Fatalf("a pass without news wrote %v", w.writes[writes:])
	}
}
