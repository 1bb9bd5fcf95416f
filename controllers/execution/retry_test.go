package execution

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// busy is what a step comes to that may be tried again.
const busy = "busy"

// attempts counts the attempts of a that were started.
func (w *world) attempts() int {
	n := 0
	for _, what := range w.writes {
		if strings.HasPrefix(what, "create ActionExecution run-a") {
			n++
		}
	}
	return n
}

// a is what status says of the step.
func (w *world) a() string {
	s := w.run().Status.Steps[0]
	return fmt.Sprintf("%s %s %d %s", s.Phase, s.Reason, s.Attempts, s.Ref)
}

// pass lets time go by until the next attempt may start.
func (w *world) pass() {
	w.t.Helper()
	at := w.run().Status.Steps[0].RetryAt
	if at == nil || !at.After(w.now) {
		w.t.Fatalf("a is tried again at %s, now is %s", at, w.now)
	}
	w.now = at.Time
}

func TestAStepIsTriedAgain(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.outcome["a"] = busy
	w.settle()
	second, third := names.Attempt("run", "a", 2), names.Attempt("run", "a", 3)
	equal(t, "a", []string{w.a()}, []string{"Pending Retrying 1 run-a"})
	result, err := w.reconcile()
	if at := w.run().Status.Steps[0].RetryAt; err != nil || result.RequeueAfter <= 0 || result.RequeueAfter > at.Sub(w.now) {
		t.Fatalf("%v, %v; a is tried again at %s", result, err, at)
	}
	w.pass()
	w.settle()
	equal(t, "a", []string{w.a()}, []string{"Pending Retrying 2 " + second})
	w.pass()
	w.outcome["a"] = `{"word":"hi"}`
	w.settle()
	equal(t, "a", []string{w.a()}, []string{"Succeeded  3 " + third})
	equal(t, "objects", w.names(), []string{"pull request 7", `step run-a {"text":"hello"}`, "step " + second + ` {"text":"hello"}`,
		"step " + third + ` {"text":"hello"}`, `step run-b {"text":"hi!"}`})
	if got := told(w.run()); got != "Completed Ready=True/Succeeded a:Succeeded b:Succeeded" {
		t.Errorf("status = %s", got)
	}
}

func TestTheLastAttemptEndsTheRun(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.outcome["a"] = busy
	for range 2 {
		w.settle()
		w.pass()
	}
	w.settle()
	if got := told(w.run()); got != "Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped" || w.attempts() != 3 {
		t.Errorf("after %d attempts status = %s", w.attempts(), got)
	}
}

// What happens while a step waits for its next attempt.
func TestNoAttemptIsMadeThatShallNot(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world)
		want  string
	}{
		"cancelled": {func(w *world) { w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true }) },
			"Cancelled Stalled=True/Cancelled Ready=False/Cancelled a:Failed b:Skipped"},
		"suspended": {func(w *world) { w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = true }) },
			"Executing Ready=False/Progressing a:Pending b:Pending pvc"},
		"over": {func(w *world) { w.now = w.now.Add(time.Hour) },
			"Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped"},
		"its attempt was deleted": {func(w *world) {
			if err := w.base.Delete(w.t.Context(), &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a"}}); err != nil {
				w.t.Fatal(err)
			}
		}, "Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, twoSteps())
			w.outcome["a"] = busy
			w.settle()
			w.pass()
			c.spoil(w)
			w.settle()
			if got := told(w.run()); got != c.want || w.attempts() != 1 {
				t.Errorf("%d attempts, status = %s\nwant     %s", w.attempts(), got, c.want)
			}
		})
	}
}

// An attempt that was deleted is neither run again nor hidden by an earlier one.
func TestADeletedAttemptIsNotRunAgain(t *testing.T) {
	for name, c := range map[string]struct{ second, want string }{
		"while it runs":                {"hang", "Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped"},
		"while it waits for the third": {busy, "Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped"},
		"after it succeeded":           {`{"word":"hi"}`, "Completed Ready=True/Succeeded a:Succeeded b:Succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, twoSteps())
			w.outcome["a"], w.outcome["b"] = busy, "hang"
			w.settle()
			w.pass()
			w.outcome["a"] = c.second
			w.settle()
			gone := &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: names.Attempt("run", "a", 2)}}
			if err := w.base.Delete(t.Context(), gone); err != nil {
				t.Fatal(err)
			}
			w.outcome["b"] = proposed
			w.now = w.now.Add(time.Minute)
			w.settle()
			if got := told(w.run()); got != c.want || w.attempts() != 2 {
				t.Errorf("%d attempts, status = %s\nwant     %s", w.attempts(), got, c.want)
			}
		})
	}
}

// A crash between any two writes neither loses nor adds an attempt.
func TestCrashBetweenAttempts(t *testing.T) {
	story := func(w *world) {
		w.outcome["a"] = busy
		w.settle()
		w.pass()
		w.outcome["a"] = `{"word":"hi"}`
		w.settle()
	}
	clean := newWorld(t, twoSteps())
	story(clean)
	want := strip(clean.run())
	for _, applied := range []bool{false, true} {
		for n := 1; n <= len(clean.writes); n++ {
			w := newWorld(t, twoSteps())
			w.failAt, w.applied = n, applied
			story(w)
			if diff := cmp.Diff(want, strip(w.run())); diff != "" {
				t.Errorf("write %d (%s) lost, applied %v (-want +got):\n%s", n, clean.writes[n-1], applied, diff)
			}
			equal(t, "objects", w.names(), clean.names())
		}
	}
}

func TestRetriesOfAStep(t *testing.T) {
	usual := run.DefaultRetries()
	for name, c := range map[string]struct {
		said *v1alpha1.Retries
		want run.Retries
	}{
		"nothing": {nil, usual},
		"empty":   {&v1alpha1.Retries{Backoff: &v1alpha1.Backoff{}}, usual},
		"all": {&v1alpha1.Retries{Limit: ptr.To[int32](0), Causes: []v1alpha1.RetryCause{v1alpha1.RetryTimeout}, Backoff: &v1alpha1.Backoff{
			Initial: &metav1.Duration{}, Factor: 3, Max: &metav1.Duration{Duration: time.Minute}}},
			run.Retries{Causes: []run.Cause{run.Timeout}, Factor: 3, Max: time.Minute}},
	} {
		if diff := cmp.Diff(c.want, stageOf(run.Main, []v1alpha1.WorkflowStep{{Name: "a", Retries: c.said}})[0].Retries); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for cause, word := range map[run.Cause]v1alpha1.RetryCause{run.RetryableExit: v1alpha1.RetryExit, run.Timeout: v1alpha1.RetryTimeout, run.Infrastructure: v1alpha1.RetryInfrastructure} {
		if string(cause) != string(word) {
			t.Errorf("%s is spelled %s", cause, word)
		}
	}
}

// A step without a sound backoff is refused in an inline run, too.
func TestBackoffOfAnInlineRun(t *testing.T) {
	e := twoSteps()
	e.Spec.Steps[0].Retries = &v1alpha1.Retries{Backoff: &v1alpha1.Backoff{Initial: &metav1.Duration{Duration: time.Hour}}}
	w := newWorld(t, e)
	w.settle()
	if r := report.Find(w.run().Status.Conditions, v1alpha1.ConditionReady); r.Reason != v1alpha1.ReasonInvalid || !strings.Contains(r.Message, "spec.steps[0].retries.backoff") {
		t.Errorf("Ready = %+v", r)
	}
	if slices.ContainsFunc(w.writes, func(what string) bool { return strings.HasPrefix(what, "create") }) {
		t.Errorf("writes = %v", w.writes)
	}
}
