package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/dag"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Fault is one thing wrong with a workflow.
type Fault struct {
	// Field such as "spec.steps[1].inputs.url".
	Field string
	// Reason is a constant of api/v1alpha1.
	Reason string
	// Message says what was found and what to do.
	Message string
}

// Graph returns the steps of a workflow for internal/dag, without those of
// onFailure and finally, which come behind.
func Graph(spec v1alpha1.WorkflowSpec) []dag.Step { return graphOf(spec.Steps, every) }

// graphOf takes runAfter, and of after what is asked for.
func graphOf(in []v1alpha1.WorkflowStep, take func(v1alpha1.Edge) bool) []dag.Step {
	steps := make([]dag.Step, 0, len(in))
	for _, s := range in {
		before := slices.Clone(s.RunAfter)
		for _, edge := range s.After {
			if take(edge) {
				before = append(before, edge.Step)
			}
		}
		steps = append(steps, dag.Step{Name: s.Name, RunAfter: before})
	}
	return steps
}

// Check says everything that is wrong with a workflow by itself: its graph,
// its parameters, its conditions and the references in its inputs.
func Check(spec v1alpha1.WorkflowSpec) []Fault {
	faults := append(checkGraphs(spec), checkParameters(spec.Parameters)...)
	for _, step := range Steps(spec) {
		faults = append(faults, checkEdges(step)...)
		faults = append(faults, checkForEach(spec, step)...)
		faults = append(faults, checkRetries(step)...)
		faults = append(faults, checkReferences(spec, step)...)
	}
	faults = append(faults, checkItems(spec)...)
	_, bad := Conditions(spec, nil)
	return append(faults, bad...)
}

// checkEdges refuses a step that says twice what it comes after.
func checkEdges(step Placed) []Fault {
	var faults []Fault
	for i, edge := range step.After {
		if slices.Contains(step.RunAfter, edge.Step) {
			faults = append(faults, Fault{Field: fmt.Sprintf("%s.after[%d]", step.Field, i), Reason: v1alpha1.ReasonInvalidDependencyGraph,
				Message: fmt.Sprintf("step %q stands in runAfter, too, which means only when it succeeded: name it once", edge.Step)})
		}
	}
	return faults
}

// checkRetries refuses a backoff whose pauses would shrink.
func checkRetries(step Placed) []Fault {
	if step.Retries == nil || step.Retries.Backoff == nil {
		return nil
	}
	b, standard := step.Retries.Backoff, run.DefaultRetries()
	initial, most := standard.Initial, standard.Max
	if b.Initial != nil {
		initial = b.Initial.Duration
	}
	if b.Max != nil {
		most = b.Max.Duration
	}
	if initial <= most {
		return nil
	}
	return []Fault{{Field: step.Field + ".retries.backoff", Reason: v1alpha1.ReasonInvalid,
		Message: fmt.Sprintf("the first pause of %s is longer than the longest one of %s: lower initial or raise max", initial, most)}}
}

func graphField(stage string, f dag.Finding) string {
	switch f.Kind {
	case dag.Empty:
		return stage
	case dag.Unnamed, dag.Duplicate:
		return fmt.Sprintf("%s[%d]", stage, f.Index)
	default:
		return fmt.Sprintf("%s[%d].runAfter", stage, f.Index)
	}
}

// checkReferences holds the references of one step against what a run will
// know when the step starts.
func checkReferences(spec v1alpha1.WorkflowSpec, step Placed) []Fault {
	if step.Inputs == nil {
		return nil
	}
	refs, err := expr.References(step.Inputs.Raw)
	var faults []Fault
	fault := func(path, message string) {
		field := step.Field + ".inputs"
		if path != "" {
			field += "." + path
		}
		faults = append(faults, Fault{Field: strings.ReplaceAll(field, ".[", "["), Reason: v1alpha1.ReasonInvalidReference, Message: message})
	}
	for _, bad := range invalid(err) {
		fault(bad.Path, bad.Message)
	}
	if len(refs) == 0 {
		return faults
	}
	before := before(spec, step.Name, success)
	for _, r := range refs {
		if message := refuse(spec, step, before, r); message != "" {
			fault(r.Path, message)
		}
	}
	return faults
}

// refuse says why a reference will have no value; "" if it will.
func refuse(spec v1alpha1.WorkflowSpec, step Placed, before map[string]bool, r expr.Ref) string {
	switch r.Kind {
	case expr.Param:
		if !slices.ContainsFunc(spec.Parameters, func(p v1alpha1.Parameter) bool { return p.Name == r.Name }) {
			return fmt.Sprintf("%s names no parameter: add it to spec.parameters or mend the name", r)
		}
	case expr.Output:
		other := slices.IndexFunc(Steps(spec), func(s Placed) bool { return s.Name == r.Step })
		if other < 0 {
			return fmt.Sprintf("%s names no step", r)
		}
		remedy := fmt.Sprintf("add %q to runAfter", r.Step)
		if list, _, _ := strings.Cut(Steps(spec)[other].Field, "["); !strings.HasPrefix(step.Field, list) {
			remedy = list + " runs later"
		}
		if !before[r.Step] {
			return fmt.Sprintf("%s may have no value, since %s need not have succeeded before: %s", r, r.Step, remedy)
		}
	case expr.Target:
		if spec.Target == nil {
			return fmt.Sprintf("%s has no value: add the kinds that a run may name to spec.target", r)
		}
	case expr.Item, expr.Index:
		if step.ForEach == nil {
			return fmt.Sprintf("%s has no value: the step has no forEach", r)
		}
	}
	return ""
}

// invalid takes apart the error of expr.
func invalid(err error) []*expr.Invalid {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*expr.Invalid
		for _, e := range many.Unwrap() {
			out = append(out, invalid(e)...)
		}
		return out
	}
	var one *expr.Invalid
	if errors.As(err, &one) {
		return []*expr.Invalid{one}
	}
	return []*expr.Invalid{{Message: err.Error()}}
}

// raw reads a JSON value and keeps numbers as they are written.
func raw(data []byte) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}
