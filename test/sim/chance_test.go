package sim

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// play lets things happen until all runs have ended and nothing is left to do.
func (w *world) play() {
	disturbed := 80 + 40*len(w.coming)
	for events := 0; len(w.broken) == 0; events++ {
		if w.calm = w.calm || events > disturbed; events > 6000 {
			w.violated("no end after %d events and %d passes", events, w.count)
			return
		}
		if w.step(time.Time{}) {
			continue
		}
		if w.calm = true; !w.resume() {
			break
		}
	}
	if len(w.broken) == 0 {
		w.checkEnd()
	}
}

// step lets one thing happen before a time, zero for any, and says whether
// anything could.
func (w *world) step(until time.Time) bool {
	if !w.calm && w.rand.IntN(14) == 0 {
		w.disturb()
		return true
	}
	can, next := w.choices()
	switch {
	case len(can) > 0:
		can[w.rand.IntN(len(can))]()
	case len(w.deaf) > 0: // a broken watch is noticed before long
		w.mend()
	case !next.IsZero() && (until.IsZero() || next.Before(until)):
		w.checkQuiet()
		w.now = next
	case until.IsZero():
		w.checkQuiet()
		return false
	}
	w.now = w.now.Add(time.Duration(w.rand.IntN(1000)) * time.Millisecond)
	return true
}

// choices are what can happen now, and when there is more; zero if never.
func (w *world) choices() (can []func(), next time.Time) {
	for _, m := range w.open() {
		switch {
		case !m.at.After(w.now):
			can = append(can, m.do)
		case next.IsZero() || m.at.Before(next):
			next = m.at
		}
	}
	return can, next
}

// open lists what can happen, now or later.
func (w *world) open() []move {
	out := w.moves()
	for _, kind := range kinds() {
		if len(w.late[kind]) > 0 && (w.calm || !w.deaf[kind]) {
			out = append(out, move{do: func() { w.deliver(kind) }})
		}
	}
	keys := make([]key, 0, len(w.queue))
	for k := range w.queue {
		if !w.busy[k] {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.kind != b.kind {
			return len(a.kind) - len(b.kind)
		}
		return compare(a, b)
	})
	for _, k := range keys {
		out = append(out, move{w.queue[k].at, func() { w.reconcile(k) }})
	}
	return out
}

// disturb lets something go wrong, or a person change something.
func (w *world) disturb() {
	switch n := w.rand.IntN(24); {
	case n < 4 && len(w.passes) == 0:
		w.met["restarts"] = true
		w.restart()
	case n < 9:
		kind := kinds()[w.rand.IntN(4)]
		w.note("the watch of %s breaks", kind)
		w.met["watches that break"] = true
		w.deaf[kind] = true
	case n < 14:
		w.mend()
	case n < 17:
		w.evict()
	default:
		w.person(n)
	}
}

// mend lists again what is no longer watched.
func (w *world) mend() {
	for _, kind := range kinds() {
		if w.deaf[kind] {
			w.note("%ss are listed again", kind)
			w.relist(kind)
		}
	}
}

func (w *world) evict() {
	pods := slices.DeleteFunc(slices.Clone(w.store.names("Pod")), func(k key) bool { return ended(w.store.by[k].(*corev1.Pod)) })
	if len(pods) == 0 {
		return
	}
	k := pods[w.rand.IntN(len(pods))]
	if ae, _ := w.fateOf(k); ae != nil {
		w.lifeOf(ae).meddled = true
	}
	w.met["evictions"] = true
	if w.rand.IntN(2) == 0 {
		w.note("%s is lost", k)
		w.store.remove(k)
		return
	}
	w.note("%s is evicted", k)
	w.store.change(k, func(o client.Object) {
		o.(*corev1.Pod).Status.Phase, o.(*corev1.Pod).Status.Reason = corev1.PodFailed, "Evicted"
	})
}

// person suspends, resumes, cancels, terminates or deletes a run.
func (w *world) person(n int) {
	runs := w.store.names("WorkflowExecution")
	if len(runs) == 0 {
		return
	}
	k := runs[w.rand.IntN(len(runs))]
	switch {
	case n < 20:
		w.edit(k, func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = !e.Spec.Suspend })
	case w.rand.IntN(8) == 0:
		w.edit(k, func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true })
	case w.rand.IntN(12) == 0:
		w.edit(k, func(e *v1alpha1.WorkflowExecution) { e.Spec.Terminate = true })
	case w.rand.IntN(16) == 0:
		w.edit(k, func(e *v1alpha1.WorkflowExecution) {
			if e.DeletionTimestamp.IsZero() {
				e.DeletionTimestamp = ptr.To(metav1.NewTime(w.now))
			}
		})
	}
}

// edit changes a run as a person does.
func (w *world) edit(k key, change func(*v1alpha1.WorkflowExecution)) {
	w.lives[k].meddled = true
	w.store.change(k, func(o client.Object) {
		e := o.(*v1alpha1.WorkflowExecution)
		e.Generation++
		change(e)
		w.note("a person: %s suspend=%t cancel=%t terminate=%t deleted=%t", k, e.Spec.Suspend, e.Spec.Cancel, e.Spec.Terminate, !e.DeletionTimestamp.IsZero())
	})
}

// resume lets the runs go on that somebody suspended.
func (w *world) resume() bool {
	some := false
	for _, k := range w.store.names("WorkflowExecution") {
		if e := w.current(k); e.Spec.Suspend && e.Status.CompletedAt == nil {
			w.met["suspended runs that go on"] = true
			w.edit(k, func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = false })
			some = true
		}
	}
	return some
}
