// Package sim plays runs against an API server with a late cache, lost watches,
// requests that fail or take long and a controller that dies, and holds each
// change against what must always be true.
package sim

import (
	"flag"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

var (
	seed  = flag.Int("seed", -1, "play this seed alone and tell all that happens")
	seeds = flag.Int("seeds", 300, "how many seeds to play; make test plays 10000")
)

func TestSim(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // what a world leaves is thrown away as a whole
	first, last := 0, *seeds
	if *seed >= 0 {
		first, last = *seed, *seed+1
	}
	met, longer := map[string]int{}, time.Duration(0)
	for n := first; n < last; n++ {
		w := newWorld(uint64(n))
		w.play()
		w.features()
		for what := range w.met {
			met[what]++
		}
		longer = max(longer, w.longer)
		if *seed >= 0 {
			t.Log(strings.Join(w.trace, "\n"))
		}
		if len(w.broken) > 0 {
			t.Errorf("seed %d: %s\nreplay: go test ./test/sim -run TestSim -v -seed=%d", n, strings.Join(w.broken, "; "), n)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(met)) {
		t.Logf("%5d of %d worlds met %s", met[what], last-first, what)
	}
	t.Logf("the latest end of a run was %s after its bound", longer)
	for _, what := range expected() {
		if *seed < 0 && met[what] == 0 {
			t.Errorf("no seed met %s, so that nothing is held of it here", what)
		}
	}
}

// expected is what some seed must meet, so that nobody takes for proven what
// none comes to.
func expected() []string {
	return []string{
		"several runs", "several namespaces", "runs that start", "runs that waited for a place", "held by its Namespace", "held by its Controller",
		"left alone by people and machines", "nothing that goes wrong", "requests that take long", "restarts", "watches that break", "evictions",
		"suspended runs that go on", "cancelled runs", "terminated runs", "deleted runs",
		"ended by " + v1alpha1.ReasonTimeout, "ended by " + v1alpha1.ReasonQueueTimeout, "ended by " + v1alpha1.ReasonStepFailed, "ended by " + v1alpha1.ReasonSucceeded,
		"steps that took too long", "steps that took too long and ran again", "steps that ran again", "steps skipped by " + v1alpha1.ReasonWhenFalse, "steps skipped by " + v1alpha1.ReasonFailFast,
		"onFailure", "finally", "items", "items of which some failed", "items of which some were skipped", "empty lists", "lists of another step",
		"retries of a run", "retries that take over steps",
	}
}

// features adds what the world came to in the end.
func (w *world) features() {
	w.met["several runs"] = len(w.lives) > 1
	w.met["nothing that goes wrong"] = w.fine
	namespaces := map[string]bool{}
	for k, l := range w.lives {
		namespaces[k.namespace] = true
		w.met["left alone by people and machines"] = w.met["left alone by people and machines"] || !l.meddled
		if e := w.current(k); e == nil {
			w.met["deleted runs"] = true
		} else {
			w.meets(k, e)
		}
	}
	w.met["several namespaces"] = len(namespaces) > 1
	for _, ae := range all[*v1alpha1.ActionExecution](w.store.objects, "ActionExecution") {
		late := ae.Status.FailureCause == v1alpha1.RetryTimeout
		w.met["steps that took too long"] = w.met["steps that took too long"] || late
		w.met["steps that took too long and ran again"] = w.met["steps that took too long and ran again"] || late && w.again(ae)
		w.met["steps that ran again"] = w.met["steps that ran again"] || ae.Spec.Attempt > 1
		w.met["lists of another step"] = w.met["lists of another step"] || ae.Spec.Item != nil && w.lifeOf(ae).listed(ae.Spec.Step)
	}
	maps.DeleteFunc(w.met, func(_ string, came bool) bool { return !came })
}

// again says whether an attempt was followed by another one.
func (w *world) again(ae *v1alpha1.ActionExecution) bool {
	return slices.ContainsFunc(w.actions(key{"WorkflowExecution", ae.Namespace, ae.Spec.Execution.Name}), func(next *v1alpha1.ActionExecution) bool {
		return unitOf(next) == unitOf(ae) && next.Spec.Attempt == ae.Spec.Attempt+1
	})
}

// listed says whether the items of a step are put out by another one.
func (l *life) listed(step string) bool {
	return slices.ContainsFunc(l.flow.Spec.Steps, func(s v1alpha1.WorkflowStep) bool {
		return s.Name == step && s.ForEach != nil && s.ForEach.Items.Raw[0] == '"'
	})
}

// meets notes what one run came to.
func (w *world) meets(k key, e *v1alpha1.WorkflowExecution) {
	meet := func(what string, came bool) { w.met[what] = w.met[what] || came }
	meet("ended by "+reasonOf(e.Status.Conditions), true)
	meet("cancelled runs", e.Spec.Cancel && e.Status.Phase == v1alpha1.ExecutionCancelled)
	meet("terminated runs", e.Spec.Terminate && e.Status.Phase == v1alpha1.ExecutionCancelled)
	meet("onFailure", w.truth(k, "undo") == run.Succeeded)
	meet("finally", w.truth(k, "tell") == run.Succeeded)
	meet("retries of a run", e.Spec.RetryOf != nil)
	for _, s := range e.Status.Steps {
		meet("steps skipped by "+s.Reason, s.Phase == v1alpha1.StepSkipped)
		meet("empty lists", s.Reason == v1alpha1.ReasonNoItems)
		meet("retries that take over steps", s.Reason == v1alpha1.ReasonReused)
		meet("items", len(s.Items) > 0)
		some := func(phase v1alpha1.StepPhase) bool {
			is := func(i v1alpha1.ItemStatus) bool { return i.Phase == phase }
			return slices.ContainsFunc(s.Items, is) && slices.ContainsFunc(s.Items, func(i v1alpha1.ItemStatus) bool { return !is(i) })
		}
		meet("items of which some failed", some(v1alpha1.StepFailed))
		meet("items of which some were skipped", some(v1alpha1.StepSkipped))
	}
}
