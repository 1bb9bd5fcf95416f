// Package sim plays runs against an API server with a late cache, lost watches,
// failing writes and a controller that dies, and holds each change against what
// must always be true.
package sim

import (
	"flag"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/run"
)

var (
	seed  = flag.Int("seed", -1, "play this seed alone and tell all that happens")
	seeds = flag.Int("seeds", 300, "how many seeds to play; make test plays 10000")
)

func TestSim(t *testing.T) {
	first, last := 0, *seeds
	if *seed >= 0 {
		first, last = *seed, *seed+1
	}
	met := map[string]int{}
	for n := first; n < last; n++ {
		w := newWorld(uint64(n))
		w.play()
		w.count(met)
		if *seed >= 0 {
			t.Log(strings.Join(w.trace, "\n"))
		}
		if len(w.broken) > 0 {
			t.Errorf("seed %d: %s\nreplay: go test ./test/sim -run TestSim -v -seed=%d", n, strings.Join(w.broken, "; "), n)
		}
	}
	t.Logf("of %d runs: %v", last-first, met)
	if *seed < 0 && len(met) < 6 {
		t.Errorf("no seed came to some of what is held here: %v", met)
	}
}

// count adds what a run has met, so that nobody takes for proven what no seed
// comes to.
func (w *world) count(met map[string]int) {
	for what, came := range map[string]bool{
		"left alone by people and machines": !w.meddled, "needed another attempt": w.retried(), "ran onFailure": w.truth("undo") == run.Succeeded,
		"ran finally": w.truth("tell") == run.Succeeded, "ran items": w.repeated(), "skipped by when": w.skippedBy(v1alpha1.ReasonWhenFalse),
	} {
		if came {
			met[what]++
		}
	}
}

func (w *world) actions() []*v1alpha1.ActionExecution {
	var out []*v1alpha1.ActionExecution
	for _, k := range w.store.objects.names("ActionExecution") {
		out = append(out, w.store.objects[k].(*v1alpha1.ActionExecution))
	}
	return out
}

func (w *world) retried() bool {
	return slices.ContainsFunc(w.actions(), func(ae *v1alpha1.ActionExecution) bool { return ae.Spec.Attempt > 1 })
}

func (w *world) repeated() bool {
	return slices.ContainsFunc(w.actions(), func(ae *v1alpha1.ActionExecution) bool { return ae.Spec.Item != nil })
}

func (w *world) skippedBy(reason string) bool {
	e := w.current()
	return e != nil && slices.ContainsFunc(e.Status.Steps, func(s v1alpha1.StepStatus) bool { return s.Reason == reason })
}

// check holds a change of an object against the invariants.
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
			w.violated("%s was %s and became %s", k.name, was, o.Status.Phase)
		}
	case *v1alpha1.WorkflowExecution:
		if old != nil {
			w.checkRun(old.(*v1alpha1.WorkflowExecution), o)
		}
	}
}

// checkJob: at most one Job for each attempt.
func (w *world) checkJob(j *batchv1.Job) {
	uid := string(metav1.GetControllerOf(j).UID)
	if w.jobs[uid]++; w.jobs[uid] > 1 {
		w.violated("Job %s was created twice", j.Name)
	}
}

// current reads the run as the API server has it; nil if it is gone.
func (w *world) current() *v1alpha1.WorkflowExecution {
	e, _ := w.store.objects[key{"WorkflowExecution", runName}].(*v1alpha1.WorkflowExecution)
	return e
}

// truth is where a step really stands.
func (w *world) truth(name string) run.State {
	state, attempt := run.Absent, int32(0)
	if e := w.current(); e != nil {
		for _, s := range e.Status.Steps {
			if s.Name == name {
				state, attempt = run.State(s.Phase), s.Attempts
			}
		}
	}
	if state == run.Skipped {
		return state
	}
	newest := w.newest(name, attempt)
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
func (w *world) newest(name string, from int32) map[int32]*v1alpha1.ActionExecution {
	out := map[int32]*v1alpha1.ActionExecution{}
	for _, ae := range w.actions() {
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
	e := w.current()
	if e == nil || e.Status.Snapshot == nil || e.Status.Snapshot.PolicySet == "" {
		w.violated("%s starts before the run was admitted", ae.Name)
		return
	}
	if e.Status.CompletedAt != nil {
		w.violated("%s starts in a run that has ended", ae.Name)
	}
	for _, s := range e.Status.Snapshot.Steps {
		if s.Name == ae.Spec.Step {
			w.checkNeeds(s)
		}
	}
	w.checkStage(e, ae)
	running := 0
	for _, other := range w.actions() {
		if !run.State(other.Status.Phase).Ended() {
			running++
		}
	}
	if running > w.parallel {
		w.violated("%d steps run with %s, at most %d may", running, ae.Name, w.parallel)
	}
}

// checkStage: onFailure and finally start when they were written down, and when
// nothing that comes before them runs.
func (w *world) checkStage(e *v1alpha1.WorkflowExecution, ae *v1alpha1.ActionExecution) {
	stage := map[string]v1alpha1.Stage{"undo": v1alpha1.StageOnFailure, "tell": v1alpha1.StageFinally}[ae.Spec.Step]
	if stage == "" {
		return
	}
	if c := e.Status.Closing; c == nil || c.Stage != stage || stage == v1alpha1.StageOnFailure && c.Phase != v1alpha1.ExecutionFailed {
		w.violated("%s starts while closing is %+v", ae.Name, c)
	}
	for _, other := range w.actions() {
		if other.Spec.Step != ae.Spec.Step && !run.State(other.Status.Phase).Ended() {
			w.violated("%s starts while %s is %q", ae.Name, other.Name, other.Status.Phase)
		}
	}
}

func (w *world) checkNeeds(s v1alpha1.WorkflowStep) {
	ask := func(on []run.State, name string) {
		state := w.truth(name)
		switch {
		case plan.Ask(on, state) == plan.Go:
		case !w.begun(name): // skipped by the same pass, which writes it down next
			w.owed = append(w.owed, need{step: s.Name, on: on, of: name})
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
func (w *world) begun(name string) bool {
	started := func(ae *v1alpha1.ActionExecution) bool { return ae.Spec.Step == name }
	return slices.ContainsFunc(w.actions(), started) || w.truth(name).Ended()
}

// checkRun: what ended stays as it ended.
func (w *world) checkRun(old, now *v1alpha1.WorkflowExecution) {
	if old.Status.CompletedAt != nil && old.Status.Phase != now.Status.Phase {
		w.violated("the run was %s and became %s", old.Status.Phase, now.Status.Phase)
	}
	after := map[string]v1alpha1.StepPhase{}
	for _, s := range now.Status.Steps {
		after[s.Name] = s.Phase
	}
	for _, s := range old.Status.Steps {
		ended := (run.State(s.Phase).Ended() || s.Phase == v1alpha1.StepSkipped) && s.RetryAt == nil
		if ended && after[s.Name] != s.Phase {
			w.violated("step %s was %s and became %q", s.Name, s.Phase, after[s.Name])
		}
	}
}

// checkEnd: the run has ended as it must, and nothing is left running.
func (w *world) checkEnd() {
	e := w.current()
	if e == nil {
		return // a person deleted it
	}
	if e.Spec.Suspend && e.Status.CompletedAt == nil {
		return
	}
	if e.Status.CompletedAt == nil {
		w.violated("nothing is left to happen and the run has not ended")
	}
	for _, ae := range w.actions() {
		if !run.State(ae.Status.Phase).Ended() {
			w.violated("the run has ended and %s is %q", ae.Name, ae.Status.Phase)
		}
	}
	w.checkOutcome(e)
	if w.passes > 1500 {
		w.violated("%d passes for one run", w.passes)
	}
}

// checkOutcome: the run came to what its steps did, and each step started after
// what it was to start after.
func (w *world) checkOutcome(e *v1alpha1.WorkflowExecution) {
	for _, n := range w.owed {
		if state := w.truth(n.of); plan.Ask(n.on, state) != plan.Go {
			w.violated("%s started after %v of %s, which is %q", n.step, n.on, n.of, state)
		}
	}
	fails := false
	for _, s := range w.flow.Spec.Steps {
		fails = fails || w.ends[s.Name] == "fail" && s.OnFailure != v1alpha1.FailureContinues
	}
	w.checkClosed(e, fails)
	if !fails && !w.meddled && e.Status.Phase != v1alpha1.ExecutionCompleted {
		w.violated("every step does its work and the run is %s", e.Status.Phase)
	}
}

// checkClosed: finally ran, and onFailure if and only if the run failed.
func (w *world) checkClosed(e *v1alpha1.WorkflowExecution, fails bool) {
	if w.meddled {
		return
	}
	if state := w.truth("tell"); len(w.flow.Spec.Finally) > 0 && state != run.Succeeded {
		w.violated("the run has ended and its finally is %q", state)
	}
	if state := w.truth("undo"); len(w.flow.Spec.OnFailure) > 0 && (state == run.Succeeded) != (e.Status.Phase == v1alpha1.ExecutionFailed) {
		w.violated("the run is %s (a step fails: %t) and its onFailure is %q", e.Status.Phase, fails, state)
	}
}
