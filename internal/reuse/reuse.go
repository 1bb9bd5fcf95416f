// Package reuse says which steps of a run need not run, because they succeeded
// in the run that it retries.
package reuse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Judge refuses a run that retries one which cannot be retried by it.
func Judge(next, before *v1alpha1.WorkflowExecution) error {
	refuse := func(format string, args ...any) error {
		return run.Refuse(v1alpha1.ReasonRetryRefused, "cannot retry run "+before.Name+": "+format, args...)
	}
	a, b := next.Spec, before.Spec
	switch {
	case before.Status.CompletedAt == nil:
		return refuse("it goes on; cancel it or wait for its end, then create another run")
	case before.Status.Phase == v1alpha1.ExecutionCompleted:
		return refuse("it succeeded; to do the same again create a run without retryOf")
	case !equality.Semantic.DeepEqual(a.WorkflowRef, b.WorkflowRef) || a.WorkflowType != b.WorkflowType:
		return refuse("it is a run of %s and this one is of %s; create a run without retryOf", workflow(b), workflow(a))
	case !equality.Semantic.DeepEqual(a.Target, b.Target):
		return refuse("it has another target; create a run without retryOf")
	}
	for _, s := range before.Status.Steps {
		if s.Phase == v1alpha1.StepRunning || s.Phase == v1alpha1.StepPending && s.Attempts > 0 {
			return refuse("it ended and its step %s still runs; wait for that one's end, then create another run", s.Name)
		}
	}
	return nil
}

func workflow(s v1alpha1.WorkflowExecutionSpec) string {
	if s.WorkflowRef != nil {
		return "workflow " + s.WorkflowRef.Name
	}
	return "type " + s.WorkflowType
}

// Steps lists those steps of a run that is about to start which succeeded in
// the one before, as they shall stand in its status, and says in words for
// people what is taken over and what is not. r is the run as the planner sees
// it; next has a snapshot.
//
// A step is taken over if the planner would start it, all steps that it comes
// after are taken over, its definition, image and inputs are those of before,
// and it does not use the workspace, which is gone. A run that answered its
// failure may have undone what it did, so nothing of it is taken over.
func Steps(r run.Run, next, before *v1alpha1.WorkflowExecution) ([]v1alpha1.StepStatus, string) {
	if before.Status.Snapshot == nil {
		return nil, fmt.Sprintf("no step is taken over from run %s, which started none", before.Name)
	}
	if name := answered(before); name != "" {
		return nil, fmt.Sprintf("no step is taken over from run %s: its step %s followed the failure and may have undone what others did", before.Name, name)
	}
	m := match{next: view(next), before: view(before), seen: map[string]run.Seen{}, name: before.Name}
	m.play(r)
	return m.taken, fmt.Sprintf("%d of %d steps are taken over from run %s", len(m.taken), len(r.Steps), before.Name)
}

// answered names a step that started because the run had failed or ended.
func answered(e *v1alpha1.WorkflowExecution) string {
	v := view(e)
	for _, list := range [][]v1alpha1.WorkflowStep{e.Status.Snapshot.OnFailure, e.Status.Snapshot.Finally} {
		for _, s := range list {
			if started(v.status[s.Name]) {
				return s.Name
			}
		}
	}
	for _, s := range e.Status.Snapshot.Steps {
		follows := func(edge v1alpha1.Edge) bool { return missed(v.status[edge.Step]) }
		if started(v.status[s.Name]) && slices.ContainsFunc(s.After, follows) {
			return s.Name
		}
	}
	return ""
}

func started(s v1alpha1.StepStatus) bool {
	return s.Attempts > 0 || s.Phase == v1alpha1.StepSucceeded || s.Phase == v1alpha1.StepCancelled
}

// missed says of a step that it came to something that others answer. One whose
// when was false did what its author meant.
func missed(s v1alpha1.StepStatus) bool {
	return s.Phase != v1alpha1.StepSucceeded && s.Reason != v1alpha1.ReasonWhenFalse
}

// side is one of the two runs.
type side struct {
	scope  expr.Scope
	steps  map[string]v1alpha1.WorkflowStep
	status map[string]v1alpha1.StepStatus
}

// view reads a run with a snapshot. What cannot be read is left out, so that
// nothing that refers to it is taken over.
func view(e *v1alpha1.WorkflowExecution) side {
	s := e.Status.Snapshot
	v := side{steps: map[string]v1alpha1.WorkflowStep{}, status: map[string]v1alpha1.StepStatus{}, scope: expr.Scope{
		Outputs:   map[string]map[string]json.RawMessage{},
		Execution: map[string]string{"name": e.Name, "namespace": e.Namespace, "uid": string(e.UID)},
	}}
	if s.Parameters != nil {
		_ = json.Unmarshal(s.Parameters.Raw, &v.scope.Params)
	}
	if t := s.Target; t != nil {
		v.scope.Target = map[string]string{"apiVersion": t.APIVersion, "kind": t.Kind, "namespace": t.Namespace, "name": t.Name}
	}
	for _, step := range s.Steps {
		v.steps[step.Name] = step
	}
	for _, step := range e.Status.Steps {
		v.status[step.Name] = step
		v.learn(step)
	}
	return v
}

// learn has references find the outputs of a step.
func (v side) learn(s v1alpha1.StepStatus) {
	if s.Outputs == nil {
		return
	}
	values := map[string]json.RawMessage{}
	if json.Unmarshal(s.Outputs.Raw, &values) == nil {
		v.scope.Outputs[s.Name] = values
	}
}

// match is the comparison of two runs.
type match struct {
	next, before side
	seen         map[string]run.Seen
	name         string // of the run before
	taken        []v1alpha1.StepStatus
}

// play has the planner go through the run as if every step that is not taken
// over ran for ever: what it would start then comes after steps taken over only.
func (m *match) play(r run.Run) {
	for {
		d := plan.Next(plan.State{Run: r, Seen: run.Observation{Steps: m.seen}, MaxParallel: len(r.Steps)})
		if d.Outcome != nil || len(d.Start)+len(d.Skip)+len(d.Fail) == 0 {
			return
		}
		for _, n := range d.Skip {
			m.seen[n.Step] = run.Seen{State: run.Skipped, Reason: n.Reason}
		}
		for _, n := range d.Fail {
			m.seen[n.Step] = run.Seen{State: run.Failed, Reason: n.Reason}
		}
		for _, step := range r.Steps {
			if slices.Contains(d.Start, step.Name) {
				m.decide(step)
			}
		}
	}
}

// decide takes over a step that is about to start, or lets it run.
func (m *match) decide(step run.Step) {
	old := m.before.status[step.Name]
	if !m.same(step, old) {
		m.seen[step.Name] = run.Seen{State: run.Running}
		return
	}
	s := v1alpha1.StepStatus{Name: step.Name, Phase: v1alpha1.StepSucceeded, Reason: v1alpha1.ReasonReused, Message: old.Message,
		StartedAt: old.StartedAt, CompletedAt: old.CompletedAt, Outputs: old.Outputs}
	if old.Reason != v1alpha1.ReasonReused {
		s.Message = fmt.Sprintf("taken over from run %s, where it succeeded with the same image and inputs; nothing was started", m.name)
	}
	m.taken = append(m.taken, s)
	m.next.learn(s)
	m.seen[step.Name] = run.Seen{State: run.Succeeded, Reason: v1alpha1.ReasonReused}
	if s.Outputs != nil {
		seen := m.seen[step.Name]
		seen.Outputs = s.Outputs.Raw
		m.seen[step.Name] = seen
	}
}

// same says whether a step did before what it would do now.
func (m *match) same(step run.Step, old v1alpha1.StepStatus) bool {
	if step.Stage != run.Main || step.UsesWorkspace || old.Phase != v1alpha1.StepSucceeded || old.OutputsOmitted || m.cut(step.Name) {
		return false
	}
	for _, edge := range step.Needs() {
		if m.seen[edge.Step].Reason != v1alpha1.ReasonReused {
			return false
		}
	}
	now, then := m.next.steps[step.Name], m.before.steps[step.Name]
	return equality.Semantic.DeepEqual(work(now), work(then)) && m.fed(now, then)
}

// cut says whether the outputs in status are not the whole: the rest was in the
// workspace.
func (m *match) cut(step string) bool {
	return string(m.before.scope.Outputs[step][contract.OutputTruncated]) == "true"
}

// work is what a step does, without its inputs, which are compared as they
// resolve, and without what says when and how often it is started.
func work(s v1alpha1.WorkflowStep) v1alpha1.WorkflowStep {
	s.Inputs, s.When, s.Preconditions, s.OnFailure, s.Retries, s.Timeout = nil, "", nil, "", nil, nil
	return s
}

// fed says whether both get the same inputs.
func (m *match) fed(now, then v1alpha1.WorkflowStep) bool {
	a, err := inputs(now, m.next.scope)
	if err != nil {
		return false
	}
	b, err := inputs(then, m.before.scope)
	return err == nil && bytes.Equal(a, b)
}

// inputs are resolved and put in one order.
func inputs(s v1alpha1.WorkflowStep, scope expr.Scope) ([]byte, error) {
	if s.Inputs == nil {
		return nil, nil
	}
	resolved, err := expr.Resolve(s.Inputs.Raw, scope)
	if err != nil {
		return nil, err
	}
	var values any
	d := json.NewDecoder(bytes.NewReader(resolved))
	d.UseNumber() // so that large integers keep their last digits
	if err := d.Decode(&values); err != nil {
		return nil, err
	}
	return json.Marshal(values)
}
