package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// failure is a first attempt that ended at noon by its cause.
func failureOf(cause run.Cause, change ...func(*run.Seen)) run.Seen {
	s := run.Seen{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Message: "exit code 75: busy", Finished: noon(), Attempt: 1, Cause: cause, Began: true}
	for _, c := range change {
		c(&s)
	}
	return s
}

func unbegun(s *run.Seen)    { s.Began = false }
func idempotent(s *run.Seen) { s.Repeatable = true }

func attempt(n, lost int) func(*run.Seen) {
	return func(s *run.Seen) { s.Attempt, s.Lost = n, lost }
}

func TestRepeats(t *testing.T) {
	usual := run.DefaultRetries()
	none, times := usual, usual
	none.Limit = 0
	times.Causes = []run.Cause{run.Timeout}
	for name, c := range map[string]struct {
		retries run.Retries
		seen    run.Seen
		want    bool
	}{
		"a retryable exit":                          {usual, failureOf(run.RetryableExit), true},
		"the last but one":                          {usual, failureOf(run.RetryableExit, attempt(2, 0)), true},
		"the last":                                  {usual, failureOf(run.RetryableExit, attempt(3, 0)), false},
		"the last, of which two are not counted":    {usual, failureOf(run.RetryableExit, attempt(4, 2)), true},
		"all, of which two are not counted":         {usual, failureOf(run.RetryableExit, attempt(5, 2)), false},
		"no cause":                                  {usual, failureOf("", unbegun, idempotent), false},
		"no retries":                                {none, failureOf(run.RetryableExit, idempotent), false},
		"lost while it ran":                         {usual, failureOf(run.Infrastructure), false},
		"lost while it ran, idempotent":             {usual, failureOf(run.Infrastructure, idempotent), true},
		"lost before it began":                      {usual, failureOf(run.Infrastructure, unbegun), true},
		"lost before it began, no retries":          {none, failureOf(run.Infrastructure, unbegun), true},
		"lost before it began, another cause":       {times, failureOf(run.Infrastructure, unbegun), true},
		"lost before it began for the tenth time":   {none, failureOf(run.Infrastructure, unbegun, attempt(10, 9)), true},
		"lost before it began once too often":       {usual, failureOf(run.Infrastructure, unbegun, attempt(11, 10)), false},
		"too late, which is not asked for":          {usual, failureOf(run.Timeout, idempotent), false},
		"too late":                                  {times, failureOf(run.Timeout), false},
		"too late, idempotent":                      {times, failureOf(run.Timeout, idempotent), true},
		"too late to begin":                         {times, failureOf(run.Timeout, unbegun), true},
		"too late to begin counts":                  {times, failureOf(run.Timeout, unbegun, attempt(3, 0)), false},
		"a retryable exit, which is not asked for":  {times, failureOf(run.RetryableExit, idempotent), false},
		"succeeded":                                 {usual, run.Seen{State: run.Succeeded, Attempt: 1}, false},
		"stopped while it ran, though it may twice": {usual, run.Seen{State: run.Cancelled, Cause: run.Infrastructure, Repeatable: true}, false},
	} {
		if got := Repeats(run.Step{Name: "a", Retries: c.retries}, c.seen); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestPausesGrowAndAreSpread(t *testing.T) {
	step := run.Step{Name: "a", Retries: run.DefaultRetries()}
	pauses := map[time.Duration]bool{}
	for i, want := range []time.Duration{10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600, 600} {
		seen := failureOf(run.RetryableExit, attempt(i+1, 0))
		got := Due("uid", step, seen).Sub(noon())
		if off := got - want*time.Second; off.Abs() > want*time.Second/10 {
			t.Errorf("after attempt %d: %s, want %s within 10 %%", i+1, got, want*time.Second)
		}
		if other := Due("other", step, seen).Sub(noon()); other == got {
			t.Errorf("after attempt %d two runs pause %s alike", i+1, got)
		}
		pauses[got] = true
	}
	if len(pauses) != 12 {
		t.Errorf("the pauses are not spread: %v", pauses)
	}
	step.Retries = run.Retries{Initial: 1 << 61, Max: 1 << 62, Factor: 10}
	if got := Due("uid", step, failureOf(run.RetryableExit, attempt(20, 0))); !got.After(noon()) {
		t.Errorf("a very long pause ends at %s", got)
	}
}

// Step a is tried again as it may; the seconds are those of its pause.
func TestNextWithRetries(t *testing.T) {
	busy := failureOf(run.RetryableExit)
	second := Due("u", run.Step{Name: "a", Retries: run.DefaultRetries()}, busy).Sub(noon())
	early, ready := time.Second, second
	for _, c := range []struct {
		name, graph, seen, set string
		after                  time.Duration
		want                   string
	}{
		{"waits", "a b<a", "", "", early, "hold a(Retrying); hold b(Waiting); wake PAUSE"},
		{"takes no place", "a c", "", "one", early, "start c; hold a(Retrying); wake PAUSE"},
		{"is no failure", "a c<a:Failed d", "d=Running", "", early, "hold a(Retrying); hold c(Waiting); wake PAUSE"},
		{"its time has come", "a b<a", "", "", ready, "start a; hold b(Waiting); wake 1h0m0s"},
		{"needs a place", "c a", "c=Running", "one", ready, "hold a(Queued); wake 1h0m0s"},
		{"suspended", "a", "", "suspend", ready, "hold a(Suspended); wake 1h0m0s"},
		{"suspended early", "a", "", "suspend", early, "hold a(Suspended); wake 1h0m0s"},
		{"cancelled", "a b<a", "", "cancel", early, "stop(Cancelled); skip b(Cancelled); end Cancelled(Cancelled)"},
		{"late", "a", "", "late", early, "stop(Timeout); end Failed(StepFailed)"},
		{"another failed", "a c", "c=Failed", "", early, "end Failed(OutOfMemory)"},
		{"another failed, and its undoing is done", "a u<a:Failed c", "c=Failed", "", ready, "start u; wake 1h0m0s"},
		{"another failed that does not matter", "a c?", "c=Failed", "", ready, "start a; wake 1h0m0s"},
		{"going on", "a c", "c=Failed", "go on", ready, "start a; wake 1h0m0s"},
		{"is itself behind the failure", "c a<c:Failed", "c=Failed", "", ready, "start a; wake 1h0m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stateOf(c.graph, c.seen, c.set)
			if c.set != "late" {
				s.Now = noon().Add(c.after)
			}
			for i := range s.Run.Steps {
				s.Run.Steps[i].Retries = run.DefaultRetries()
			}
			s.Seen.Steps["a"] = busy
			got := Next(s)
			want := strings.Replace(c.want, "PAUSE", second.String(), 1)
			if diff := cmp.Diff(want, told(got)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			messages(t, got)
			for _, n := range got.Hold {
				if (n.Step == "a") == n.RetryAt.IsZero() {
					t.Errorf("%s is tried again at %s", n.Step, n.RetryAt)
				}
			}
		})
	}
}

// A pause that would end after the run is not waited for.
func TestNoAttemptAfterTheDeadline(t *testing.T) {
	s := stateOf("a", "", "")
	s.Run.Steps[0].Retries = run.DefaultRetries()
	s.Seen.Steps["a"] = failureOf(run.RetryableExit)
	s.Run.Deadline = Due("u", s.Run.Steps[0], s.Seen.Steps["a"])
	if got := told(Next(s)); got != "end Failed(StepFailed)" {
		t.Errorf("got %s", got)
	}
}

func TestAWaitingAttemptSaysWhatFailed(t *testing.T) {
	for want, seen := range map[string]run.Seen{
		"attempt 2 of 3 failed; the next starts at 2026-01-02T12:00:": failureOf(run.RetryableExit, attempt(3, 1)),
		"an attempt was lost that is not counted, 2 of at most 10; ":  failureOf(run.Infrastructure, unbegun, attempt(3, 1)),
	} {
		s := stateOf("a", "", "")
		s.Run.Steps[0].Retries = run.DefaultRetries()
		s.Seen.Steps["a"] = seen
		d := Next(s)
		if len(d.Hold) != 1 || !strings.HasPrefix(d.Hold[0].Message, want) || !strings.HasSuffix(d.Hold[0].Message, "Z: exit code 75: busy") {
			t.Errorf("%+v, want %q", d.Hold, want)
		}
	}
}
