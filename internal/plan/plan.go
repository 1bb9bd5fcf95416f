// Package plan decides what happens next in a run, from what is known and
// nothing else.
package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/dag"
	"github.com/kubernaut/kubernaut/internal/expr"
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
	// Terminated stops the run and keeps Finally from running, too.
	Terminated bool
	// SuspendedBy and SuspendReason say who suspended the run, and why; both may be empty.
	SuspendedBy, SuspendReason string
	Traits                     run.Traits
}

// Next decides. It is a function of its argument alone: the same State gives
// the same Decision, and an observation told twice changes nothing.
//
// The rules: a step starts when every edge it has is taken, as Ask says, the
// run is neither suspended nor ending, and a place is free; it is skipped as
// soon as one edge will not be taken, or its when is false then; it fails if one
// of its preconditions is false when it is about to start. Once a step failed
// whose failure matters, or was cancelled, only steps that come after it start,
// unless the run goes on; steps that run already end by themselves. A step whose
// last attempt may be repeated has not failed: it waits until its time has come
// and starts again. A cancelled run and one past its deadline stop what runs.
// When nothing of Main is left, OnFailure and Finally follow, each with the same
// rules among its own steps and its own deadline.
func Next(s State) run.Decision {
	p := newPass(current(s))
	p.whole = s.Run
	var d run.Decision
	d.Stop = p.stop()
	for _, i := range order(p.Run.Steps) {
		p.decide(p.Run.Steps[i], &d)
	}
	switch {
	case len(d.Fail) > 0: // what that means is decided once it is written down
		d.WakeAt = s.Now
	case p.running == 0 && len(d.Start) == 0 && len(d.Hold) == 0:
		d.Outcome = p.outcome(d.Stop)
		follow(s, &d)
		return d
	case s.Now.Before(p.Run.Deadline):
		d.WakeAt = wakeAt(p.Run.Deadline, d.Hold)
	}
	pending(s, p.Run.Stage(), p.Run.Stage(), &d)
	return d
}

// order puts every step behind those it has edges to; steps without such an
// order, which no check lets through, stay as they are given.
func order(steps []run.Step) []int {
	graph := make([]dag.Step, len(steps))
	index := make(map[string]int, len(steps))
	out := make([]int, len(steps))
	for i, s := range steps {
		index[s.Name], out[i] = i, i
		graph[i].Name, graph[i].RunAfter = s.Name, make([]string, 0, len(s.RunAfter)+len(s.After))
		for _, edge := range s.Needs() {
			graph[i].RunAfter = append(graph[i].RunAfter, edge.Step)
		}
	}
	names, _ := dag.Check(graph)
	for i, name := range names {
		out[i] = index[name]
	}
	return out
}

// pass is one decision in the making.
type pass struct {
	State
	running int
	failed  string               // first failed step in the order of the workflow
	stands  map[string]run.State // what was seen, and what was decided to be skipped
	behind  map[string]bool      // steps that come after one that failed
	retries map[string]time.Time // when failed steps are tried again
	cut     bool                 // a step was kept from its work by the end of the run

	ends   map[string]expr.Outcome // how steps ended, for conditions
	whole  run.Run                 // with all stages
	values *expr.Scope             // what conditions name; nil until one asks
}

func newPass(s State) *pass {
	p := &pass{State: s, stands: make(map[string]run.State, len(s.Run.Steps)), behind: map[string]bool{}, retries: map[string]time.Time{}, ends: map[string]expr.Outcome{}}
	for _, step := range s.Run.Steps {
		seen := s.Seen.Steps[step.Name]
		state := seen.State
		if p.retry(step) {
			continue
		}
		p.stands[step.Name] = state
		switch {
		case state == run.Running || state == run.Pending:
			p.running++
		case p.failed == "" && matters(step, state):
			p.failed = step.Name
		}
		p.cut = p.cut || state == run.Cancelled || state == run.Skipped && cutShort(seen.Reason)
	}
	p.remember()
	return p
}

// remember collects how steps of all stages ended.
func (p *pass) remember() {
	for name, seen := range p.Seen.Steps {
		if _, again := p.retries[name]; !again && (seen.State.Ended() || seen.State == run.Skipped) {
			p.ends[name] = expr.Outcome{Phase: string(seen.State), Reason: string(seen.Reason)}
		}
	}
}

// cutShort says whether a step was skipped because its run ended.
func cutShort(reason run.Reason) bool {
	return reason == v1alpha1.ReasonTerminated || reason == v1alpha1.ReasonCancelled || reason == v1alpha1.ReasonTimeout
}

// matters says whether a state of a step makes its run fail.
func matters(step run.Step, state run.State) bool {
	return state == run.Cancelled || state == run.Failed && !step.Continue
}

// stop says why running steps must be stopped; empty means that they need not.
func (p *pass) stop() run.Reason {
	switch {
	case p.Terminated:
		return v1alpha1.ReasonTerminated
	case p.Cancelled:
		return v1alpha1.ReasonCancelled
	case !p.Now.Before(p.Run.Deadline):
		return v1alpha1.ReasonTimeout
	}
	return ""
}

func (p *pass) decide(step run.Step, d *run.Decision) {
	for _, edge := range step.Needs() {
		p.behind[step.Name] = p.behind[step.Name] || p.behind[edge.Step]
	}
	if due, again := p.retries[step.Name]; again {
		p.repeat(step, due, d)
		return
	}
	if state := p.stands[step.Name]; state != run.Absent {
		p.behind[step.Name] = p.behind[step.Name] || matters(step, state)
		return
	}
	if step.ForEach != nil && len(step.ForEach.Units) > 0 {
		p.gather(step, d)
		p.behind[step.Name] = p.behind[step.Name] || matters(step, p.stands[step.Name])
		return
	}
	p.begin(step, d)
}

// begin decides about a step of which nothing was seen yet.
func (p *pass) begin(step run.Step, d *run.Decision) {
	if n := p.skip(step, d.Stop); n != nil {
		p.skipped(*n, d)
		return
	}
	missing := p.missing(step)
	if len(missing) == 0 && p.barred(step, d) {
		return
	}
	if n := p.hold(step, missing); n != nil {
		d.Hold = append(d.Hold, *n)
		return
	}
	if n := p.unmet(step); n != nil {
		p.fails(step, *n, d)
		return
	}
	if step.ForEach != nil {
		p.nothing(step, d)
		return
	}
	p.running++
	p.stands[step.Name] = run.Pending
	d.Start = append(d.Start, step.Name)
}

// barred says whether the when of a step kept it from starting.
func (p *pass) barred(step run.Step, d *run.Decision) bool {
	skip, fail := p.when(step)
	if skip != nil {
		p.skipped(*skip, d)
	}
	if fail != nil {
		p.fails(step, *fail, d)
	}
	return skip != nil || fail != nil
}

func (p *pass) skipped(n run.Note, d *run.Decision) {
	p.stands[n.Step] = run.Skipped
	p.ends[n.Step] = expr.Outcome{Phase: string(run.Skipped), Reason: string(n.Reason)}
	d.Skip = append(d.Skip, n)
}

// fails notes a step that failed before it could start.
func (p *pass) fails(step run.Step, n run.Note, d *run.Decision) {
	p.stands[n.Step] = run.Failed
	p.ends[n.Step] = expr.Outcome{Phase: string(run.Failed), Reason: string(n.Reason)}
	p.behind[n.Step] = p.behind[n.Step] || matters(step, run.Failed)
	d.Fail = append(d.Fail, n)
}

// skip says why a step that was not started never will be.
func (p *pass) skip(step run.Step, stop run.Reason) *run.Note {
	p.cut = p.cut || stop != ""
	switch stop {
	case v1alpha1.ReasonTerminated:
		return &run.Note{Step: step.Name, Reason: stop, Message: "the run was terminated before this step started"}
	case v1alpha1.ReasonCancelled:
		return &run.Note{Step: step.Name, Reason: stop, Message: "the run was cancelled before this step started"}
	case v1alpha1.ReasonTimeout:
		return &run.Note{Step: step.Name, Reason: stop, Message: "the run's time was over before this step started"}
	}
	waits := false
	for _, edge := range step.Needs() {
		switch state := p.stands[edge.Step]; Ask(edge.On, state) {
		case Skip:
			return untaken(step.Name, edge, state)
		case Hold:
			waits = true
		}
	}
	// One that still waits may yet come to be behind a failure.
	if p.failed != "" && !p.Run.GoOn && !p.behind[step.Name] && !waits {
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonFailFast,
			Message: fmt.Sprintf("%s did not succeed, and only steps that come after it start then", p.failed)}
	}
	return nil
}

// missing names the steps that one still waits for.
func (p *pass) missing(step run.Step) []string {
	var out []string
	for _, edge := range step.Needs() {
		if Ask(edge.On, p.stands[edge.Step]) == Hold {
			out = append(out, edge.Step)
		}
	}
	return out
}

// hold says why a step cannot start yet.
func (p *pass) hold(step run.Step, missing []string) *run.Note {
	switch {
	case p.Suspended:
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonSuspended, Message: Suspended(p.SuspendedBy, p.SuspendReason)}
	case len(missing) > 0 && !p.Traits.OrdersSteps:
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonWaiting, Message: "waits for " + strings.Join(missing, ", ")}
	case p.running >= max(1, p.MaxParallel) && !p.Traits.OrdersSteps:
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonQueued,
			Message: fmt.Sprintf("waits for a place: %d of %d steps run", p.running, max(1, p.MaxParallel))}
	}
	return nil
}

// Suspended says of a run that it is, by whom and why, and what to do.
func Suspended(by, why string) string {
	text := "the run is suspended"
	if by != "" {
		text += " by " + by
	}
	if why != "" {
		text += ", who says: " + why
	}
	return text + " (to go on, take suspend, suspendReason and suspendedBy out of its spec)"
}

// outcome says how a run ended in which nothing runs and nothing can start. It
// succeeded if no failure matters and nothing was cut short.
func (p *pass) outcome(stop run.Reason) *run.Outcome {
	done, all := 0, 0
	for _, step := range p.Run.Steps {
		if step.Of != nil {
			continue
		}
		all++
		if p.stands[step.Name] == run.Succeeded {
			done++
		}
	}
	switch {
	case done == all:
		return &run.Outcome{State: run.Succeeded, Reason: v1alpha1.ReasonSucceeded, Message: fmt.Sprintf("all %d steps succeeded", done)}
	case p.failed == "" && !p.cut:
		return &run.Outcome{State: run.Succeeded, Reason: v1alpha1.ReasonSucceeded, Message: fmt.Sprintf("%d of %d steps succeeded; no other had to", done, all)}
	case p.Terminated:
		return &run.Outcome{State: run.Cancelled, Reason: v1alpha1.ReasonTerminated, Message: fmt.Sprintf("terminated after %d of %d steps", done, all)}
	case p.Cancelled:
		return &run.Outcome{State: run.Cancelled, Reason: v1alpha1.ReasonCancelled, Message: fmt.Sprintf("cancelled after %d of %d steps", done, all)}
	case p.failed != "" && p.stands[p.failed] == run.Failed:
		seen := p.Seen.Steps[p.failed]
		return &run.Outcome{State: run.Failed, Reason: orStepFailed(seen.Reason), Message: fmt.Sprintf("step %s failed: %s", p.failed, seen.Message)}
	case stop != "":
		return &run.Outcome{State: run.Failed, Reason: stop, Message: fmt.Sprintf("the run's time was over at %s after %d of %d steps", p.Run.Deadline.UTC().Format(time.RFC3339), done, all)}
	}
	return &run.Outcome{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Message: fmt.Sprintf("step %s was stopped", p.failed)}
}

func orStepFailed(r run.Reason) run.Reason {
	if r == "" {
		return v1alpha1.ReasonStepFailed
	}
	return r
}
