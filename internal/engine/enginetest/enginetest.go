// Package enginetest is the contract that every engine keeps.
package enginetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/engine"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Outcome is what a step comes to.
type Outcome struct {
	// Outputs of a success, one JSON object; empty if there are none.
	Outputs string
	// Failure is what the action says when it fails.
	Failure string
	// Reason that the action itself gives for it; empty if it gives none.
	Reason run.Reason
	// Cause, Began and Repeatable say of a failure whether another attempt may mend it.
	Cause             run.Cause
	Began, Repeatable bool
	// Hang never ends by itself.
	Hang bool
}

// Site is an engine and the world that it works in, for one test.
type Site struct {
	// Engine returns a new value over the same world, as after a restart.
	Engine func() engine.Engine
	// Settle lets the world come to rest: what was started runs and comes to
	// its outcome, what was stopped ends.
	Settle func()
	// Script says what a step comes to; others succeed.
	Script func(step string, o Outcome)
	// Occupy puts an object of somebody else where the step's would be, and
	// returns what tells whether it is still untouched.
	Occupy func(r run.Run, step string) (untouched func() bool)
	// Inputs returns the JSON that a started step was given.
	Inputs func(r run.Run, step string) string
}

// Run holds an engine against the contract; each case gets a site of its own.
func Run(t *testing.T, site func(t *testing.T) Site) {
	for name, check := range map[string]func(*testing.T, Site){
		"nothing-is-absent": nothing, "start-twice": startTwice, "start-after-the-end": startAfterTheEnd, "order-is-the-callers": order,
		"outputs-and-failures": ends, "stop-twice": stopTwice, "stop-keeps-results": stopKeepsResults, "workspace-when-used": workspace,
		"release-while-busy": releaseWhileBusy, "foreign-is-refused": foreign, "restart-sees-the-same": restart, "another-uid-sees-nothing": anotherUID,
		"attempts": attempts,
	} {
		t.Run(name, func(t *testing.T) { check(t, site(t)) })
	}
}

// Example is a run of two steps, b after a; those in uses share the workspace.
func Example(uses ...string) run.Run {
	image := "registry.example.com/demo@sha256:1111111111111111111111111111111111111111111111111111111111111111"
	r := run.Run{Namespace: "ops", Name: "run", UID: "uid-run", Deadline: time.Unix(4000000000, 0), Steps: []run.Step{
		{Name: "a", ActionType: "demo/first", Image: image, Inputs: json.RawMessage(`{"text":"one"}`)},
		{Name: "b", ActionType: "demo/second", Image: image, Inputs: json.RawMessage(`{"text":"two"}`), RunAfter: []string{"a"}},
	}}
	for i := range r.Steps {
		for _, name := range uses {
			if r.Steps[i].Name == name {
				r.Steps[i].UsesWorkspace, r.Workspace = true, &run.Workspace{Size: "1Gi"}
			}
		}
	}
	return r
}

func start(t *testing.T, e engine.Engine, r run.Run, steps ...run.Step) {
	t.Helper()
	if err := e.Start(t.Context(), r, steps); err != nil {
		t.Fatalf("start: %v", err)
	}
}

func observe(t *testing.T, e engine.Engine, r run.Run) run.Observation {
	t.Helper()
	seen, err := e.Observe(t.Context(), r)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	return seen
}

// states holds the states of a and b.
func states(t *testing.T, e engine.Engine, r run.Run, a, b run.State) {
	t.Helper()
	seen := observe(t, e, r).Steps
	if seen["a"].State != a || seen["b"].State != b {
		t.Errorf("a is %q and b is %q, want %q and %q", seen["a"].State, seen["b"].State, a, b)
	}
}

func nothing(t *testing.T, s Site) {
	e, r := s.Engine(), Example("a")
	states(t, e, r, run.Absent, run.Absent)
	if w := observe(t, e, r).Workspace; w != "" {
		t.Errorf("workspace %q before anything started", w)
	}
	for name, err := range map[string]error{"stop": e.Stop(t.Context(), r, v1alpha1.ReasonCancelled), "release": e.Release(t.Context(), r), "start": e.Start(t.Context(), r, nil)} {
		if err != nil {
			t.Errorf("%s nothing: %v", name, err)
		}
	}
	states(t, e, r, run.Absent, run.Absent)
	if e.Name() == "" || e.Name() != s.Engine().Name() || e.Traits() != s.Engine().Traits() || e.Traits().MaxOutputBytes <= 0 {
		t.Error("name and traits are not constant")
	}
}

func startTwice(t *testing.T, s Site) {
	e, r := s.Engine(), Example("a")
	s.Script("a", Outcome{Hang: true})
	for range 2 {
		start(t, e, r, r.Steps[0])
	}
	s.Settle()
	first := observe(t, e, r)
	if got := first.Steps["a"].State; got != run.Running {
		t.Errorf("a is %q, want Running", got)
	}
	again := r.Steps[0]
	again.Inputs = json.RawMessage(`{"text":"other"}`)
	start(t, s.Engine(), r, again)
	s.Settle()
	if diff := cmp.Diff(first, observe(t, e, r)); diff != "" {
		t.Errorf("starting again changed what is seen (-want +got):\n%s", diff)
	}
	if got := s.Inputs(r, "a"); got != `{"text":"one"}` {
		t.Errorf("a runs with %s, want what it was started with", got)
	}
}

func startAfterTheEnd(t *testing.T, s Site) {
	e, r := s.Engine(), Example()
	start(t, e, r, r.Steps[0])
	s.Settle()
	want := observe(t, e, r)
	start(t, e, r, r.Steps[0])
	s.Settle()
	if diff := cmp.Diff(want, observe(t, e, r)); diff != "" {
		t.Errorf("a step that ended ran again (-want +got):\n%s", diff)
	}
}

func order(t *testing.T, s Site) {
	e, r := s.Engine(), Example()
	if e.Traits().OrdersSteps {
		t.Skip("this engine is given the whole graph")
	}
	start(t, e, r, r.Steps[0])
	s.Settle()
	states(t, e, r, run.Succeeded, run.Absent)
	start(t, e, r, r.Steps[1])
	s.Settle()
	states(t, e, r, run.Succeeded, run.Succeeded)
}

func ends(t *testing.T, s Site) {
	e, r := s.Engine(), Example()
	s.Script("a", Outcome{Outputs: `{"word":"hi","n":1}`})
	s.Script("b", Outcome{Failure: "no such deployment", Reason: v1alpha1.ReasonPreconditionFailed})
	start(t, e, r, r.Steps...)
	s.Settle()
	states(t, e, r, run.Succeeded, run.Failed)
	seen := observe(t, e, r).Steps
	var got map[string]any
	if err := json.Unmarshal(seen["a"].Outputs, &got); err != nil || got["word"] != "hi" {
		t.Errorf("outputs = %s, %v", seen["a"].Outputs, err)
	}
	if seen["b"].Reason != v1alpha1.ReasonPreconditionFailed || seen["b"].Message == "" || len(seen["b"].Outputs) > 0 {
		t.Errorf("b = %+v, want a reason and a message", seen["b"])
	}
}

func stopTwice(t *testing.T, s Site) {
	e, r := s.Engine(), Example("a")
	s.Script("a", Outcome{Hang: true})
	start(t, e, r, r.Steps[0])
	s.Settle()
	for range 2 {
		if err := e.Stop(t.Context(), r, v1alpha1.ReasonCancelled); err != nil {
			t.Fatal(err)
		}
	}
	if seen := observe(t, e, r).Steps["a"]; !seen.Stopping && !seen.State.Ended() {
		t.Errorf("a = %+v, want it to be stopping", seen)
	}
	s.Settle()
	states(t, e, r, run.Cancelled, run.Absent)
	if err := e.Stop(t.Context(), r, v1alpha1.ReasonCancelled); err != nil {
		t.Error(err)
	}
	states(t, e, r, run.Cancelled, run.Absent)
}

func stopKeepsResults(t *testing.T, s Site) {
	e, r := s.Engine(), Example()
	start(t, e, r, r.Steps[0])
	s.Settle()
	want := observe(t, e, r)
	if err := e.Stop(t.Context(), r, v1alpha1.ReasonTimeout); err != nil {
		t.Fatal(err)
	}
	s.Settle()
	if diff := cmp.Diff(want, observe(t, e, r)); diff != "" {
		t.Errorf("stopping changed a result (-want +got):\n%s", diff)
	}
}

func workspace(t *testing.T, s Site) {
	e, r := s.Engine(), Example("b")
	start(t, e, r, r.Steps[0])
	s.Settle()
	if w := observe(t, e, r).Workspace; w != "" {
		t.Errorf("workspace %q before a step used it", w)
	}
	start(t, e, r, r.Steps[1])
	s.Settle()
	if observe(t, e, r).Workspace == "" {
		t.Error("no workspace, although a step uses it")
	}
	for range 2 {
		if err := e.Release(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	s.Settle()
	if w := observe(t, e, r).Workspace; w != "" {
		t.Errorf("workspace %q after the release", w)
	}
	states(t, e, r, run.Succeeded, run.Succeeded)
}

func releaseWhileBusy(t *testing.T, s Site) {
	e, r := s.Engine(), Example("a")
	s.Script("a", Outcome{Hang: true})
	start(t, e, r, r.Steps[0])
	s.Settle()
	if _, waits := run.AsWait(e.Release(t.Context(), r)); !waits {
		t.Error("a workspace is released while a step uses it")
	}
	if observe(t, e, r).Workspace == "" {
		t.Error("the workspace is gone under a running step")
	}
	if err := e.Stop(t.Context(), r, v1alpha1.ReasonCancelled); err != nil {
		t.Fatal(err)
	}
	s.Settle()
	if err := e.Release(t.Context(), r); err != nil {
		t.Errorf("release after the end: %v", err)
	}
}

func foreign(t *testing.T, s Site) {
	e, r := s.Engine(), Example()
	untouched := s.Occupy(r, "a")
	err := e.Start(t.Context(), r, r.Steps[:1])
	if refusal, ok := run.AsRefusal(err); !ok || refusal.Reason != v1alpha1.ReasonForeignObject {
		t.Errorf("start = %v, want a Refusal with ForeignObject", err)
	}
	states(t, e, r, run.Absent, run.Absent)
	if err := e.Stop(t.Context(), r, v1alpha1.ReasonCancelled); err != nil {
		t.Error(err)
	}
	if err := e.Release(t.Context(), r); err != nil {
		t.Error(err)
	}
	if !untouched() {
		t.Error("an object of somebody else was touched")
	}
}

func restart(t *testing.T, s Site) {
	r := Example("a")
	start(t, s.Engine(), r, r.Steps[0])
	s.Settle()
	want := observe(t, s.Engine(), r)
	if diff := cmp.Diff(want, observe(t, s.Engine(), r)); diff != "" || want.Steps["a"].State != run.Succeeded {
		t.Errorf("after a restart a is %q (-want +got):\n%s", want.Steps["a"].State, diff)
	}
}

func anotherUID(t *testing.T, s Site) {
	e, r := s.Engine(), Example("a")
	start(t, e, r, r.Steps[0])
	s.Settle()
	other := r
	other.UID = "uid-other"
	states(t, e, other, run.Absent, run.Absent)
	if err := e.Stop(context.Background(), other, v1alpha1.ReasonCancelled); err != nil {
		t.Error(err)
	}
}

// attempts holds that each attempt runs once, that the newest is the one that
// is told, and that those which were lost before they began are counted.
func attempts(t *testing.T, s Site) {
	r := Example()
	step := r.Steps[0]
	try := func(attempt int, o Outcome, want run.Seen) {
		t.Helper()
		s.Script("a", o)
		for range 2 {
			step.Attempt = attempt
			start(t, s.Engine(), r, step)
			s.Settle()
		}
		got := observe(t, s.Engine(), r).Steps["a"]
		told := run.Seen{State: got.State, Attempt: got.Attempt, Lost: got.Lost, Cause: got.Cause, Began: got.Began, Repeatable: got.Repeatable}
		if diff := cmp.Diff(want, told); diff != "" || got.Ref == "" {
			t.Errorf("attempt %d, %q (-want +got):\n%s", attempt, got.Ref, diff)
		}
	}
	try(0, Outcome{Failure: "evicted", Cause: run.Infrastructure}, run.Seen{State: run.Failed, Attempt: 1, Cause: run.Infrastructure})
	first := observe(t, s.Engine(), r).Steps["a"].Ref
	try(2, Outcome{Failure: "busy", Cause: run.RetryableExit, Began: true, Repeatable: true},
		run.Seen{State: run.Failed, Attempt: 2, Lost: 1, Cause: run.RetryableExit, Began: true, Repeatable: true})
	try(1, Outcome{}, run.Seen{State: run.Failed, Attempt: 2, Lost: 1, Cause: run.RetryableExit, Began: true, Repeatable: true})
	try(3, Outcome{}, run.Seen{State: run.Succeeded, Attempt: 3, Lost: 1})
	if last := observe(t, s.Engine(), r).Steps["a"].Ref; last == first {
		t.Errorf("two attempts share the object %s", last)
	}
}
