package catalog

import (
	"fmt"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/dag"
)

// Placed is a step and where it stands.
type Placed struct {
	v1alpha1.WorkflowStep
	// Field such as "spec.finally[1]".
	Field string
}

// Steps lists all steps of a workflow, those of onFailure and finally behind
// the others.
func Steps(spec v1alpha1.WorkflowSpec) []Placed {
	var out []Placed
	for _, s := range stages(spec) {
		for i, step := range s.steps {
			out = append(out, Placed{WorkflowStep: step, Field: fmt.Sprintf("%s[%d]", s.field, i)})
		}
	}
	return out
}

// stage is a list of steps that have an order among themselves.
type stage struct {
	field string
	steps []v1alpha1.WorkflowStep
}

// stages lists those of a workflow in the order in which they run.
func stages(spec v1alpha1.WorkflowSpec) []stage {
	return []stage{{"spec.steps", spec.Steps}, {"spec.onFailure", spec.OnFailure}, {"spec.finally", spec.Finally}}
}

// checkGraphs refuses stages whose steps have no order and names that stand
// twice in the workflow.
func checkGraphs(spec v1alpha1.WorkflowSpec) []Fault {
	var faults []Fault
	where := map[string]string{}
	for i, s := range stages(spec) {
		if i > 0 && len(s.steps) == 0 {
			continue
		}
		_, found := dag.Check(graphOf(s.steps, every))
		for _, f := range found {
			faults = append(faults, Fault{Field: graphField(s.field, f), Reason: v1alpha1.ReasonInvalidDependencyGraph, Message: f.Message})
		}
		for j, step := range s.steps {
			if other, taken := where[step.Name]; taken && other != s.field {
				faults = append(faults, Fault{Field: fmt.Sprintf("%s[%d].name", s.field, j), Reason: v1alpha1.ReasonInvalidDependencyGraph,
					Message: fmt.Sprintf("a step of %s is named %q, too: rename one", other, step.Name)})
			}
			where[step.Name] = s.field
		}
	}
	return faults
}

// before says which steps have ended when one starts: those it comes after in
// its own stage, and all of the stages before.
func before(spec v1alpha1.WorkflowSpec, name string, take func(v1alpha1.Edge) bool) map[string]bool {
	out := map[string]bool{}
	for _, s := range stages(spec) {
		for i := range s.steps {
			if s.steps[i].Name != name {
				continue
			}
			for other := range dag.Before(graphOf(s.steps, take), name) {
				out[other] = true
			}
			return out
		}
		for i := range s.steps {
			out[s.steps[i].Name] = true
		}
	}
	return out
}

func every(v1alpha1.Edge) bool { return true }

// success is the kind of edge that makes sure that the other step succeeded,
// so that its outputs have values.
func success(e v1alpha1.Edge) bool { return len(e.Ended) == 1 && e.Ended[0] == v1alpha1.EdgeSucceeded }
