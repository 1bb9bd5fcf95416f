// Package memory is an engine without a cluster, for previews and tests.
package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/engine"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

// maxOutputs is what the real engines promise.
const maxOutputs = 2048

// Outcome is what a step comes to. The zero Outcome is success with no outputs.
type Outcome struct {
	// Outputs of a success, one JSON object.
	Outputs json.RawMessage
	// Failure ends the step with this message, and with Reason or else StepFailed.
	Failure string
	Reason  run.Reason
	// Cause of the failure, if another attempt may mend it.
	Cause run.Cause
	// Began and Repeatable say of a failure with a Cause what an engine sees of it.
	Began, Repeatable bool
	// Hang never ends by itself.
	Hang bool
}

// World is where the steps of all runs are. Engines over one World see the
// same, as a restarted controller sees the same cluster. It is safe for
// concurrent use.
type World struct {
	mu     sync.Mutex
	script map[string]Outcome
	now    func() time.Time
	runs   map[string]*stage // by namespace and name
}

// stage is one run.
type stage struct {
	uid       string
	steps     map[string]run.Seen
	inputs    map[string]json.RawMessage
	foreign   map[string]bool
	workspace string
}

// NewWorld returns a World in which steps come to what the script says by their
// names; a step that it does not name succeeds. Time is told by now.
func NewWorld(script map[string]Outcome, now func() time.Time) *World {
	return &World{script: maps.Clone(script), now: now, runs: map[string]*stage{}}
}

// Advance brings everything that runs to its end: steps that were stopped are
// cancelled, the others come to what the script says.
func (w *World) Advance() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.runs {
		for name, seen := range s.steps {
			if !seen.State.Ended() {
				s.steps[name] = w.end(name, seen)
			}
		}
	}
}

func (w *World) end(name string, seen run.Seen) run.Seen {
	outcome := w.script[name]
	switch {
	case seen.Stopping:
		seen.State, seen.Reason, seen.Message = run.Cancelled, v1alpha1.ReasonCancelled, "the action was stopped"
	case outcome.Hang:
		return seen
	case outcome.Failure != "":
		seen.State, seen.Reason, seen.Message = run.Failed, cmp.Or(outcome.Reason, v1alpha1.ReasonStepFailed), outcome.Failure
		seen.Cause, seen.Began, seen.Repeatable = outcome.Cause, outcome.Began, outcome.Repeatable
	case len(outcome.Outputs) > maxOutputs:
		seen.State, seen.Reason, seen.Message = run.Failed, v1alpha1.ReasonOutputsInvalid, "the outputs are too long"
	default:
		seen.State, seen.Reason, seen.Message, seen.Outputs = run.Succeeded, v1alpha1.ReasonSucceeded, "the action did its work", outcome.Outputs
	}
	seen.Finished = w.now()
	return seen
}

// Script changes what a step comes to.
func (w *World) Script(step string, outcome Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.script == nil {
		w.script = map[string]Outcome{}
	}
	w.script[step] = outcome
}

// Occupy puts an object of somebody else where a step's would be.
func (w *World) Occupy(r run.Run, step string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stage(r).foreign[step] = true
}

// Inputs returns what a step was started with, references replaced; nil if it
// was not started.
func (w *World) Inputs(r run.Run, step string) json.RawMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stage(r).inputs[step]
}

// stage finds a run; one of the same name and another UID has nothing of it.
func (w *World) stage(r run.Run) *stage {
	key := r.Namespace + "/" + r.Name
	if s := w.runs[key]; s != nil && s.uid == r.UID {
		return s
	}
	s := &stage{uid: r.UID, steps: map[string]run.Seen{}, inputs: map[string]json.RawMessage{}, foreign: map[string]bool{}}
	w.runs[key] = s
	return s
}

// Engine runs steps in a World.
type Engine struct{ world *World }

var _ engine.Engine = (*Engine)(nil)

// New returns an Engine over a World.
func New(w *World) *Engine { return &Engine{world: w} }

// Name returns "memory".
func (*Engine) Name() string { return "memory" }

// Traits are those of the Job engine: the planner keeps the order.
func (*Engine) Traits() run.Traits { return run.Traits{MaxOutputBytes: maxOutputs} }

// Observe tells where the run's steps stand.
func (e *Engine) Observe(ctx context.Context, r run.Run) (run.Observation, error) {
	e.world.mu.Lock()
	defer e.world.mu.Unlock()
	s := e.world.stage(r)
	return run.Observation{Steps: maps.Clone(s.steps), Workspace: s.workspace}, ctx.Err()
}

// Start starts what was not started.
func (e *Engine) Start(ctx context.Context, r run.Run, steps []run.Step) error {
	e.world.mu.Lock()
	defer e.world.mu.Unlock()
	s := e.world.stage(r)
	for _, step := range steps {
		if s.foreign[step.Name] {
			return run.Refuse(v1alpha1.ReasonForeignObject, "the place of step %s of run %s is taken by somebody else", step.Name, r.Name)
		}
		last, attempt := s.steps[step.Name], max(1, step.Attempt)
		if last.Attempt >= attempt {
			continue
		}
		lost := last.Lost
		if last.Uncounted() {
			lost++
		}
		if step.UsesWorkspace {
			s.workspace = r.Name + "-workspace"
		}
		s.inputs[step.Name] = step.Inputs
		s.steps[step.Name] = run.Seen{State: run.Running, Reason: v1alpha1.ReasonRunning, Message: "runs in memory", Started: e.world.now(), Ref: names.Attempt(r.Name, step.Name, attempt), Attempt: attempt, Lost: lost}
	}
	return ctx.Err()
}

// Stop marks what runs; Advance ends it.
func (e *Engine) Stop(ctx context.Context, r run.Run, _ run.Reason) error {
	e.world.mu.Lock()
	defer e.world.mu.Unlock()
	s := e.world.stage(r)
	for name, seen := range s.steps {
		if !seen.State.Ended() {
			seen.Stopping = true
			s.steps[name] = seen
		}
	}
	return ctx.Err()
}

// Release forgets the workspace once nothing runs.
func (e *Engine) Release(ctx context.Context, r run.Run) error {
	e.world.mu.Lock()
	defer e.world.mu.Unlock()
	s := e.world.stage(r)
	if s.workspace == "" {
		return ctx.Err()
	}
	for name, seen := range s.steps {
		if !seen.State.Ended() {
			return &run.Wait{Reason: v1alpha1.ReasonProgressing, Message: "waits for step " + name + " to end before the workspace is deleted"}
		}
	}
	s.workspace = ""
	return ctx.Err()
}
