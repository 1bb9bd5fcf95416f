// Package queue says which waiting runs may start and where the others stand.
package queue

import (
	"cmp"
	"slices"
	"time"
)

// Cap is what holds a run back.
type Cap string

// Caps.
const (
	// None holds the run back: it may start.
	None Cap = ""
	// Namespace: as many runs of its namespace go on as may.
	Namespace Cap = "Namespace"
	// Controller: as many runs of all namespaces go on as may.
	Controller Cap = "Controller"
)

// Run is one that waits.
type Run struct {
	// UID of the run.
	UID string
	// Namespace of the run.
	Namespace string
	// Since when it waits.
	Since time.Time
}

// State is all that counts for who is next.
type State struct {
	// Waiting runs, in any order; each once.
	Waiting []Run
	// Running is how many runs go on, by namespace.
	Running map[string]int
	// Served is when a run of the namespace started last; a namespace that is
	// missing comes before all others.
	Served map[string]time.Time
	// Total is how many runs may go on in all namespaces together.
	Total int
	// Limit is how many runs of a namespace may go on.
	Limit func(namespace string) int
}

// Place is where a waiting run stands.
type Place struct {
	// Held is what holds the run back; None if it may start now.
	Held Cap
	// Position among those that the same cap holds back, from 1: the runs of
	// the namespace, or those of all namespaces. 0 if the run may start.
	Position int
}

// Places returns the place of each waiting run by its UID. Within a namespace
// the first come is the first served. Among namespaces the one with the fewest
// runs under way is served first, of those the one that was served longest ago,
// so that many runs in one namespace never keep another from its turn.
func Places(s State) map[string]Place {
	lanes, running := lanesOf(s)
	out := make(map[string]Place, len(s.Waiting))
	behind := 0 // those that the controller's cap holds back
	for turn := 1; len(lanes) > 0; turn++ {
		i := next(lanes)
		l := lanes[i]
		uid := l.waiting[0].UID
		switch {
		case l.started >= s.Limit(l.namespace):
			l.behind++
			out[uid] = Place{Held: Namespace, Position: l.behind}
		case running >= s.Total:
			behind++
			l.started++
			out[uid] = Place{Held: Controller, Position: behind}
		default:
			running++
			l.started++
			out[uid] = Place{}
		}
		l.busy++
		l.turn = turn
		l.waiting = l.waiting[1:]
		if len(l.waiting) == 0 {
			lanes = slices.Delete(lanes, i, i+1)
		}
	}
	return out
}

// lane is one namespace in which runs wait.
type lane struct {
	namespace string
	waiting   []Run
	// started is how many of its runs go on or have a claim to the next place.
	started int
	// busy is started and all that were given a position before.
	busy int
	// behind is how many its own cap holds back.
	behind int
	// served is when a run of it started last, turn when it had its last turn
	// in this computation, 0 if it had none.
	served time.Time
	turn   int
}

func lanesOf(s State) (lanes []*lane, running int) {
	for _, n := range s.Running {
		running += n
	}
	by := map[string]*lane{}
	for _, r := range s.Waiting {
		l := by[r.Namespace]
		if l == nil {
			n := s.Running[r.Namespace]
			l = &lane{namespace: r.Namespace, started: n, busy: n, served: s.Served[r.Namespace]}
			by[r.Namespace] = l
			lanes = append(lanes, l)
		}
		l.waiting = append(l.waiting, r)
	}
	for _, l := range lanes {
		slices.SortFunc(l.waiting, earlier)
	}
	return lanes, running
}

// next is the index of the lane whose turn it is.
func next(lanes []*lane) int {
	best := 0
	for i, l := range lanes {
		b := lanes[best]
		if cmp.Or(cmp.Compare(l.busy, b.busy), cmp.Compare(l.turn, b.turn), l.served.Compare(b.served), earlier(l.waiting[0], b.waiting[0])) < 0 {
			best = i
		}
	}
	return best
}

// earlier orders by time and, of the same moment, by UID.
func earlier(a, b Run) int {
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.UID, b.UID))
}

// Moved says whether a position is worth being told again: up to 10 each
// change is, beyond that one by a tenth. So a run in a queue of n is told its
// place about 10·ln(n) times and not n times.
func Moved(told, now int) bool {
	distance := max(told, now) - min(told, now)
	return distance > 0 && distance*10 >= min(told, now)
}
