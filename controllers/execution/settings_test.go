package execution

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// sideBySide is a run of three steps that wait for nothing.
func sideBySide() *v1alpha1.WorkflowExecution {
	e := twoSteps()
	e.Spec.Steps = nil
	for _, name := range []string{"a", "b", "c"} {
		e.Spec.Steps = append(e.Spec.Steps, v1alpha1.WorkflowStep{Name: name, Image: image(1), Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"x"}`)}})
	}
	return e
}

func TestASettingCountsForARunUnderWay(t *testing.T) {
	w := newWorld(t, sideBySide())
	w.outcome = map[string]string{"a": "hang", "b": "hang", "c": "hang"}
	for _, want := range []int{1, 2, 3} {
		w.settings.MaxParallelSteps = want
		w.settle()
		if got := w.names(); len(got) != want {
			t.Errorf("%d steps at once: %q", want, got)
		}
	}
}

func TestTheThresholdOfTheSettingsAsksForApproval(t *testing.T) {
	for threshold, want := range map[int]string{2: v1alpha1.ReasonAwaitingApproval, 3: v1alpha1.ReasonProgressing} {
		w := newWorld(t, sideBySide())
		w.settings.ComplexityApprovalThreshold = threshold
		if _, err := w.reconcile(); err != nil {
			t.Fatal(err)
		}
		if len(w.writes) < 2 || !strings.Contains(w.writes[1], "Ready=False/"+want) {
			t.Errorf("threshold %d: %q, want %s", threshold, w.writes, want)
		}
	}
}
