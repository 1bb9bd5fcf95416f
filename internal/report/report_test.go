package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 7, time.UTC) }

func steps(n int) []run.Step {
	out := make([]run.Step, n)
	for i := range out {
		out[i].Name = fmt.Sprintf("s%d", i)
	}
	return out
}

func TestStatus(t *testing.T) {
	running := run.Seen{State: run.Running, Reason: v1alpha1.ReasonRunning, Message: "pod x", Started: noon(), Ref: "run-s0"}
	done := run.Seen{State: run.Succeeded, Reason: v1alpha1.ReasonSucceeded, Started: noon(), Finished: noon(), Outputs: json.RawMessage(`{"a":1}`)}
	failed := run.Seen{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Message: "exit code 1"}
	for name, c := range map[string]struct {
		seen   []run.Seen
		d      run.Decision
		phase  v1alpha1.ExecutionPhase
		reason string
		says   string
		steps  string
	}{
		"on its way": {[]run.Seen{done, running}, run.Decision{Hold: []run.Note{{Step: "s2", Reason: v1alpha1.ReasonQueued, Message: "no place"}}},
			v1alpha1.ExecutionExecuting, v1alpha1.ReasonProgressing, "1 of 3 steps succeeded; running: s1; held: s2 (Queued)", "s0:Succeeded s1:Running s2:Pending/Queued"},
		"waiting steps are not worth a word": {[]run.Seen{running}, run.Decision{Hold: []run.Note{{Step: "s1", Reason: v1alpha1.ReasonWaiting, Message: "m"}, {Step: "s2", Reason: v1alpha1.ReasonWaiting, Message: "m"}}},
			v1alpha1.ExecutionExecuting, v1alpha1.ReasonProgressing, "0 of 3 steps succeeded; running: s0", "s0:Running s1:Pending/Waiting s2:Pending/Waiting"},
		"stopping": {[]run.Seen{running}, run.Decision{Stop: v1alpha1.ReasonTimeout, Skip: []run.Note{{Step: "s1", Reason: v1alpha1.ReasonTimeout, Message: "m"}, {Step: "s2", Reason: v1alpha1.ReasonTimeout, Message: "m"}}},
			v1alpha1.ExecutionExecuting, v1alpha1.ReasonProgressing, "stopping: Timeout", "s0:Running s1:Skipped/Timeout s2:Skipped/Timeout"},
		"succeeded": {[]run.Seen{done, done, done}, run.Decision{Outcome: &run.Outcome{State: run.Succeeded, Reason: v1alpha1.ReasonSucceeded, Message: "all 3 steps succeeded"}},
			v1alpha1.ExecutionCompleted, v1alpha1.ReasonSucceeded, "all 3", "s0:Succeeded s1:Succeeded s2:Succeeded"},
		"failed": {[]run.Seen{done, failed}, run.Decision{Skip: []run.Note{{Step: "s2", Reason: v1alpha1.ReasonDependencyFailed, Message: "m"}},
			Outcome: &run.Outcome{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Message: "step s1 failed"}},
			v1alpha1.ExecutionFailed, v1alpha1.ReasonStepFailed, "step s1 failed", "s0:Succeeded s1:Failed s2:Skipped/DependencyFailed"},
		"failed before it started": {[]run.Seen{done, done}, run.Decision{Fail: []run.Note{{Step: "s2", Reason: v1alpha1.ReasonPreconditionFailed, Message: "m"}}},
			v1alpha1.ExecutionExecuting, v1alpha1.ReasonProgressing, "2 of 3", "s0:Succeeded s1:Succeeded s2:Failed"},
		"cancelled": {nil, run.Decision{Outcome: &run.Outcome{State: run.Cancelled, Reason: v1alpha1.ReasonCancelled, Message: "cancelled"}},
			v1alpha1.ExecutionCancelled, v1alpha1.ReasonCancelled, "cancelled", "s0:Pending s1:Pending s2:Pending"},
	} {
		t.Run(name, func(t *testing.T) {
			e := Execution{Generation: 3, Run: run.Run{Steps: steps(3)}, Seen: run.Observation{Steps: map[string]run.Seen{}, Workspace: "w"}, Decision: c.d, Now: noon()}
			for i, s := range c.seen {
				e.Seen.Steps[fmt.Sprintf("s%d", i)] = s
			}
			e.Old.Conditions = []metav1.Condition{Verified(metav1.ConditionTrue, v1alpha1.ReasonVerified, "signed")}
			got := e.Status()
			ready := Find(got.Conditions, v1alpha1.ConditionReady)
			if got.Phase != c.phase || ready.Reason != c.reason || !strings.Contains(ready.Message, c.says) || Find(got.Conditions, v1alpha1.ConditionVerified) == nil {
				t.Errorf("phase %s, Ready %+v, want %s %s … %q", got.Phase, ready, c.phase, c.reason, c.says)
			}
			if diff := cmp.Diff(c.steps, told(got.Steps)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if (got.CompletedAt != nil) != (c.d.Outcome != nil) || got.WorkspacePVC != "w" {
				t.Errorf("completed %v, claim %q", got.CompletedAt, got.WorkspacePVC)
			}
			e.Old, e.Now = got, noon().Add(time.Minute)
			if diff := cmp.Diff(got, e.Status()); diff != "" {
				t.Errorf("the same is told otherwise a minute later:\n%s", diff)
			}
		})
	}
}

func told(steps []v1alpha1.StepStatus) string {
	var out []string
	for _, s := range steps {
		text := s.Name + ":" + string(s.Phase)
		if s.Phase == v1alpha1.StepPending || s.Phase == v1alpha1.StepSkipped {
			text = strings.TrimSuffix(text+"/"+s.Reason, "/")
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestSettled(t *testing.T) {
	old := []v1alpha1.StepStatus{{Name: "s0", Phase: v1alpha1.StepSucceeded, Message: "kept"}, {Name: "s1", Phase: v1alpha1.StepRunning}, {Name: "s2", Phase: v1alpha1.StepSkipped, Message: "kept"}}
	seen := run.Observation{Steps: map[string]run.Seen{
		"s0": {State: run.Failed}, "s1": {State: run.Cancelled, Message: "stopped"}, "s2": {State: run.Running}, "s3": {State: run.Running}}}
	got := Settled(old, run.Run{Steps: steps(5)}, seen)
	if diff := cmp.Diff("s0:Succeeded s1:Cancelled s2:Skipped/ s3:Running s4:Skipped/DependencyFailed", strings.Replace(told(got), "s2:Skipped", "s2:Skipped/", 1)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if got[0].Message != "kept" || got[2].Message != "kept" || got[1].Message != "stopped" {
		t.Errorf("messages: %+v", got)
	}
	if again := Settled(got, run.Run{Steps: steps(5)}, seen); cmp.Diff(got, again) != "" {
		t.Error("told again it is told otherwise")
	}
}

// A status must fit the API server and a watch: 50 steps whose failures are as
// long as they get.
func TestAStatusStaysSmall(t *testing.T) {
	e := Execution{Run: run.Run{Steps: steps(50)}, Seen: run.Observation{Steps: map[string]run.Seen{}}, Now: noon()}
	for _, s := range e.Run.Steps {
		e.Seen.Steps[s.Name] = run.Seen{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Message: strings.Repeat("é", 4000), Started: noon(), Finished: noon(),
			Ref: strings.Repeat("r", 57), Outputs: json.RawMessage(`{"a":"` + strings.Repeat("x", 200) + `"}`)}
	}
	e.Decision.Outcome = &run.Outcome{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Message: strings.Repeat("é", 40000)}
	data, err := json.Marshal(e.Status())
	if err != nil || len(data) >= 64<<10 {
		t.Errorf("the status has %d bytes, %v", len(data), err)
	}
}

func TestEvents(t *testing.T) {
	at := func(c []metav1.Condition) []metav1.Condition { return Merge(nil, c, 1, noon()) }
	progress, more, ready, stalled := at(Progressing("Progressing", "1 of 2")), at(Progressing("Progressing", "2 of 2")), at(Ready("Succeeded", "done")), at(Stalled("StepFailed", "oh"))
	for name, c := range map[string]struct {
		old, now []metav1.Condition
		want     []Event
	}{
		"first":           {nil, progress, []Event{{"Normal", "Progressing", "1 of 2"}}},
		"the same":        {progress, progress, nil},
		"another message": {progress, more, nil},
		"ready":           {progress, ready, []Event{{"Normal", "Succeeded", "done"}}},
		"stalled":         {progress, stalled, []Event{{"Warning", "StepFailed", "oh"}}},
		"nothing":         {progress, nil, nil},
	} {
		if diff := cmp.Diff(c.want, Events(c.old, c.now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A step that waits for its next attempt is pending, says why and when, and
// names its last attempt; a second before the time is not told.
func TestRetryingSteps(t *testing.T) {
	at := noon().Add(1500 * time.Millisecond)
	e := Execution{Run: run.Run{Steps: steps(2)}, Now: noon(), Seen: run.Observation{Steps: map[string]run.Seen{
		"s0": {State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Ref: "run-s0-2", Attempt: 2, Started: noon(), Finished: noon()}, "s1": {State: run.Running, Attempt: 3}}},
		Decision: run.Decision{Hold: []run.Note{{Step: "s0", Reason: v1alpha1.ReasonRetrying, Message: "busy", RetryAt: at}}}}
	got := e.Status()
	want := []v1alpha1.StepStatus{
		{Name: "s0", Phase: v1alpha1.StepPending, Reason: v1alpha1.ReasonRetrying, Message: "busy", Attempts: 2, Ref: "run-s0-2", RetryAt: seconds(noon().Add(2 * time.Second))},
		{Name: "s1", Phase: v1alpha1.StepRunning, Attempts: 3},
	}
	if diff := cmp.Diff(want, got.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if r := Find(got.Conditions, v1alpha1.ConditionReady); !strings.Contains(r.Message, "held: s0 (Retrying)") {
		t.Errorf("Ready = %+v", r)
	}
	event := []Event{{"Warning", "StepRetrying", "step s0: busy"}}
	again := []v1alpha1.StepStatus{{Name: "s0", Phase: v1alpha1.StepPending, Attempts: 1, RetryAt: want[0].RetryAt}}
	for name, old := range map[string][]v1alpha1.StepStatus{"running before": {{Name: "s0", Phase: v1alpha1.StepRunning, Attempts: 2}}, "waited before": again, "known": want} {
		events := StepEvents(old, want[:1])
		if name == "known" && len(events) == 0 {
			continue
		}
		if diff := cmp.Diff(event, events); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", name, diff)
		}
	}
	gone := Settled(want[:1], run.Run{Steps: steps(1)}, run.Observation{})
	if gone[0].Phase != v1alpha1.StepFailed || gone[0].RetryAt != nil || gone[0].Attempts != 2 {
		t.Errorf("after the run's end: %+v", gone[0])
	}
}

func TestStepEvents(t *testing.T) {
	old := []v1alpha1.StepStatus{{Name: "a", Phase: v1alpha1.StepRunning}, {Name: "b", Phase: v1alpha1.StepPending}, {Name: "c", Phase: v1alpha1.StepSucceeded}}
	now := []v1alpha1.StepStatus{{Name: "a", Phase: v1alpha1.StepFailed, Message: "exit code 1"}, {Name: "b", Phase: v1alpha1.StepSkipped}, {Name: "c", Phase: v1alpha1.StepSucceeded}, {Name: "d", Phase: v1alpha1.StepPending}}
	want := []Event{{"Warning", "StepFailed", "step a: Failed: exit code 1"}, {"Normal", "StepSkipped", "step b: Skipped"}}
	if diff := cmp.Diff(want, StepEvents(old, now)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestMergeKeepsTheTimeOfTheTransition(t *testing.T) {
	first := Merge(nil, append(Progressing("Progressing", "a"), Verified(metav1.ConditionTrue, "Verified", "v")), 1, noon())
	later := Merge(first, Progressing("Progressing", "b"), 2, noon().Add(time.Hour))
	r := Find(later, v1alpha1.ConditionReady)
	if !r.LastTransitionTime.Equal(&Find(first, v1alpha1.ConditionReady).LastTransitionTime) || r.Message != "b" || r.ObservedGeneration != 2 {
		t.Errorf("Ready = %+v", r)
	}
	if Find(later, v1alpha1.ConditionVerified) != nil || later[0].Type != v1alpha1.ConditionReconciling {
		t.Errorf("conditions = %+v, want those that were wanted, Reconciling first", later)
	}
}

func FuzzCut(f *testing.F) {
	for _, s := range []string{"", "a", "éééééééééééééééé", "日本語日本語日本語", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("x", 40)} {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 11 || limit > 1<<16 {
			return
		}
		got := Cut(s, limit)
		if len(got) > limit || (utf8.ValidString(s) && !utf8.ValidString(got)) || (len(s) <= limit && got != s) {
			t.Errorf("Cut(%q, %d) = %q", s, limit, got)
		}
	})
}

func BenchmarkStatus64Steps(b *testing.B) {
	e := Execution{Run: run.Run{Steps: steps(64)}, Seen: run.Observation{Steps: map[string]run.Seen{}}, Now: noon()}
	for _, s := range e.Run.Steps {
		e.Seen.Steps[s.Name] = run.Seen{State: run.Succeeded, Message: "done", Started: noon(), Finished: noon(), Outputs: json.RawMessage(`{"a":1}`)}
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Status()
	}
}
