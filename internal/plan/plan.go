// Package plan decides what happens next in a run, from what is known and
// nothing else.
package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// State is everything a decision depends on.
type State struct {
	Run  run.Run
	Seen run.Observation
	Now  time.Time
	// MaxParallel is how many steps may run at once; below 1 means 1.
	MaxParallel int
	// Suspended starts no step; Cancelled stops the run.
	Suspended, Cancelled bool
	Traits               run.Traits
}

// Next decides. It is a function of its argument alone: the same State gives
// the same Decision, and an observation told twice changes nothing.
//
// The rules: a step starts when all steps it runs after have succeeded, the
// run is neither suspended nor ending, and a place is free. Once a step failed
// or was cancelled, no other starts: its dependents are skipped because of it,
// the rest because the run is failing; steps that run already end by
// themselves. A cancelled run and one past its deadline stop what runs.
func Next(s State) run.Decision {
	p := newPass(s)
	var d run.Decision
	d.Stop = p.stop()
	for _, step := range s.Run.Steps {
		p.decide(step, &d)
	}
	if p.running == 0 && len(d.Start) == 0 && len(d.Hold) == 0 {
		d.Outcome = p.outcome(d.Stop)
		return d
	}
	if s.Now.Before(s.Run.Deadline) {
		d.WakeAt = s.Run.Deadline
	}
	return d
}

// pass is one decision in the making.
type pass struct {
	State
	running int
	failed  string // first failed step in the order of the workflow
	skipped map[string]bool
}

func newPass(s State) *pass {
	p := &pass{State: s, skipped: map[string]bool{}}
	for _, step := range s.Run.Steps {
		switch s.Seen.Steps[step.Name].State {
		case run.Running, run.Pending:
			p.running++
		case run.Failed, run.Cancelled:
			if p.failed == "" {
				p.failed = step.Name
			}
		}
	}
	return p
}

// stop says why running steps must be stopped; empty means that they need not.
func (p *pass) stop() run.Reason {
	switch {
	case p.Cancelled:
		return v1alpha1.ReasonCancelled
	case !p.Now.Before(p.Run.Deadline):
		return v1alpha1.ReasonTimeout
	}
	return ""
}

func (p *pass) decide(step run.Step, d *run.Decision) {
	if p.Seen.Steps[step.Name].State != run.Absent {
		return
	}
	if n := p.skip(step, d.Stop); n != nil {
		p.skipped[step.Name] = true
		d.Skip = append(d.Skip, *n)
		return
	}
	if n := p.hold(step); n != nil {
		d.Hold = append(d.Hold, *n)
		return
	}
	p.running++
	d.Start = append(d.Start, step.Name)
}

// skip says why a step that was not started never will be.
func (p *pass) skip(step run.Step, stop run.Reason) *run.Note {
	if stop == v1alpha1.ReasonCancelled {
		return &run.Note{Step: step.Name, Reason: stop, Message: "the run was cancelled before this step started"}
	}
	if stop != "" {
		return &run.Note{Step: step.Name, Reason: stop, Message: "the run's time was over before this step started"}
	}
	for _, need := range step.RunAfter {
		state := p.Seen.Steps[need].State
		if p.skipped[need] || state == run.Failed || state == run.Cancelled {
			return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonDependencyFailed,
				Message: fmt.Sprintf("runs after %s, which did not succeed", need)}
		}
	}
	if p.failed != "" {
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonDependencyFailed,
			Message: fmt.Sprintf("no step starts after %s did not succeed", p.failed)}
	}
	return nil
}

// hold says why a step cannot start yet.
func (p *pass) hold(step run.Step) *run.Note {
	var missing []string
	for _, need := range step.RunAfter {
		if p.Seen.Steps[need].State != run.Succeeded {
			missing = append(missing, need)
		}
	}
	switch {
	case p.Suspended:
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonSuspended, Message: "the run is suspended: set spec.suspend to false to go on"}
	case len(missing) > 0 && !p.Traits.OrdersSteps:
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonWaiting, Message: "waits for " + strings.Join(missing, ", ")}
	case p.running >= max(1, p.MaxParallel) && !p.Traits.OrdersSteps:
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonQueued,
			Message: fmt.Sprintf("waits for a place: %d of %d steps run", p.running, max(1, p.MaxParallel))}
	}
	return nil
}

// outcome says how a run ended in which nothing runs and nothing can start.
func (p *pass) outcome(stop run.Reason) *run.Outcome {
	done := 0
	for _, step := range p.Run.Steps {
		if p.Seen.Steps[step.Name].State == run.Succeeded {
			done++
		}
	}
	switch {
	case done == len(p.Run.Steps):
		return &run.Outcome{State: run.Succeeded, Reason: v1alpha1.ReasonSucceeded, Message: fmt.Sprintf("all %d steps succeeded", done)}
	case p.Cancelled:
		return &run.Outcome{State: run.Cancelled, Reason: v1alpha1.ReasonCancelled, Message: fmt.Sprintf("cancelled after %d of %d steps", done, len(p.Run.Steps))}
	case p.failed != "" && p.Seen.Steps[p.failed].State == run.Failed:
		seen := p.Seen.Steps[p.failed]
		return &run.Outcome{State: run.Failed, Reason: orStepFailed(seen.Reason), Message: fmt.Sprintf("step %s failed: %s", p.failed, seen.Message)}
	case stop != "":
		return &run.Outcome{State: run.Failed, Reason: stop, Message: fmt.Sprintf("the run's time was over at %s after %d of %d steps", p.Run.Deadline.UTC().Format(time.RFC3339), done, len(p.Run.Steps))}
	}
	return &run.Outcome{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Message: fmt.Sprintf("step %s was stopped", p.failed)}
}

func orStepFailed(r run.Reason) run.Reason {
	if r == "" {
		return v1alpha1.ReasonStepFailed
	}
	return r
}
