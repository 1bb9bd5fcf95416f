package plan

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Expand puts, before each step with forEach whose list is known, one step for
// each item; they are planned as any other, and the step itself gathers them.
// The list comes from parameters and from outputs of steps that have ended, so
// that it is the same each time.
func Expand(r run.Run, seen run.Observation) run.Run {
	if !slices.ContainsFunc(r.Steps, func(s run.Step) bool { return s.ForEach != nil }) {
		return r
	}
	r.Steps = slices.Clone(r.Steps)
	units := map[string][]run.Step{}
	for _, i := range order(r.Steps) {
		if s := &r.Steps[i]; s.ForEach != nil {
			units[s.Name] = split(r, seen, s)
		}
	}
	var out []run.Step
	for _, s := range r.Steps {
		out = append(append(out, units[s.Name]...), s)
	}
	r.Steps = out
	return r
}

// split makes the steps of the items of one, which remembers their names, or
// why there are none.
func split(r run.Run, seen run.Observation, s *run.Step) []run.Step {
	each := *s.ForEach
	s.ForEach = &each
	scope, err := Scope(r, seen)
	if err != nil {
		each.Problem = &run.Note{Step: s.Name, Reason: v1alpha1.ReasonConditionFailed, Message: err.Error()}
		return nil
	}
	items, err := itemsOf(each.Items, scope)
	switch {
	case err != nil:
		each.Problem = &run.Note{Step: s.Name, Reason: v1alpha1.ReasonConditionFailed, Message: fmt.Sprintf("forEach.items: %v", err)}
		return nil
	case len(items) > each.Max:
		each.Problem = &run.Note{Step: s.Name, Reason: v1alpha1.ReasonTooManyItems,
			Message: fmt.Sprintf("forEach.items has %d items, at most %d are taken: shorten the list or raise maxItems", len(items), each.Max)}
		return nil
	}
	each.Units = make([]string, 0, len(items))
	out := make([]run.Step, 0, len(items))
	for i, item := range items {
		unit := *s
		unit.Name, unit.ForEach, unit.Of = run.Unit(s.Name, i), nil, &run.Item{Step: s.Name, Index: i, Value: item}
		out, each.Units = append(out, unit), append(each.Units, unit.Name)
	}
	for _, name := range each.Units {
		s.After = append(slices.Clip(s.After), run.Edge{Step: name, On: []run.State{run.AnyEnd}})
	}
	return out
}

// itemsOf reads a list, or one reference to a list.
func itemsOf(raw json.RawMessage, scope expr.Scope) ([]json.RawMessage, error) {
	resolved, err := expr.Resolve(raw, scope)
	if err != nil {
		return nil, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(resolved, &items); err != nil || items == nil {
		return nil, fmt.Errorf("found no list")
	}
	return items, nil
}

// Scope collects what the inputs and conditions of a run may name, but for how
// steps ended.
func Scope(r run.Run, seen run.Observation) (expr.Scope, error) {
	s := expr.Scope{Params: r.Values.Parameters, Execution: r.Values.Execution, Target: r.Values.Target, Outputs: map[string]map[string]json.RawMessage{}}
	for name, one := range seen.Steps {
		values, err := outputsOf(name, one)
		if err != nil {
			return s, err
		}
		if values != nil {
			s.Outputs[name] = values
		}
	}
	for _, step := range r.Steps {
		if step.ForEach == nil || len(step.ForEach.Units) == 0 || s.Outputs[step.Name] != nil {
			continue
		}
		values, err := Lists(step, seen)
		if err != nil {
			return s, err
		}
		if values != nil {
			s.Outputs[step.Name] = values
		}
	}
	return s, nil
}

func outputsOf(name string, seen run.Seen) (map[string]json.RawMessage, error) {
	if len(seen.Outputs) == 0 {
		return nil, nil
	}
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal(seen.Outputs, &values); err != nil {
		return nil, fmt.Errorf("read outputs of step %s: %w", name, err)
	}
	return values, nil
}

// Lists are the outputs of a step with forEach whose items all succeeded: one
// list for each output, in the order of the items, with null for an item that
// has none. It is nil as long as they have not.
func Lists(step run.Step, seen run.Observation) (map[string]json.RawMessage, error) {
	all := map[string][]json.RawMessage{}
	n := len(step.ForEach.Units)
	for i, name := range step.ForEach.Units {
		if seen.Steps[name].State != run.Succeeded {
			return nil, nil
		}
		values, err := outputsOf(name, seen.Steps[name])
		if err != nil {
			return nil, err
		}
		for key, value := range values {
			if all[key] == nil {
				all[key] = slices.Repeat([]json.RawMessage{json.RawMessage("null")}, n)
			}
			all[key][i] = value
		}
	}
	out := make(map[string]json.RawMessage, len(all))
	for key, list := range all {
		raw, err := json.Marshal(list)
		if err != nil {
			return nil, fmt.Errorf("write outputs of step %s: %w", step.Name, err)
		}
		out[key] = raw
	}
	return out, nil
}

// Worst is what a step with forEach came to by the ends of its items: it is
// Absent until one started, Running until all have ended, and then as bad as the
// worst of them.
func Worst(states []run.State) run.State {
	count := map[run.State]int{}
	for _, s := range states {
		count[s]++
	}
	switch n := len(states); {
	case count[run.Absent] == n && n > 0:
		return run.Absent
	case count[run.Absent]+count[run.Pending]+count[run.Running] > 0:
		return run.Running
	}
	for _, s := range []run.State{run.Failed, run.Cancelled, run.Skipped} {
		if count[s] > 0 {
			return s
		}
	}
	return run.Succeeded
}

// nothing ends a step with forEach that has no items: its list is empty, or it
// cannot be taken.
func (p *pass) nothing(step run.Step, d *run.Decision) {
	if problem := step.ForEach.Problem; problem != nil {
		p.fails(step, *problem, d)
		return
	}
	if step.ForEach.Units == nil {
		d.Hold = append(d.Hold, run.Note{Step: step.Name, Reason: v1alpha1.ReasonWaiting, Message: "waits for its list"})
		return
	}
	p.stands[step.Name] = run.Succeeded
	p.ends[step.Name] = expr.Outcome{Phase: string(run.Succeeded), Reason: v1alpha1.ReasonNoItems}
	d.Done = append(d.Done, run.Note{Step: step.Name, Reason: v1alpha1.ReasonNoItems, Message: "the list of forEach is empty, so there was nothing to do"})
}

// gather decides about a step with forEach behind its items: it waits for them,
// and is then what they came to.
func (p *pass) gather(step run.Step, d *run.Decision) {
	states := make([]run.State, 0, len(step.ForEach.Units))
	for _, name := range step.ForEach.Units {
		states = append(states, p.stands[name])
	}
	state := Worst(states)
	if state == run.Absent || state == run.Running {
		d.Hold = append(d.Hold, run.Note{Step: step.Name, Reason: v1alpha1.ReasonWaiting, Message: "waits for its items"})
		return
	}
	p.stands[step.Name] = state
	p.ends[step.Name] = expr.Outcome{Phase: string(state), Reason: p.first(step.ForEach.Units)}
}

// first is the reason of the first item that did not succeed, which is what
// status tells of the step.
func (p *pass) first(units []string) string {
	for _, name := range units {
		if end := p.ends[name]; end.Phase != string(run.Succeeded) && end.Reason != "" {
			return end.Reason
		}
	}
	return v1alpha1.ReasonSucceeded
}
