package sim

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/run"
)

// check holds a change of an object against what must always be true.
func (w *world) check(k key, old, now client.Object) {
	if now == nil {
		return
	}
	switch o := now.(type) {
	case *batchv1.Job:
		if old == nil {
			w.checkJob(o)
		}
	case *v1alpha1.ActionExecution:
		if old == nil {
			w.checkStart(o)
			return
		}
		was := old.(*v1alpha1.ActionExecution).Status.Phase
		if run.State(was).Ended() && was != o.Status.Phase {
			w.violated("%s was %s and became %s", k, was, o.Status.Phase)
		}
	case *v1alpha1.WorkflowExecution:
		if old != nil {
			w.checkRun(k, old.(*v1alpha1.WorkflowExecution), o)
		}
	}
}

// checkJob: at most one Job for each attempt, and none for one of which the
// pass that made it could see that it is not wanted any more.
func (w *world) checkJob(j *batchv1.Job) {
	ref := metav1.GetControllerOf(j)
	if w.jobs[string(ref.UID)]++; w.jobs[string(ref.UID)] > 1 {
		w.violated("Job %s was created twice", j.Name)
	}
	seen, _ := w.creator.judged[key{"ActionExecution", j.Namespace, ref.Name}].(*v1alpha1.ActionExecution)
	if seen == nil || seen.Spec.Cancel || !seen.DeletionTimestamp.IsZero() {
		w.violated("Job %s is created though its step was cancelled or never looked at", j.Name)
	}
}

// actions are the attempts of a run.
func (w *world) actions(k key) []*v1alpha1.ActionExecution {
	return slices.DeleteFunc(all[*v1alpha1.ActionExecution](w.store.objects, "ActionExecution"), func(ae *v1alpha1.ActionExecution) bool {
		return ae.Namespace != k.namespace || ae.Spec.Execution.Name != k.name
	})
}

// truth is where a step really stands.
func (w *world) truth(k key, name string) run.State {
	state, attempt := run.Absent, int32(0)
	if e := w.current(k); e != nil {
		for _, s := range e.Status.Steps {
			if s.Name == name {
				state, attempt = run.State(s.Phase), s.Attempts
			}
		}
	}
	if state == run.Skipped {
		return state
	}
	newest := w.newest(k, name, attempt)
	if len(newest) == 0 || state.Ended() {
		return state
	}
	states := make([]run.State, 0, len(newest))
	for _, ae := range newest {
		states = append(states, run.State(ae.Status.Phase))
	}
	if len(states) == 1 {
		return states[0]
	}
	return plan.Worst(states)
}

// newest are the last attempts of a step from one on, by item; 0 without items.
func (w *world) newest(k key, name string, from int32) map[int32]*v1alpha1.ActionExecution {
	out := map[int32]*v1alpha1.ActionExecution{}
	for _, ae := range w.actions(k) {
		item := ptr.Deref(ae.Spec.Item, 0)
		if last := out[item]; ae.Spec.Step == name && max(1, ae.Spec.Attempt) >= from && (last == nil || last.Spec.Attempt < ae.Spec.Attempt) {
			out[item] = ae
		}
	}
	return out
}

// checkStart: a step starts after its needs, in a run that was admitted and has
// not ended, and where a place is free.
func (w *world) checkStart(ae *v1alpha1.ActionExecution) {
	k := key{"WorkflowExecution", ae.Namespace, ae.Spec.Execution.Name}
	e := w.current(k)
	if e == nil || e.Status.Snapshot == nil || e.Status.Snapshot.PolicySet == "" {
		w.violated("%s starts before the run was admitted", ae.Name)
		return
	}
	if e.Status.CompletedAt != nil {
		w.violated("%s starts in a run that has ended", ae.Name)
	}
	w.checkWanted(k, ae)
	for _, s := range e.Status.Snapshot.Steps {
		if s.Name == ae.Spec.Step {
			w.checkNeeds(k, s)
		}
	}
	w.checkStage(k, e, ae)
	running := 0
	for _, other := range w.actions(k) {
		if !run.State(other.Status.Phase).Ended() {
			running++
		}
	}
	if running > w.parallel(ae.Namespace) {
		w.violated("%d steps run with %s, at most %d may", running, ae.Name, w.parallel(ae.Namespace))
	}
}

// checkWanted: nothing starts by a pass that began after the time of the run was
// over, or that read the run after it was cancelled, terminated, suspended or
// deleted; finally runs in a cancelled one.
func (w *world) checkWanted(k key, ae *v1alpha1.ActionExecution) {
	seen, _ := w.creator.judged[k].(*v1alpha1.WorkflowExecution)
	if seen == nil {
		w.violated("%s starts and its run was not looked at", ae.Name)
		return
	}
	closes := seen.Status.Closing != nil && seen.Status.Closing.Stage == v1alpha1.StageFinally
	deadline := seen.Status.Snapshot.Deadline
	if c := seen.Status.Closing; c != nil {
		deadline = c.Deadline
	}
	if !w.creator.at.Before(deadline.Time) {
		w.violated("%s starts by a pass that began at %s, when its time was over since %s", ae.Name, w.creator.at, deadline)
	}
	switch s := seen.Spec; {
	case s.Terminate, s.Cancel && !closes, s.Suspend, !seen.DeletionTimestamp.IsZero():
		w.violated("%s starts after suspend=%t cancel=%t terminate=%t deleted=%t", ae.Name, s.Suspend, s.Cancel, s.Terminate, !seen.DeletionTimestamp.IsZero())
	}
}

// checkStage: onFailure and finally start when they were written down, and when
// nothing that comes before them runs.
func (w *world) checkStage(k key, e *v1alpha1.WorkflowExecution, ae *v1alpha1.ActionExecution) {
	stage := map[string]v1alpha1.Stage{"undo": v1alpha1.StageOnFailure, "tell": v1alpha1.StageFinally}[ae.Spec.Step]
	if stage == "" {
		return
	}
	if c := e.Status.Closing; c == nil || c.Stage != stage || stage == v1alpha1.StageOnFailure && c.Phase != v1alpha1.ExecutionFailed {
		w.violated("%s starts while closing is %+v", ae.Name, c)
	}
	for _, other := range w.actions(k) {
		if other.Spec.Step != ae.Spec.Step && !run.State(other.Status.Phase).Ended() {
			w.violated("%s starts while %s is %q", ae.Name, other.Name, other.Status.Phase)
		}
	}
}

func (w *world) checkNeeds(k key, s v1alpha1.WorkflowStep) {
	ask := func(on []run.State, name string) {
		state := w.truth(k, name)
		switch {
		case plan.Ask(on, state) == plan.Go:
		case !w.begun(k, name): // skipped by the same pass, which writes it down next
			w.lives[k].owed = append(w.lives[k].owed, need{step: s.Name, on: on, of: name})
		default:
			w.violated("%s starts after %v of %s, which is %q", s.Name, on, name, state)
		}
	}
	for _, name := range s.RunAfter {
		ask([]run.State{run.Succeeded}, name)
	}
	for _, edge := range s.After {
		var on []run.State
		for _, end := range edge.Ended {
			on = append(on, run.State(end))
		}
		ask(on, edge.Step)
	}
}

// begun says whether a step was ever started.
func (w *world) begun(k key, name string) bool {
	started := func(ae *v1alpha1.ActionExecution) bool { return ae.Spec.Step == name }
	return slices.ContainsFunc(w.actions(k), started) || w.truth(k, name).Ended()
}

// checkRun: a run that ended stays as it ended, a deadline that was set stays,
// and a run that starts has a place.
func (w *world) checkRun(k key, old, now *v1alpha1.WorkflowExecution) {
	was, is := old.Status, now.Status
	if was.CompletedAt != nil && was.Phase != is.Phase {
		w.violated("%s was %s and became %s", k, was.Phase, is.Phase)
	}
	w.checkSteps(k, was.Steps, is.Steps)
	if is.Queue != nil {
		w.met["held by its "+is.Queue.Cap] = true
	}
	if was.Snapshot == nil && is.Snapshot != nil {
		w.checkPlace(k)
	}
	if moved(was, is) {
		w.violated("a deadline of %s moved", k)
	}
	if was.CompletedAt == nil && is.CompletedAt != nil {
		w.checkTime(k, old, now)
	}
}

// checkSteps: what ended stays as it ended.
func (w *world) checkSteps(k key, was, is []v1alpha1.StepStatus) {
	after := map[string]v1alpha1.StepPhase{}
	for _, s := range is {
		after[s.Name] = s.Phase
	}
	for _, s := range was {
		ended := (run.State(s.Phase).Ended() || s.Phase == v1alpha1.StepSkipped) && s.RetryAt == nil
		if ended && after[s.Name] != s.Phase {
			w.violated("step %s of %s was %s and became %q", s.Name, k, s.Phase, after[s.Name])
		}
	}
}

// moved says whether a moment that was written down as a bound is another one.
func moved(was, is v1alpha1.WorkflowExecutionStatus) bool {
	if was.Snapshot != nil && (is.Snapshot == nil || !is.Snapshot.Deadline.Equal(&was.Snapshot.Deadline)) {
		return true
	}
	if c := was.Closing; c != nil && (is.Closing == nil || is.Closing.Stage == c.Stage && !is.Closing.Deadline.Equal(&c.Deadline)) {
		return true
	}
	return was.Queue != nil && is.Queue != nil && !is.Queue.Until.Equal(&was.Queue.Until)
}

// patience is how much later than its bound a run may end here: the requests
// that fail and are tried again after longer and longer pauses, those that take
// long, and the watches that break. Where there are none of these, half.
const patience = 2 * time.Minute

// checkTime: a run ends neither long after its time nor by timeout before it.
func (w *world) checkTime(k key, old, now *v1alpha1.WorkflowExecution) {
	at := now.Status.CompletedAt.Time
	var bound, early time.Time
	timeout := reasonOf(now.Status.Conditions) == v1alpha1.ReasonTimeout
	failed := slices.ContainsFunc(now.Status.Steps, func(s v1alpha1.StepStatus) bool { return s.Phase == v1alpha1.StepFailed })
	switch s := now.Status.Snapshot; {
	case s != nil:
		bound = closed(s)
		if timeout && !failed && now.Status.Closing == nil { // it was not the time of a step or of a closing stage
			early = s.Deadline.Time
		}
	case reasonOf(now.Status.Conditions) != v1alpha1.ReasonQueueTimeout:
		return
	case old.Status.Queue == nil:
		w.violated("%s waited too long and stood in no queue", k)
		return
	default:
		bound, early = old.Status.Queue.Until.Time, old.Status.Queue.Until.Time
	}
	if at.Before(early) {
		w.violated("%s ended at %s because its time was over, which is at %s", k, at, early)
	}
	late := at.Sub(bound)
	w.longer = max(w.longer, late)
	if late > patience || w.fine && late > patience/2 {
		w.violated("%s ended %s after %s", k, late, bound)
	}
}

// closed is when a run must have ended: after its deadline, the stages that
// close it have their own time.
func closed(s *v1alpha1.RunSnapshot) time.Time {
	each := 10 * time.Minute
	if s.FinallyTimeout != nil {
		each = s.FinallyTimeout.Duration
	}
	return s.Deadline.Add(each * time.Duration(min(1, len(s.OnFailure))+min(1, len(s.Finally))))
}

// checkEnd: all runs have ended as they must, and nothing is left running.
func (w *world) checkEnd() {
	for _, e := range all[*v1alpha1.WorkflowExecution](w.store.objects, "WorkflowExecution") {
		k := keyOf(e)
		if e.Status.CompletedAt == nil {
			w.violated("nothing is left to happen and %s has not ended: %s", k, told(e))
			continue
		}
		for _, ae := range w.actions(k) {
			if !run.State(ae.Status.Phase).Ended() {
				w.violated("%s has ended and %s is %q", k, ae.Name, ae.Status.Phase)
			}
		}
		w.checkOutcome(k, e)
	}
	if most := 1500 * len(w.lives); w.count > most {
		w.violated("%d passes for %d runs", w.count, len(w.lives))
	}
}

// checkOutcome: the run came to what its steps did, and each step started after
// what it was to start after.
func (w *world) checkOutcome(k key, e *v1alpha1.WorkflowExecution) {
	l := w.lives[k]
	for _, n := range l.owed {
		if l.nothing(n.of) {
			continue // that its list is empty was found, and lost with a write
		}
		if state := w.truth(k, n.of); plan.Ask(n.on, state) != plan.Go {
			w.violated("%s started after %v of %s, which is %q", n.step, n.on, n.of, state)
		}
	}
	if e.Status.Snapshot == nil {
		return
	}
	for _, s := range e.Status.Snapshot.Steps {
		if s.OnFailure != v1alpha1.FailureContinues && e.Status.Phase == v1alpha1.ExecutionCompleted && w.truth(k, s.Name) == run.Failed {
			w.violated("step %s of %s failed and the run is %s", s.Name, k, e.Status.Phase)
		}
	}
	if l.meddled {
		return
	}
	w.checkClosed(k, e)
	if !l.mayFail() && e.Status.Phase != v1alpha1.ExecutionCompleted {
		w.violated("every step of %s does its work and the run is %s: %s", k, e.Status.Phase, told(e))
	}
}

// nothing says whether a step has an empty list, so that it ends before it starts.
func (l *life) nothing(step string) bool {
	return slices.ContainsFunc(l.flow.Spec.Steps, func(s v1alpha1.WorkflowStep) bool {
		return s.Name == step && s.ForEach != nil && string(s.ForEach.Items.Raw) == "[]"
	})
}

// mayFail says whether a step of a run may fail, or not come to its end in time.
func (l *life) mayFail() bool {
	for _, how := range l.ends {
		if how != "succeed" && how != "busy" {
			return true
		}
	}
	may := l.flow.Spec.Timeout != nil || l.flow.Spec.FinallyTimeout != nil
	for _, s := range l.flow.Spec.Steps {
		may = may || s.Timeout != nil || s.Retries != nil || s.ForEach != nil && s.ForEach.Items.Raw[0] == '"'
	}
	return may
}

// checkClosed: finally ran, and onFailure if and only if the run failed, unless
// their time was over.
func (w *world) checkClosed(k key, e *v1alpha1.WorkflowExecution) {
	if e.Status.Snapshot.FinallyTimeout != nil || len(e.Status.Steps) == 0 {
		return // it may have been too short
	}
	if state := w.truth(k, "tell"); len(e.Status.Snapshot.Finally) > 0 && state != run.Succeeded {
		w.violated("%s has ended and its finally is %q", k, state)
	}
	if state := w.truth(k, "undo"); len(e.Status.Snapshot.OnFailure) > 0 && (state == run.Succeeded) != (e.Status.Phase == v1alpha1.ExecutionFailed) {
		w.violated("%s is %s and its onFailure is %q", k, e.Status.Phase, state)
	}
}
