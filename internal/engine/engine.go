// Package engine is the seam behind which the steps of a run are carried out.
package engine

import (
	"context"

	"github.com/kubernaut/kubernaut/internal/run"
)

// Engine runs the steps of one execution somewhere and says what it sees
// there. It observes and never waits. Errors are *run.Refusal where a person
// has to act, such as a foreign object of the same name; all others are worth
// a retry.
type Engine interface {
	// Name is constant and stands in status and metrics.
	Name() string
	// Traits are constant.
	Traits() run.Traits
	// Observe reads what exists for the run and writes nothing. What it does not
	// find of the run's Started, or of a run that is Fresh, is gone, and not only late.
	Observe(ctx context.Context, r run.Run) (run.Observation, error)
	// Start starts steps whose inputs have every reference replaced. Starting a
	// step twice is starting it once.
	Start(ctx context.Context, r run.Run, steps []run.Step) error
	// Stop asks everything that runs to end. Stopping twice is stopping once;
	// that it ended shows in Observe.
	Stop(ctx context.Context, r run.Run, why run.Reason) error
	// Release removes the workspace and whatever else a finished run does not
	// need. It returns a *run.Wait while something still has to end first.
	Release(ctx context.Context, r run.Run) error
}
