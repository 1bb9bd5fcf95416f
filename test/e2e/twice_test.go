package e2e

import (
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Two runs for the same file at once: one pull request that carries one whole
// change, or two clean ones, never a lost or a mixed one.
func TestTwoRunsAtOnce(t *testing.T) {
	s := newSetting(t)
	a, b := s.raise(t, "first", "128Mi"), s.raise(t, "second", "256Mi")
	finish(t, a, 3*time.Minute)
	finish(t, b, 3*time.Minute)
	done := 0
	for _, we := range []*v1alpha1.WorkflowExecution{a, b} {
		t.Logf("%s: %s: %s", we.Name, we.Status.Phase, condition(we, v1alpha1.ConditionReady).Message)
		if we.Status.Phase == v1alpha1.ExecutionCompleted {
			done++
		}
	}
	if done == 0 {
		t.Error("neither run completed")
	}
	pulls, err := shared.Pulls(t.Context(), s.app)
	if err != nil || len(pulls) == 0 || len(pulls) > 2 {
		t.Fatalf("%d pull requests (%v), want one or two", len(pulls), err)
	}
	for _, p := range pulls {
		diff, err := shared.Diff(t.Context(), s.app, p.Number)
		if err != nil {
			t.Fatal(err)
		}
		minus, plus := changes(diff)
		if len(minus) != 1 || len(plus) != 1 {
			t.Errorf("pull request %d is not one clean change:\n%s", p.Number, diff)
		}
	}
}
