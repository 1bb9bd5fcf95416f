package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// view is how the runs stood when a pass counted them.
type view struct {
	runs  []*v1alpha1.WorkflowExecution
	given map[string]time.Time
}

// counted notes that the innermost pass counts the runs.
func (w *world) counted() {
	if w.mapping || len(w.passes) == 0 || w.pass().view != nil {
		return
	}
	w.pass().view = w.look()
}

// look is how the runs stand by the cache, with the places that were given and
// that the cache does not show yet.
func (w *world) look() *view {
	v := &view{runs: all[*v1alpha1.WorkflowExecution](w.cache, "WorkflowExecution"), given: map[string]time.Time{}}
	for uid, at := range w.given {
		v.given[uid] = at
	}
	return v
}

// parallel is how many steps of a run may run.
func (w *world) parallel(namespace string) int {
	return cmp.Or(int(w.policies[namespace].MaxParallelSteps), w.settings.MaxParallelSteps)
}

// runsOf is how many runs of a namespace may go on.
func (w *world) runsOf(namespace string) int {
	return cmp.Or(int(w.policies[namespace].MaxConcurrentRuns), w.settings.MaxConcurrentRunsPerNamespace)
}

// checkPlace: with a run that starts, no more go on than may.
func (w *world) checkPlace(k key) {
	here, all := 0, 0
	for _, other := range w.store.names("WorkflowExecution") {
		if s := w.current(other).Status; s.Snapshot == nil || s.CompletedAt != nil {
			continue
		}
		if all++; other.namespace == k.namespace {
			here++
		}
	}
	if here > w.runsOf(k.namespace) || all > w.settings.MaxConcurrentRuns {
		w.violated("%d runs go on with %s, %d of its namespace; %d and %d may", all, k, here, w.settings.MaxConcurrentRuns, w.runsOf(k.namespace))
	}
}

// sent notes that a status is on its way: with a start the run takes the place
// that it was given, and any other gives one back, unless nobody knows whether
// an earlier start arrived.
func (w *world) sent(e *v1alpha1.WorkflowExecution) {
	uid, p := string(e.UID), w.pass()
	was := w.cache.by[keyOf(e)]
	switch _, mine := w.given[uid]; {
	case e.Status.Snapshot == nil && reasonOf(e.Status.Conditions) != v1alpha1.ReasonProgressingWithRetry:
		delete(w.given, uid)
	case e.Status.Snapshot == nil || mine || p.view == nil || was == nil || was.(*v1alpha1.WorkflowExecution).Status.Snapshot != nil:
	default:
		w.checkTurn(e, p)
		w.given[uid] = p.at
	}
}

// checkTurn: the run that starts is one of those whose turn it was when its
// pass looked.
func (w *world) checkTurn(e *v1alpha1.WorkflowExecution, p *pass) {
	since := p.at.Truncate(time.Second)
	for _, other := range p.view.runs {
		if other.UID == e.UID && other.Status.Queue != nil {
			since = other.Status.Queue.Since.Time
		}
	}
	if !slices.Contains(w.turns(p.view, p.at, &waiting{string(e.UID), e.Namespace, since}), string(e.UID)) {
		w.violated("%s starts before its turn", keyOf(e))
	}
	if w.met["runs that start"] = true; since.Before(p.at.Truncate(time.Second)) {
		w.met["runs that waited for a place"] = true
	}
}

// waiting is a run that stands in the queue.
type waiting struct {
	uid, namespace string
	since          time.Time
}

// stand is a namespace as it counts for who is next.
type stand struct {
	running int
	served  time.Time
	turn    int // places it got in this count, to tell who was served longest ago
}

// turns are the waiting runs that may start, in the order of the specification:
// while there is a place, it goes to the namespace with the fewest runs under
// way that has not as many as it may, of those to the one that was served
// longest ago, and in it to whoever came first. One place is given at a time.
func (w *world) turns(v *view, now time.Time, also *waiting) []string {
	line, by, total := w.stands(v, now, also)
	slices.SortFunc(line, func(a, b waiting) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.uid, b.uid)) })
	var out []string
	for total < w.settings.MaxConcurrentRuns {
		best := -1
		for i, x := range line {
			if s := by[x.namespace]; s.running >= w.runsOf(x.namespace) {
				continue
			} else if best < 0 || s.before(by[line[best].namespace]) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		s := by[line[best].namespace]
		total++
		s.running++
		s.turn = total
		out = append(out, line[best].uid)
		line = slices.Delete(line, best, best+1)
	}
	return out
}

// before says whether the turn of a namespace is before that of another one.
func (s *stand) before(other *stand) bool {
	return cmp.Or(cmp.Compare(s.running, other.running), cmp.Compare(s.turn, other.turn), s.served.Compare(other.served)) < 0
}

// stands counts the runs of a view.
func (w *world) stands(v *view, now time.Time, also *waiting) (line []waiting, by map[string]*stand, total int) {
	by = map[string]*stand{}
	if also != nil {
		line, by[also.namespace] = append(line, *also), &stand{}
	}
	for _, e := range v.runs {
		if by[e.Namespace] == nil {
			by[e.Namespace] = &stand{}
		}
		s, start := by[e.Namespace], v.given[string(e.UID)]
		if e.Status.StartedAt != nil {
			start = e.Status.StartedAt.Time
		}
		if start.After(s.served) {
			s.served = start
		}
		switch {
		case also != nil && string(e.UID) == also.uid:
		case e.Status.CompletedAt == nil && !start.IsZero():
			s.running++
			total++
		case stands(e, now):
			line = append(line, waiting{string(e.UID), e.Namespace, e.Status.Queue.Since.Time})
		}
	}
	return line, by, total
}

// stands says whether a run stands in the queue by what the specification says.
func stands(e *v1alpha1.WorkflowExecution, now time.Time) bool {
	q := e.Status.Queue
	return q != nil && e.Status.CompletedAt == nil && e.DeletionTimestamp.IsZero() && !e.Spec.Cancel && !e.Spec.Terminate && !e.Spec.Suspend && now.Before(q.Until.Time)
}

// checkQuiet: when all is told and only time can bring more, nobody waits for a
// place that is free, and those who wait stand in the order in which they came.
func (w *world) checkQuiet() {
	if len(w.passes) > 0 || len(w.deaf) > 0 {
		return
	}
	v := w.look()
	if free := w.turns(v, w.now, nil); len(free) > 0 && !w.failing(free) {
		w.violated("%d runs wait and there is a place for them: %v", len(free), free)
	}
	type lane struct{ namespace, cap string }
	told := map[lane][]*v1alpha1.WorkflowExecution{}
	for _, e := range v.runs {
		if stands(e, w.now) {
			l := lane{e.Namespace, e.Status.Queue.Cap}
			told[l] = append(told[l], e)
		}
	}
	for _, list := range told {
		slices.SortFunc(list, func(a, b *v1alpha1.WorkflowExecution) int {
			return cmp.Or(a.Status.Queue.Since.Compare(b.Status.Queue.Since.Time), cmp.Compare(a.UID, b.UID))
		})
		for i := range list[1:] {
			if list[i].Status.Queue.Position >= list[i+1].Status.Queue.Position {
				w.violated("%s came before %s and has place %d, the other %d", list[i].Name, list[i+1].Name, list[i].Status.Queue.Position, list[i+1].Status.Queue.Position)
			}
		}
	}
}

// failing says whether one of the runs is about to be tried again, after an error.
func (w *world) failing(uids []string) bool {
	for k, d := range w.queue {
		if e := w.current(k); d.tries > 0 && e != nil && slices.Contains(uids, string(e.UID)) {
			return true
		}
	}
	return false
}
