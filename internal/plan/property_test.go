package plan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// sim is an engine whose steps end in any order and whose observations come
// late and repeatedly.
type sim struct {
	t       *testing.T
	rand    *rand.Rand
	state   State
	truth   map[string]run.State
	started map[string]int
	skipped map[string]bool

	stopping bool
	// told is what the planner was told last.
	told map[string]run.State
}

// TestAnyGraphInAnyOrder holds the rules of Next over random graphs, outcomes
// and orders of events. A failure prints its seed.
func TestAnyGraphInAnyOrder(t *testing.T) {
	for seed := range uint64(3000) {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			s := newSim(t, seed)
			for round := 0; ; round++ {
				if round > 2000 {
					t.Fatalf("the run does not end: %v", s.truth)
				}
				if s.round() {
					return
				}
			}
		})
	}
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, rand: rand.New(rand.NewPCG(seed, 1)), truth: map[string]run.State{}, started: map[string]int{}, skipped: map[string]bool{}, told: map[string]run.State{}}
	n := 1 + s.rand.IntN(12)
	r := run.Run{Deadline: noon().Add(time.Hour)}
	for i := range n {
		step := run.Step{Name: fmt.Sprintf("s%d", i)}
		for j := range i {
			if s.rand.IntN(4) == 0 {
				step.RunAfter = append(step.RunAfter, fmt.Sprintf("s%d", j))
			}
		}
		r.Steps = append(r.Steps, step)
	}
	s.rand.Shuffle(n, func(i, j int) { r.Steps[i], r.Steps[j] = r.Steps[j], r.Steps[i] })
	s.state = State{Run: r, Now: noon(), MaxParallel: 1 + s.rand.IntN(4)}
	return s
}

// round is one event and one decision; true when the run ended.
func (s *sim) round() bool {
	s.world()
	s.people()
	s.observe()
	d := Next(s.state)
	if diff := cmp.Diff(d, Next(s.state)); diff != "" {
		s.t.Fatalf("the same state gives another decision:\n%s", diff)
	}
	s.hold(d)
	for _, name := range d.Start {
		s.start(name)
	}
	for _, n := range d.Skip {
		s.skipped[n.Step] = true
	}
	s.stopping = d.Stop != ""
	if d.Outcome != nil {
		s.end(*d.Outcome)
		return true
	}
	return false
}

// world lets one running step come to something.
func (s *sim) world() {
	running := s.in(run.Running, run.Pending)
	if len(running) == 0 || s.rand.IntN(3) == 0 {
		return
	}
	name := running[s.rand.IntN(len(running))]
	switch {
	case s.truth[name] == run.Pending:
		s.truth[name] = run.Running
	case s.stopping:
		s.truth[name] = run.Cancelled
	case s.rand.IntN(8) == 0:
		s.truth[name] = run.Failed
	default:
		s.truth[name] = run.Succeeded
	}
}

// people suspend, resume and cancel; time passes.
func (s *sim) people() {
	switch s.rand.IntN(60) {
	case 0:
		s.state.Suspended = true
	case 1:
		s.state.Cancelled = true
	case 2:
		s.state.Now = s.state.Run.Deadline
	default:
		if s.rand.IntN(5) == 0 {
			s.state.Suspended = false
		}
	}
}

// observe tells the truth, or what was true one round ago of some steps; that a
// step was started is known at once, because the engine tells it by its answer.
func (s *sim) observe() {
	seen := run.Observation{Steps: map[string]run.Seen{}}
	for name, state := range s.truth {
		if old, known := s.told[name]; known && s.rand.IntN(3) == 0 {
			state = old
		}
		s.told[name] = state
		seen.Steps[name] = run.Seen{State: state}
	}
	s.state.Seen = seen
}

func (s *sim) in(states ...run.State) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.truth)) {
		if slices.Contains(states, s.truth[name]) {
			out = append(out, name)
		}
	}
	return out
}

func (s *sim) start(name string) {
	s.started[name]++
	if s.started[name] > 1 || s.skipped[name] {
		s.t.Fatalf("%s is started %d times, skipped %v", name, s.started[name], s.skipped[name])
	}
	i := slices.IndexFunc(s.state.Run.Steps, func(step run.Step) bool { return step.Name == name })
	for _, need := range s.state.Run.Steps[i].RunAfter {
		if s.truth[need] != run.Succeeded {
			s.t.Fatalf("%s is started and %s, which it runs after, is %q", name, need, s.truth[need])
		}
	}
	s.truth[name] = run.Pending
	if n := len(s.in(run.Running, run.Pending)); n > s.state.MaxParallel {
		s.t.Fatalf("%d steps run and %d may", n, s.state.MaxParallel)
	}
}

// hold checks a decision against what the planner was told.
func (s *sim) hold(d run.Decision) {
	known := slices.Collect(maps.Values(s.told))
	bad := slices.Contains(known, run.Failed) || slices.Contains(known, run.Cancelled)
	late := !s.state.Now.Before(s.state.Run.Deadline)
	closed := bad || late || s.state.Suspended || s.state.Cancelled
	if len(d.Start) > 0 && closed {
		s.t.Fatalf("%v are started: failed %v, late %v, suspended %v, cancelled %v", d.Start, bad, late, s.state.Suspended, s.state.Cancelled)
	}
	if (d.Stop != "") != (late || s.state.Cancelled) {
		s.t.Fatalf("stop is %q: late %v, cancelled %v", d.Stop, late, s.state.Cancelled)
	}
	s.account(d)
	if d.Outcome == nil && !late && !d.WakeAt.Equal(s.state.Run.Deadline) {
		s.t.Fatalf("nobody wakes up at the deadline: %s", told(d))
	}
}

// account holds that each step is started, skipped, held or known.
func (s *sim) account(d run.Decision) {
	s.t.Helper()
	mentioned := len(d.Start) + len(d.Skip) + len(d.Hold) + len(s.told)
	if mentioned != len(s.state.Run.Steps) {
		s.t.Fatalf("%d of %d steps are accounted for: %s", mentioned, len(s.state.Run.Steps), told(d))
	}
}

// end checks how the run ended.
func (s *sim) end(o run.Outcome) {
	if running := s.in(run.Running, run.Pending); len(running) > 0 {
		s.t.Fatalf("the run ended %s and %v run", o.State, running)
	}
	done := len(s.in(run.Succeeded)) == len(s.state.Run.Steps)
	if done != (o.State == run.Succeeded) {
		s.t.Fatalf("the run ended %s with %v", o.State, s.truth)
	}
	if o.State == run.Cancelled != (s.state.Cancelled && !done) {
		s.t.Fatalf("the run ended %s (%s), cancelled %v", o.State, o.Reason, s.state.Cancelled)
	}
	if o.Reason == v1alpha1.ReasonTimeout && s.state.Now.Before(s.state.Run.Deadline) {
		s.t.Fatal("timeout before the deadline")
	}
}
