// Package sim plays runs against an API server with a late cache, lost watches,
// failing writes and a controller that dies, and holds each change against what
// must always be true.
package sim

import (
	"flag"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	for n := first; n < last; n++ {
		w := newWorld(uint64(n))
		w.play()
		if *seed >= 0 {
			t.Log(strings.Join(w.trace, "\n"))
		}
		if len(w.broken) > 0 {
			t.Errorf("seed %d: %s\nreplay: go test ./test/sim -run TestSim -v -seed=%d", n, strings.Join(w.broken, "; "), n)
		}
	}
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
	for _, k := range w.store.objects.names("ActionExecution") {
		ae := w.store.objects[k].(*v1alpha1.ActionExecution)
		if ae.Spec.Step == name && max(1, ae.Spec.Attempt) >= attempt && state != run.Skipped {
			state, attempt = run.State(ae.Status.Phase), ae.Spec.Attempt
		}
	}
	return state
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
	running := 0
	for _, k := range w.store.objects.names("ActionExecution") {
		if !run.State(w.store.objects[k].(*v1alpha1.ActionExecution).Status.Phase).Ended() {
			running++
		}
	}
	if running > w.parallel {
		w.violated("%d steps run with %s, at most %d may", running, ae.Name, w.parallel)
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
	for _, k := range w.store.objects.names("ActionExecution") {
		if w.store.objects[k].(*v1alpha1.ActionExecution).Spec.Step == name {
			return true
		}
	}
	return w.truth(name).Ended()
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
	for _, k := range w.store.objects.names("ActionExecution") {
		if ae := w.store.objects[k].(*v1alpha1.ActionExecution); !run.State(ae.Status.Phase).Ended() {
			w.violated("the run has ended and %s is %q", k.name, ae.Status.Phase)
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
	if !fails && !w.meddled && e.Status.Phase != v1alpha1.ExecutionCompleted {
		w.violated("every step does its work and the run is %s", e.Status.Phase)
	}
}
