package execution

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/settings"
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

// woken are the runs that a change of the settings wakes; each is reconciled
// once, as the controller does.
func (l *line) loosen(change func(*settings.Settings)) (woken []string) {
	l.t.Helper()
	change(&l.settings)
	for _, request := range l.r.loosened(l.t.Context(), nil) {
		woken = append(woken, request.String())
		l.pass(request.String())
	}
	return woken
}

// Who waits for what the settings allow need not be touched once they allow it.
func TestOtherSettingsWakeWhoWaitsForThem(t *testing.T) {
	l := newLine(t, "ops/first", "ops/second", "dev/large")
	l.edit("dev/large", func(e *v1alpha1.WorkflowExecution) { e.Spec.Steps = sideBySide().Spec.Steps })
	l.settings.MaxConcurrentRuns, l.settings.ComplexityApprovalThreshold, l.settings.MaxParallelSteps = 1, 2, 2
	for range 2 { // the finalizer first
		for _, key := range []string{"ops/first", "ops/second", "dev/large"} {
			l.pass(key)
		}
	}
	l.expect("all wait but the first", map[string]string{"ops/first": "runs", "ops/second": "Controller 1", "dev/large": v1alpha1.ReasonAwaitingApproval})
	equal(t, "woken by a higher threshold", l.loosen(func(s *settings.Settings) { s.ComplexityApprovalThreshold = 3 }), []string{"dev/large"})
	l.expect("it joins the queue, at its head, since nobody of its namespace runs", map[string]string{"dev/large": "Controller 1"})
	equal(t, "woken by more runs", l.loosen(func(s *settings.Settings) { s.MaxConcurrentRuns = 3 }), []string{"dev/large", "ops/second"})
	l.pass("dev/large")
	l.expect("all run", map[string]string{"ops/second": "runs", "dev/large": "runs"})
	steps := func() (n int) {
		var list v1alpha1.ActionExecutionList
		if err := l.base.List(t.Context(), &list, client.InNamespace("dev")); err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	if n := steps(); n != 2 {
		t.Errorf("%d steps run at once, want 2", n)
	}
	equal(t, "woken by more steps", l.loosen(func(s *settings.Settings) { s.MaxParallelSteps = 3 }), []string{"dev/large"})
	if n := steps(); n != 3 {
		t.Errorf("%d steps run at once, want 3", n)
	}
	equal(t, "woken when nobody waits", l.loosen(func(s *settings.Settings) { s.MaxParallelSteps = 5 }), nil)
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
