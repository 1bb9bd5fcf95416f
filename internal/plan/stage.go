package plan

import (
	"fmt"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// current is the state of the stage that runs, as if there were no other. What
// cancels the others does not keep finally from running; terminating does.
func current(s State) State {
	if c := s.Run.Closing; c != nil {
		s.Run.Deadline = c.Deadline
	}
	s.Cancelled = s.Cancelled && s.Run.Stage() != run.Finally
	s.Run.Steps = s.Run.In(s.Run.Stage())
	return s
}

// follow says what comes after a stage that ended: another stage, which is
// written down with its deadline before anything of it starts, or the run's end.
func follow(s State, d *run.Decision) {
	stage, outcome := s.Run.Stage(), *d.Outcome
	if c := s.Run.Closing; c != nil {
		outcome = join(*c, outcome)
	}
	next := following(s, stage, outcome)
	if next == run.Main {
		d.Outcome = &outcome
	} else {
		d.Outcome, d.WakeAt = nil, s.Now
		d.Closing = &run.Closing{Stage: next, Deadline: s.Now.Add(s.Run.FinallyTimeout), Outcome: outcome}
	}
	pending(s, stage, next, d)
}

// following is the stage behind one that ended; Main if there is none.
func following(s State, stage run.Stage, outcome run.Outcome) run.Stage {
	switch {
	case s.Terminated:
		return run.Main
	case stage == run.Main && outcome.State == run.Failed && len(s.Run.In(run.OnFailure)) > 0:
		return run.OnFailure
	case stage != run.Finally && len(s.Run.In(run.Finally)) > 0:
		return run.Finally
	}
	return run.Main
}

// pending accounts for the steps of stages that have not begun: they are held
// or, if their stage never comes, skipped.
func pending(s State, stage, next run.Stage, d *run.Decision) {
	for _, step := range s.Run.Steps {
		if step.Stage.Before(stage) || step.Stage == stage || s.Seen.Steps[step.Name].State != run.Absent {
			continue
		}
		n := run.Note{Step: step.Name, Reason: v1alpha1.ReasonWaiting, Message: "runs at the end"}
		switch {
		case d.Outcome == nil && !step.Stage.Before(next):
			if step.Stage == run.OnFailure {
				n.Message = "runs if the steps fail"
			}
			d.Hold = append(d.Hold, n)
			continue
		case s.Terminated:
			n.Reason, n.Message = v1alpha1.ReasonTerminated, "the run was terminated before this step started"
		default:
			n.Reason, n.Message = v1alpha1.ReasonStageNotReached, "runs only when the steps failed"
		}
		d.Skip = append(d.Skip, n)
	}
}

// join is what a run comes to whose closing stage ended so: the steps decide,
// but a run cannot have succeeded whose closing steps did not.
func join(c run.Closing, end run.Outcome) run.Outcome {
	if end.State == run.Succeeded {
		return c.Outcome
	}
	message := fmt.Sprintf("%s; %s: %s", c.Outcome.Message, c.Stage, end.Message)
	if c.Outcome.State == run.Succeeded {
		return run.Outcome{State: end.State, Reason: end.Reason, Message: message}
	}
	return run.Outcome{State: c.Outcome.State, Reason: c.Outcome.Reason, Message: message}
}
