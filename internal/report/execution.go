package report

import (
	"fmt"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Execution is everything the status of a run depends on once it started.
type Execution struct {
	Old        v1alpha1.WorkflowExecutionStatus
	Generation int64
	Run        run.Run
	Seen       run.Observation
	Decision   run.Decision
	Now        time.Time
}

// Status returns the whole status of a run that passed its gates.
func (e Execution) Status() v1alpha1.WorkflowExecutionStatus {
	s := *e.Old.DeepCopy()
	s.Steps = e.steps()
	s.WorkspacePVC = e.Seen.Workspace
	wanted := e.conditions(s.Steps)
	if v := Find(e.Old.Conditions, v1alpha1.ConditionVerified); v != nil {
		wanted = append(wanted, *v)
	}
	if c := e.Decision.Closing; c != nil {
		s.Closing = &v1alpha1.Closing{Stage: v1alpha1.Stage(c.Stage), Deadline: *seconds(c.Deadline), Phase: phaseOf(c.Outcome.State),
			Reason: string(c.Outcome.Reason), Message: fit(c.Outcome.Message, maxMessage)}
	}
	s.Phase = v1alpha1.ExecutionExecuting
	if o := e.Decision.Outcome; o != nil {
		s.Phase = phaseOf(o.State)
		s.ObservedGeneration = e.Generation
		if s.CompletedAt == nil {
			s.CompletedAt = seconds(e.Now)
		}
	}
	s.Conditions = Merge(e.Old.Conditions, wanted, e.Generation, e.Now)
	return s
}

func phaseOf(s run.State) v1alpha1.ExecutionPhase {
	switch s {
	case run.Succeeded:
		return v1alpha1.ExecutionCompleted
	case run.Cancelled:
		return v1alpha1.ExecutionCancelled
	}
	return v1alpha1.ExecutionFailed
}

func (e Execution) conditions(steps []v1alpha1.StepStatus) []metav1.Condition {
	o := e.Decision.Outcome
	switch {
	case o == nil:
		return Progressing(v1alpha1.ReasonProgressing, e.progress(steps))
	case o.State == run.Succeeded:
		return Ready(o.Reason, o.Message)
	}
	return Stalled(o.Reason, o.Message)
}

// progress says in one line what runs and what is waited for.
func (e Execution) progress(steps []v1alpha1.StepStatus) string {
	var running, held []string
	suspended := ""
	done := 0
	for _, s := range steps {
		switch s.Phase {
		case v1alpha1.StepSucceeded:
			done++
		case v1alpha1.StepRunning:
			running = append(running, s.Name)
		case v1alpha1.StepPending:
			if s.Reason != v1alpha1.ReasonWaiting {
				held = append(held, fmt.Sprintf("%s (%s)", s.Name, s.Reason))
			}
			if s.Reason == v1alpha1.ReasonSuspended {
				suspended = "; " + s.Message
			}
		}
	}
	text := fmt.Sprintf("%d of %d steps succeeded", done, len(steps))
	if len(running) > 0 {
		text += "; running: " + strings.Join(running, ", ")
	}
	if len(held) > 0 {
		text += "; held: " + strings.Join(held, ", ")
	}
	text += suspended
	if e.Decision.Stop != "" {
		text += "; stopping: " + string(e.Decision.Stop)
	}
	return text
}

func (e Execution) steps() []v1alpha1.StepStatus {
	notes := map[string]run.Note{}
	ended := map[string]v1alpha1.StepPhase{} // without having been started
	for _, n := range e.Decision.Hold {
		notes[n.Step] = n
	}
	for phase, list := range map[v1alpha1.StepPhase][]run.Note{
		v1alpha1.StepSkipped: e.Decision.Skip, v1alpha1.StepFailed: e.Decision.Fail, v1alpha1.StepSucceeded: e.Decision.Done,
	} {
		for _, n := range list {
			notes[n.Step], ended[n.Step] = n, phase
		}
	}
	out := make([]v1alpha1.StepStatus, 0, len(e.Run.Steps))
	for _, step := range e.Run.Steps {
		out = append(out, e.step(step, notes[step.Name], ended[step.Name]))
	}
	return fold(e.Old.Steps, e.Run, e.Seen, out)
}

// step tells of one step what was decided, or else what is seen.
func (e Execution) step(step run.Step, note run.Note, ended v1alpha1.StepPhase) v1alpha1.StepStatus {
	seen := e.Seen.Steps[step.Name]
	s := v1alpha1.StepStatus{Name: step.Name, Phase: v1alpha1.StepPending}
	switch {
	case ended != "":
		s.Phase, s.Reason, s.Message = ended, string(note.Reason), note.Message
	case seen.State == run.Absent:
		s.Reason, s.Message = string(note.Reason), note.Message
	case !note.RetryAt.IsZero():
		s = retrying(seen, note)
	default:
		s = stepOf(step.Name, seen)
	}
	return s
}

// retrying is a step that waits for its next attempt; nobody is told a time
// before which it does not start.
func retrying(last run.Seen, why run.Note) v1alpha1.StepStatus {
	return v1alpha1.StepStatus{
		Name: why.Step, Phase: v1alpha1.StepPending, Reason: string(why.Reason), Message: why.Message,
		Attempts: int32(last.Attempt), Ref: last.Ref, RetryAt: seconds(why.RetryAt.Add(time.Second - time.Nanosecond)),
	}
}

// Settled returns the steps of a run that ended. A run that is refused ends
// while steps still run; those that status does not know to have ended are told
// as they are seen now, and those that were not started never will be.
func Settled(old []v1alpha1.StepStatus, r run.Run, seen run.Observation) []v1alpha1.StepStatus {
	known := map[string]v1alpha1.StepStatus{}
	for _, s := range old {
		known[s.Name] = s
	}
	out := make([]v1alpha1.StepStatus, 0, len(r.Steps))
	for _, step := range r.Steps {
		s, has := known[step.Name]
		ended := has && (s.Phase == v1alpha1.StepSkipped || run.State(s.Phase).Ended())
		switch now := seen.Steps[step.Name]; {
		case ended:
		case now.State == run.Absent && s.RetryAt != nil:
			s.Phase, s.Reason, s.RetryAt = v1alpha1.StepFailed, v1alpha1.ReasonStepFailed, nil
		case now.State == run.Absent:
			s = v1alpha1.StepStatus{Name: step.Name, Phase: v1alpha1.StepSkipped, Reason: v1alpha1.ReasonDependencyFailed, Message: "the run ended before this step started"}
		default:
			s = stepOf(step.Name, now)
		}
		out = append(out, s)
	}
	return fold(old, r, seen, out)
}

// UnderWay says of a started step that all is well, so that its run tells no
// more of it until it ends: not that its Job is made, nor that its pod runs,
// which its ActionExecution tells. Each would be a status and a pass of the run.
func UnderWay(phase v1alpha1.StepPhase, reason string) bool {
	switch reason {
	case "", v1alpha1.ReasonProgressing, v1alpha1.ReasonRunning:
		return phase == "" || phase == v1alpha1.StepPending || phase == v1alpha1.StepRunning
	}
	return false
}

func stepOf(name string, seen run.Seen) v1alpha1.StepStatus {
	s := v1alpha1.StepStatus{Name: name, Phase: v1alpha1.StepPhase(seen.State), Reason: string(seen.Reason), Message: seen.Message, Ref: seen.Ref, Attempts: int32(seen.Attempt)}
	if !seen.Started.IsZero() {
		s.StartedAt = seconds(seen.Started)
	}
	if !seen.Finished.IsZero() {
		s.CompletedAt = seconds(seen.Finished)
	}
	if len(seen.Outputs) > 0 {
		s.Outputs = &apiextensionsv1.JSON{Raw: seen.Outputs}
	}
	return s
}

func seconds(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.Truncate(time.Second))
	return &m
}
