package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func limit(n int) func(string) int { return func(string) int { return n } }

func waiting(namespace, uid string, second int) Run {
	return Run{Namespace: namespace, UID: uid, Since: start.Add(time.Duration(second) * time.Second)}
}

func TestPlaces(t *testing.T) {
	runs := []Run{waiting("a", "a1", 1), waiting("a", "a2", 2), waiting("a", "a3", 3), waiting("b", "b1", 4), waiting("c", "c1", 5)}
	for name, c := range map[string]struct {
		state State
		want  map[string]Place
	}{
		"room for all": {State{Total: 9, Limit: limit(9)},
			map[string]Place{"a1": {}, "a2": {}, "a3": {}, "b1": {}, "c1": {}}},
		"one in turn": {State{Total: 2, Limit: limit(9)},
			map[string]Place{"a1": {}, "b1": {}, "c1": {Controller, 1}, "a2": {Controller, 2}, "a3": {Controller, 3}}},
		"the busy one later": {State{Total: 2, Limit: limit(9), Running: map[string]int{"a": 1}},
			map[string]Place{"b1": {}, "c1": {Controller, 1}, "a1": {Controller, 2}, "a2": {Controller, 3}, "a3": {Controller, 4}}},
		"served long ago": {State{Total: 1, Limit: limit(9), Served: map[string]time.Time{"a": start, "b": start.Add(-time.Hour), "c": start.Add(-time.Minute)}},
			map[string]Place{"b1": {}, "c1": {Controller, 1}, "a1": {Controller, 2}, "a2": {Controller, 3}, "a3": {Controller, 4}}},
		"a cap of the namespace": {State{Total: 9, Limit: limit(1), Running: map[string]int{"b": 1}},
			map[string]Place{"a1": {}, "a2": {Namespace, 1}, "a3": {Namespace, 2}, "b1": {Namespace, 1}, "c1": {}}},
		"both caps": {State{Total: 1, Limit: limit(1), Running: map[string]int{"a": 1}},
			map[string]Place{"a1": {Namespace, 1}, "a2": {Namespace, 2}, "a3": {Namespace, 3}, "b1": {Controller, 1}, "c1": {Controller, 2}}},
		"lowered caps": {State{Total: 1, Limit: limit(1), Running: map[string]int{"a": 5, "d": 7}},
			map[string]Place{"a1": {Namespace, 1}, "a2": {Namespace, 2}, "a3": {Namespace, 3}, "b1": {Controller, 1}, "c1": {Controller, 2}}},
	} {
		c.state.Waiting = runs
		if diff := cmp.Diff(c.want, Places(c.state)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// random is a state with caps that may be below what goes on.
func random(r *rand.Rand) State {
	s := State{Total: 1 + r.IntN(8), Running: map[string]int{}, Served: map[string]time.Time{}}
	limits := map[string]int{}
	for n := range 1 + r.IntN(5) {
		name := fmt.Sprint("n", n)
		limits[name] = 1 + r.IntN(4)
		s.Running[name] = r.IntN(4)
		if r.IntN(2) == 0 {
			s.Served[name] = start.Add(time.Duration(r.IntN(3)) * time.Second)
		}
		for i := range r.IntN(6) {
			s.Waiting = append(s.Waiting, waiting(name, fmt.Sprint(name, "-", i), r.IntN(4)))
		}
	}
	s.Limit = func(n string) int { return limits[n] }
	return s
}

func TestCapsHoldAndOrderDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		s := random(r)
		got := Places(s)
		within(t, s, got)
		shuffled := s
		shuffled.Waiting = append([]Run{}, s.Waiting...)
		r.Shuffle(len(s.Waiting), func(i, j int) {
			shuffled.Waiting[i], shuffled.Waiting[j] = shuffled.Waiting[j], shuffled.Waiting[i]
		})
		if diff := cmp.Diff(got, Places(shuffled)); diff != "" {
			t.Fatalf("the order of the input counts (-want +got):\n%s", diff)
		}
	}
}

// within holds the places against the caps: none is exceeded, none holds back
// without need, and positions are whole.
func within(t *testing.T, s State, got map[string]Place) {
	t.Helper()
	if len(got) != len(s.Waiting) {
		t.Fatalf("%d places for %d runs", len(got), len(s.Waiting))
	}
	total, starts, by := after(s, got)
	if starts > 0 && total > s.Total {
		t.Fatalf("%d runs go on, %d may", total, s.Total)
	}
	for _, w := range s.Waiting {
		room := s.Limit(w.Namespace) - by[w.Namespace]
		switch held := got[w.UID].Held; {
		case held == None && room < 0:
			t.Fatalf("%d runs of %s go on, %d may", by[w.Namespace], w.Namespace, s.Limit(w.Namespace))
		case held != None && room > 0 && total < s.Total:
			t.Fatalf("%s waits and has room", w.UID)
		}
	}
	whole(t, s, got)
}

// after counts what goes on once all have started that may.
func after(s State, got map[string]Place) (total, starts int, by map[string]int) {
	by = map[string]int{}
	for name, n := range s.Running {
		total += n
		by[name] = n
	}
	for _, w := range s.Waiting {
		if got[w.UID].Held == None {
			starts, total, by[w.Namespace] = starts+1, total+1, by[w.Namespace]+1
		}
	}
	return total, starts, by
}

// whole says that positions are 1, 2, 3 with no gap and none twice.
func whole(t *testing.T, s State, got map[string]Place) {
	t.Helper()
	seen := map[string]int{}
	for _, w := range s.Waiting {
		switch p := got[w.UID]; p.Held {
		case Namespace:
			seen[w.Namespace] += 1 << p.Position
		case Controller:
			seen["all"] += 1 << p.Position
		}
	}
	for lane, bits := range seen {
		if (bits+2)&bits != 0 || bits&1 != 0 {
			t.Fatalf("positions of %q are not 1, 2, 3: %b", lane, bits)
		}
	}
}

// traffic is what comes and goes in a number of places.
type traffic struct {
	State
	goesOn []Run
	// longest is how many turns a run of the namespace waited at most.
	longest map[string]int
}

// turn lets runs come, one that goes on end, and those start that may.
func (f *traffic) turn(second int, r *rand.Rand, come ...string) {
	for _, name := range come {
		f.Waiting = append(f.Waiting, waiting(name, fmt.Sprintf("%s-%04d-%d", name, second, len(f.Waiting)), second))
	}
	if len(f.goesOn) > 0 {
		i := r.IntN(len(f.goesOn))
		f.Running[f.goesOn[i].Namespace]--
		f.goesOn = slices.Delete(f.goesOn, i, i+1)
	}
	places := Places(f.State)
	var rest []Run
	for _, w := range f.Waiting {
		if places[w.UID].Held != None {
			rest = append(rest, w)
			continue
		}
		f.goesOn = append(f.goesOn, w)
		f.Running[w.Namespace]++
		f.Served[w.Namespace] = start.Add(time.Duration(second) * time.Second)
		f.longest[w.Namespace] = max(f.longest[w.Namespace], second-int(w.Since.Sub(start)/time.Second))
	}
	f.Waiting = rest
}

// One namespace keeps hundreds of runs waiting; a single run elsewhere waits
// for a few ends only, and the flood is served, too.
func TestNobodyStarves(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for total := 1; total <= 4; total++ {
		f := &traffic{State: State{Total: total, Limit: limit(3), Running: map[string]int{}, Served: map[string]time.Time{}}, longest: map[string]int{}}
		for second := range 400 {
			come := []string{"flood", "flood", "stream"}
			if second%7 == 0 {
				come = append(come, "drip")
			}
			f.turn(second, r, come...)
		}
		if f.longest["drip"] > 3*total+3 || f.longest["flood"] == 0 || f.longest["stream"] == 0 {
			t.Errorf("%d places: waited at most %v turns", total, f.longest)
		}
	}
}

func TestAPlaceIsToldWhenItIsNews(t *testing.T) {
	for _, c := range []struct {
		told, now int
		want      bool
	}{{1, 1, false}, {2, 1, true}, {10, 9, true}, {30, 29, false}, {30, 27, true}, {100, 95, false}, {100, 90, true}, {1, 2, true}, {0, 1, true}} {
		if got := Moved(c.told, c.now); got != c.want {
			t.Errorf("from %d to %d: %t", c.told, c.now, got)
		}
	}
}
