package plan

import (
	"fmt"
	"slices"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Answer is what an edge says of the step that has it.
type Answer string

// Answers of an edge.
const (
	// Go: the other step ended as the edge asks.
	Go Answer = "Go"
	// Hold: the other step has not ended.
	Hold Answer = "Hold"
	// Skip: the other step ended otherwise, so the step never starts.
	Skip Answer = "Skip"
)

// Ask says what an edge that follows the ends on answers while the other step
// is in a state. docs/spec/workflow.md publishes it as a table.
func Ask(on []run.State, state run.State) Answer {
	switch {
	case state == run.Absent || state == run.Pending || state == run.Running:
		return Hold
	case slices.Contains(on, run.AnyEnd) || slices.Contains(on, state):
		return Go
	}
	return Skip
}

// untaken says why a step is skipped because of an edge that answered Skip.
func untaken(step string, edge run.Edge, state run.State) *run.Note {
	n := &run.Note{Step: step}
	wants := slices.Contains(edge.On, run.Succeeded)
	switch {
	case wants && state == run.Skipped:
		n.Reason, n.Message = v1alpha1.ReasonDependencySkipped, fmt.Sprintf("runs after %s, which was skipped", edge.Step)
	case wants:
		n.Reason, n.Message = v1alpha1.ReasonDependencyFailed, fmt.Sprintf("runs after %s, which did not succeed", edge.Step)
	default:
		n.Reason, n.Message = v1alpha1.ReasonEdgeNotTaken, fmt.Sprintf("runs only after %s has ended %v, and it is %s", edge.Step, edge.On, state)
	}
	return n
}
