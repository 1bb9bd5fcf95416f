package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// runOf reads a run such as "a:Completed:3h", which ended three hours ago with
// one step; without an age it goes on. A third word is something special.
func runOf(t *testing.T, text string) v1alpha1.WorkflowExecution {
	t.Helper()
	parts := append(strings.Split(text, ":"), "", "")
	e := v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: parts[0], UID: types.UID("uid-" + parts[0])}}
	e.Status.Phase = v1alpha1.ExecutionPhase(parts[1])
	e.Status.Steps = []v1alpha1.StepStatus{{Name: "s", Phase: v1alpha1.StepSucceeded}}
	if parts[2] != "" {
		age, err := time.ParseDuration(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		e.Status.CompletedAt = &metav1.Time{Time: noon().Add(-age)}
	}
	switch parts[3] {
	case "going":
		e.DeletionTimestamp = &metav1.Time{Time: noon()}
	case "volume":
		e.Status.WorkspacePVC = "claim"
	case "untold":
		e.Status.Steps[0].Phase = v1alpha1.StepRunning
	case "proposes":
		e.Status.PullRequest = &v1alpha1.PullRequestSummary{Name: "pr"}
	}
	return e
}

func stepOf(e v1alpha1.WorkflowExecution, phase v1alpha1.StepPhase) v1alpha1.ActionExecution {
	return v1alpha1.ActionExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: e.Name + "-s", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion().String(), Kind: "WorkflowExecution", Name: e.Name, UID: e.UID, Controller: ptr.To(true)}}},
		Spec:   v1alpha1.ActionExecutionSpec{Step: "s"},
		Status: v1alpha1.ActionExecutionStatus{Phase: phase},
	}
}

func pull(uid, state string) v1alpha1.PullRequest {
	pr := v1alpha1.PullRequest{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "pr"}, Status: v1alpha1.PullRequestStatus{State: state}}
	if uid != "" {
		pr.Spec.Execution = &v1alpha1.ExecutionReference{Name: "x", UID: uid}
	}
	return pr
}

func policy(edit func(*v1alpha1.History)) v1alpha1.ExecutionPolicy {
	h := &v1alpha1.History{}
	edit(h)
	return v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "rails"}, Spec: v1alpha1.ExecutionPolicySpec{History: h}}
}

func hours(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Hour} }

// told is a decision in one line.
func told(d decision) string {
	var out []string
	for _, e := range d.runs {
		out = append(out, "run "+e.Name)
	}
	for _, l := range d.steps {
		out = append(out, fmt.Sprintf("%d steps of %s", len(l.steps), l.run.Name))
	}
	if !d.wakeAt.IsZero() {
		out = append(out, "wake "+d.wakeAt.Sub(noon()).String())
	}
	return strings.Join(out, "; ")
}

func TestDecide(t *testing.T) {
	completed := func(n int32) func(*v1alpha1.History) { return func(h *v1alpha1.History) { h.KeepCompleted = &n } }
	failed := func(n int32) func(*v1alpha1.History) { return func(h *v1alpha1.History) { h.KeepFailed = &n } }
	ttl := func(n int) func(*v1alpha1.History) { return func(h *v1alpha1.History) { h.TTL = hours(n) } }
	steps := func(n int) func(*v1alpha1.History) { return func(h *v1alpha1.History) { h.StepsTTL = hours(n) } }
	both := func(h *v1alpha1.History) { ttl(3)(h); steps(1)(h) }
	for _, c := range []struct {
		name, runs string
		keep       func(*v1alpha1.History)
		pulls      []v1alpha1.PullRequest
		want       string
	}{
		{"nothing said", "a:Completed:99h b:Failed:99h", func(*v1alpha1.History) {}, nil, ""},
		{"the oldest first", "a:Completed:1h b:Completed:3h c:Completed:2h", completed(1), nil, "run b; run c"},
		{"none is kept", "a:Completed:1h b:Failed:3h", completed(0), nil, "run a"},
		{"failed and cancelled are one kind", "a:Failed:1h b:Cancelled:2h c:Completed:3h", failed(1), nil, "run b"},
		{"one that goes on is no part of it", "a:Executing b:Initializing c:Completed:1h", completed(1), nil, ""},
		{"one that is going is no part of it", "a:Completed:1h:going b:Completed:2h", completed(1), nil, ""},
		{"over at that very moment", "a:Completed:2h b:Failed:3h c:Failed:1h", ttl(2), nil, "run b; run a; wake 1h0m0s"},
		{"the next to be over wakes", "a:Completed:1h b:Completed:2h", ttl(5), nil, "wake 3h0m0s"},
		{"pull request open", "a:Completed:3h:proposes", ttl(2), []v1alpha1.PullRequest{pull("", "Open")}, ""},
		{"pull request not looked at", "a:Completed:3h", ttl(2), []v1alpha1.PullRequest{pull("uid-a", "")}, ""},
		{"pull request merged", "a:Completed:3h:proposes", ttl(2), []v1alpha1.PullRequest{pull("uid-a", "Merged")}, "run a"},
		{"pull request closed", "a:Completed:3h:proposes", completed(0), []v1alpha1.PullRequest{pull("uid-a", "Closed")}, "run a"},
		{"another's pull request", "a:Completed:3h", ttl(2), []v1alpha1.PullRequest{pull("uid-b", "Open")}, "run a"},
		{"steps", "a:Completed:2h b:Failed:1h c:Executing", steps(2), nil, "1 steps of a; wake 1h0m0s"},
		{"steps of an open proposal", "a:Completed:3h:proposes", both, []v1alpha1.PullRequest{pull("", "Open")}, "1 steps of a"},
		{"steps while the volume is there", "a:Completed:3h:volume", steps(2), nil, ""},
		{"steps whose end is not written down", "a:Failed:3h:untold", steps(2), nil, ""},
		{"steps, then runs", "a:Completed:3h b:Completed:2h c:Completed:30m", both, nil, "run a; 1 steps of b; wake 30m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world{now: noon(), keep: keepOf([]v1alpha1.ExecutionPolicy{policy(c.keep)}), pulls: c.pulls}
			for _, text := range strings.Fields(c.runs) {
				w.runs = append(w.runs, runOf(t, text))
				w.steps = append(w.steps, stepOf(w.runs[len(w.runs)-1], v1alpha1.StepSucceeded))
			}
			if diff := cmp.Diff(c.want, told(decide(w))); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStepsThatRunOrAreNotOursStay(t *testing.T) {
	e := runOf(t, "a:Failed:3h")
	running, foreign := stepOf(e, v1alpha1.StepRunning), stepOf(e, v1alpha1.StepSucceeded)
	foreign.OwnerReferences[0].UID = "another"
	w := world{now: noon(), keep: keep{steps: new(time.Duration)}, runs: []v1alpha1.WorkflowExecution{e}, steps: []v1alpha1.ActionExecution{running, foreign}}
	if got := told(decide(w)); got != "" {
		t.Errorf("decision %q", got)
	}
}

func TestOfSeveralPoliciesTheOneThatKeepsMoreCounts(t *testing.T) {
	got := keepOf([]v1alpha1.ExecutionPolicy{
		policy(func(h *v1alpha1.History) { h.KeepCompleted, h.TTL = ptr.To[int32](3), hours(1) }),
		{},
		policy(func(h *v1alpha1.History) {
			h.KeepCompleted, h.KeepFailed, h.TTL = ptr.To[int32](1), ptr.To[int32](0), hours(2)
		}),
	})
	want := keep{completed: ptr.To[int32](3), failed: ptr.To[int32](0), ttl: ptr.To(2 * time.Hour)}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(keep{})); diff != "" {
		t.Errorf("keep (-want +got):\n%s", diff)
	}
	if !keepOf([]v1alpha1.ExecutionPolicy{{}}).everything() || got.everything() {
		t.Error("nothing said must keep everything")
	}
}

func TestWhatARetryNamesStays(t *testing.T) {
	keep := policy(func(h *v1alpha1.History) { h.TTL = hours(1) })
	for text, want := range map[string]int{"b:Running": 0, "b:Pending": 0, "b:Failed:30m": 1} {
		again := runOf(t, text)
		again.Spec.RetryOf = &v1alpha1.LocalReference{Name: "a"}
		w := world{keep: keepOf([]v1alpha1.ExecutionPolicy{keep}), now: noon(), runs: []v1alpha1.WorkflowExecution{runOf(t, "a:Failed:3h"), again}}
		if got := len(decide(w).runs); got != want {
			t.Errorf("%s: %d runs go, want %d", text, got, want)
		}
	}
}
