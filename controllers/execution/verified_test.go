package execution

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// A run tells of each image why it may run, once, and what policies warn of.
func TestWhyTheImagesOfARunMayRunIsTold(t *testing.T) {
	e := twoSteps()
	third := *e.Spec.Steps[0].DeepCopy()
	third.Name = "c"
	e.Spec.Steps = append(e.Spec.Steps, third)
	w := newWorld(t, e)
	w.outcome["c"] = "{}"
	w.verifier.Allow(digest(1), verify.Result{Signer: "ada", Policies: []string{"ours"}, Format: "bundle", Warnings: []string{"policy next wants another key"}})
	w.settle()
	s := w.run().Status
	if s.Snapshot == nil || len(s.Snapshot.Images) != 2 || s.Snapshot.Images[0].Image != image(1) || s.Snapshot.Images[1].Signer != "bob" || s.Snapshot.Images[0].Format != "bundle" {
		t.Errorf("images of the run: %+v", s.Snapshot)
	}
	c := report.Find(s.Conditions, v1alpha1.ConditionVerified)
	for _, word := range []string{"warning: step a: policy next wants another key; ", "a by ada, b by bob, c by ada"} {
		if c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonVerifiedWithWarnings || !strings.Contains(c.Message, word) {
			t.Errorf("Verified = %+v, want it to say %q", c, word)
		}
	}
	var all []string
	for len(w.events.Events) > 0 {
		all = append(all, <-w.events.Events)
	}
	if got := strings.Join(all, "\n"); strings.Count(got, "VerifiedWithWarnings") != 1 {
		t.Errorf("events:\n%s", got)
	}
}

// Who is to approve a run sees before who signed what it will run.
func TestARunThatWaitsForApprovalIsVerified(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.settings.ComplexityApprovalThreshold = 1
	w.settle()
	s := w.run().Status
	if ready := report.Find(s.Conditions, v1alpha1.ConditionReady); ready.Reason != v1alpha1.ReasonAwaitingApproval {
		t.Fatalf("Ready = %+v", ready)
	}
	if c := report.Find(s.Conditions, v1alpha1.ConditionVerified); c == nil || c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "b by bob") {
		t.Errorf("Verified = %+v", c)
	}
}

// So does who waits for a place to become free.
func TestARunThatIsQueuedIsVerified(t *testing.T) {
	l := newLine(t, "ops/a", "ops/b")
	l.settings.MaxConcurrentRuns = 1
	l.pass("ops/a")
	l.pass("ops/a")
	l.pass("ops/b")
	l.pass("ops/b")
	e := &v1alpha1.WorkflowExecution{}
	if err := l.base.Get(t.Context(), types.NamespacedName{Namespace: "ops", Name: "b"}, e); err != nil {
		t.Fatal(err)
	}
	ready, c := report.Find(e.Status.Conditions, v1alpha1.ConditionReady), report.Find(e.Status.Conditions, v1alpha1.ConditionVerified)
	if ready.Reason != v1alpha1.ReasonQueued || c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("Ready = %+v, Verified = %+v", ready, c)
	}
	before := len(l.writes)
	if l.pass("ops/b"); len(l.writes) != before {
		t.Errorf("a pass without news writes %v", l.writes[before:])
	}
}
