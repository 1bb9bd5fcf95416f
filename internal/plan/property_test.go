package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
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
	skipped map[string]run.Reason
	// last is what became of the newest attempt of a step, as long as it failed.
	last map[string]run.Seen

	// whole is the run before its lists are known; lists are what steps put out.
	whole run.Run
	lists map[string]int

	stopping bool
	// told is what the planner was told last.
	told map[string]run.State
}

// TestAnyGraphInAnyOrder holds the rules of Next over random graphs, outcomes
// and orders of events. A failure prints its seed.
func TestAnyGraphInAnyOrder(t *testing.T) {
	came := map[string]int{}
	for seed := range uint64(3000) {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			s := newSim(t, seed)
			defer s.tally(came)
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
	t.Log(came)
	if len(came) < 7 || slices.Contains(slices.Collect(maps.Values(came)), 0) {
		t.Errorf("not every end of a step with forEach was reached: %v", came)
	}
}

// tally counts what became of the steps with forEach.
func (s *sim) tally(came map[string]int) {
	for _, step := range s.state.Run.Steps {
		switch state := s.truth[step.Name]; {
		case step.Of != nil && s.started[step.Name] > 0:
			came["items started"]++
		case step.ForEach == nil || state == run.Absent:
		case s.refused(step):
			came["lists refused"]++
		case s.size(step) == 0:
			came["lists empty"]++
		default:
			came["gathered as "+string(state)]++
		}
	}
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, rand: rand.New(rand.NewPCG(seed, 1)), truth: map[string]run.State{}, started: map[string]int{}, skipped: map[string]run.Reason{}, last: map[string]run.Seen{}, told: map[string]run.State{}, lists: map[string]int{}}
	r := run.Run{UID: fmt.Sprint(seed), Deadline: noon().Add(time.Hour), FinallyTimeout: time.Minute}
	stages := slices.Concat(slices.Repeat([]run.Stage{run.Main}, 1+s.rand.IntN(12)),
		slices.Repeat([]run.Stage{run.OnFailure}, s.rand.IntN(3)), slices.Repeat([]run.Stage{run.Finally}, s.rand.IntN(3)))
	for i, stage := range stages {
		step := run.Step{Name: fmt.Sprintf("s%d", i), Stage: stage}
		for j := range i {
			switch pick := s.rand.IntN(8); {
			case stages[j] != stage:
			case pick < 2:
				step.RunAfter = append(step.RunAfter, fmt.Sprintf("s%d", j))
			case pick == 2:
				step.After = append(step.After, run.Edge{Step: fmt.Sprintf("s%d", j), On: s.ends()})
			}
		}
		step.Continue = s.rand.IntN(6) == 0
		s.condition(&step)
		step.Retries = s.retries()
		s.repeat(&step)
		r.Steps = append(r.Steps, step)
	}
	r.Values.OutputTypes = map[string]map[string]string{}
	for _, step := range r.Steps {
		r.Values.OutputTypes[step.Name] = map[string]string{}
	}
	s.rand.Shuffle(len(stages), func(i, j int) { r.Steps[i], r.Steps[j] = r.Steps[j], r.Steps[i] })
	r.GoOn = s.rand.IntN(4) == 0
	s.whole = r
	s.state = State{Run: r, Now: noon(), MaxParallel: 1 + s.rand.IntN(4)}
	return s
}

// condition gives some steps a when about one of those they come after, and
// some a precondition that does not hold.
func (s *sim) condition(step *run.Step) {
	if needs := step.Needs(); len(needs) > 0 && s.rand.IntN(4) == 0 {
		step.When = fmt.Sprintf("steps.%s.phase == 'Succeeded'", needs[0].Step)
	}
	if s.rand.IntN(12) == 0 {
		step.Preconditions = []run.Precondition{{Condition: "true"}, {Condition: "execution.name == 'other'"}}
	}
}

// longest is the longest list that a step with forEach takes.
const longest = 3

// repeat repeats some steps for each item of a list, which stands there or is
// put out by a step before; some lists are empty, and some too long.
func (s *sim) repeat(step *run.Step) {
	s.lists[step.Name] = s.rand.IntN(longest + 2)
	if s.rand.IntN(5) > 0 {
		return
	}
	step.ForEach = &run.ForEach{Max: longest, Items: list(s.rand.IntN(longest + 2))}
	if len(step.RunAfter) > 0 && s.rand.IntN(2) == 0 {
		step.ForEach.Items = fmt.Appendf(nil, `"$(steps.%s.outputs.list)"`, step.RunAfter[0])
	}
}

// list is one of n items, as JSON.
func list(n int) json.RawMessage {
	return fmt.Appendf(nil, "[%s]", strings.TrimSuffix(strings.Repeat(`"x",`, n), ","))
}

// size is how many items a step with forEach has to take; -1 if its list comes
// from a step that has none and so puts out nothing.
func (s *sim) size(step run.Step) int {
	from, found := strings.CutPrefix(string(step.ForEach.Items), `"$(steps.`)
	if !found {
		return strings.Count(string(step.ForEach.Items), "x")
	}
	from, _, _ = strings.Cut(from, ".")
	before := s.step(from)
	if before.ForEach == nil {
		return s.lists[from]
	}
	if n := s.size(before); n > 0 {
		return n
	}
	return -1
}

// refused says whether the list of a step is one that it does not take.
func (s *sim) refused(step run.Step) bool {
	return step.ForEach != nil && (s.size(step) < 0 || s.size(step) > longest)
}

// ends are one or two ends of a step.
func (s *sim) ends() []run.State {
	all := []run.State{run.Succeeded, run.Failed, run.Skipped, run.AnyEnd}
	s.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+s.rand.IntN(2)]
}

// retries are none, the usual ones, or any.
func (s *sim) retries() run.Retries {
	switch r := run.DefaultRetries(); s.rand.IntN(3) {
	case 0:
		return run.Retries{}
	case 1:
		return r
	default:
		all := []run.Cause{run.RetryableExit, run.Timeout, run.Infrastructure}
		s.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return run.Retries{Limit: s.rand.IntN(6), Causes: all[:1+s.rand.IntN(3)], Initial: r.Initial, Max: 3 * r.Initial, Factor: 1 + s.rand.IntN(4)}
	}
}

// step finds a step by its name.
func (s *sim) step(name string) run.Step {
	i := slices.IndexFunc(s.state.Run.Steps, func(step run.Step) bool { return step.Name == name })
	return s.state.Run.Steps[i]
}

// stand is where a step truly stands, skipped ones included.
func (s *sim) stand(name string) run.State {
	if s.skipped[name] != "" {
		return run.Skipped
	}
	return s.truth[name]
}

// grave says whether a failure of the step, as it was told, ends the run; one
// that is to be repeated does not, unless that was given up.
func (s *sim) grave(name string, state run.State) bool {
	if state == run.Failed && s.again(name) {
		return s.failed() && !s.state.Run.GoOn && !s.behind(name) && !s.step(name).Continue
	}
	return state == run.Cancelled || state == run.Failed && !s.step(name).Continue
}

// failed says whether a failure ends the stage that nothing mends.
func (s *sim) failed() bool {
	for name, state := range s.now() {
		if state == run.Cancelled || state == run.Failed && !s.step(name).Continue && !s.again(name) {
			return true
		}
	}
	return false
}

// again says whether a step that was told to have failed is to be repeated: a
// second, plain telling of the rules.
func (s *sim) again(name string) bool {
	step, last := s.step(name), s.last[name]
	if s.told[name] != run.Failed || last.Cause == "" || s.past(name) || s.cancelled() {
		return false
	}
	if at := Due(s.state.Run.UID, step, last); !latest(at, s.state.Now).Before(s.deadline()) {
		return false
	}
	if last.Cause == run.Infrastructure && !last.Began {
		return last.Lost < 10
	}
	mayTwice := !last.Began || last.Repeatable || last.Cause == run.RetryableExit
	return mayTwice && last.Attempt-last.Lost < 1+step.Retries.Limit && slices.Contains(step.Retries.Causes, last.Cause)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// behind says whether a step comes after one whose failure ends the run.
func (s *sim) behind(name string) bool {
	for _, edge := range s.step(name).Needs() {
		if s.grave(edge.Step, s.told[edge.Step]) || s.behind(edge.Step) {
			return true
		}
	}
	return false
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
	for _, n := range d.Skip {
		s.skipped[n.Step] = n.Reason
	}
	s.written(d)
	if d.Closing != nil {
		s.close(d)
	}
	for _, name := range d.Start {
		s.start(name)
	}
	s.stopping = d.Stop != ""
	if d.Outcome != nil {
		s.end(*d.Outcome)
		return true
	}
	return false
}

// written does what the caller does with ends that are decided: it writes them
// down, so that they are seen next time.
func (s *sim) written(d run.Decision) {
	for _, n := range d.Fail {
		step := s.step(n.Step)
		if len(step.Preconditions) == 0 && !s.refused(step) {
			s.t.Fatalf("%s fails without a reason: %+v", n.Step, n)
		}
		s.truth[n.Step], s.last[n.Step] = run.Failed, run.Seen{State: run.Failed}
	}
	for _, n := range d.Done {
		if step := s.step(n.Step); step.ForEach == nil || s.size(step) > 0 {
			s.t.Fatalf("%s is done without having run: %+v", n.Step, n)
		}
		s.truth[n.Step] = run.Succeeded
	}
	for _, step := range s.state.Run.Steps {
		if s.truth[step.Name] == run.Absent && s.skipped[step.Name] == "" && s.gathered(step, d) {
			s.truth[step.Name] = Worst(s.units(step, d))
			if s.truth[step.Name] == run.Failed {
				s.last[step.Name] = run.Seen{State: run.Failed}
			}
		}
	}
}

// units are the states of a step's items after a decision.
func (s *sim) units(step run.Step, d run.Decision) []run.State {
	out := make([]run.State, 0, len(step.ForEach.Units))
	for _, name := range step.ForEach.Units {
		switch has := func(list []run.Note) bool {
			return slices.ContainsFunc(list, func(n run.Note) bool { return n.Step == name })
		}; {
		case has(d.Skip):
			out = append(out, run.Skipped)
		case has(d.Fail):
			out = append(out, run.Failed)
		case s.again(name) && (has(d.Hold) || slices.Contains(d.Start, name)):
			out = append(out, run.Pending)
		default:
			out = append(out, s.told[name])
		}
	}
	return out
}

// gathered says whether a step with forEach has items and all of them ended.
func (s *sim) gathered(step run.Step, d run.Decision) bool {
	if step.ForEach == nil || len(step.ForEach.Units) == 0 {
		return false
	}
	state := Worst(s.units(step, d))
	return state.Ended() || state == run.Skipped
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
	case s.rand.IntN(5) == 0:
		s.truth[name] = run.Failed
		s.fail(name)
	default:
		s.truth[name] = run.Succeeded
	}
}

// fail says what became of the newest attempt of a step.
func (s *sim) fail(name string) {
	causes := []run.Cause{"", run.RetryableExit, run.RetryableExit, run.Timeout, run.Infrastructure, run.Infrastructure}
	seen := s.last[name]
	lost := seen.Lost
	if seen.Uncounted() {
		lost++
	}
	s.last[name] = run.Seen{State: run.Failed, Attempt: s.started[name], Lost: lost, Cause: causes[s.rand.IntN(len(causes))],
		Began: s.rand.IntN(2) == 0, Repeatable: s.rand.IntN(2) == 0, Finished: s.state.Now}
}

// people suspend, resume and cancel; time passes.
func (s *sim) people() {
	switch s.rand.IntN(60) {
	case 0:
		s.state.Suspended = true
	case 1:
		s.state.Cancelled = true
	case 2:
		s.state.Now = s.deadline()
	case 3:
		s.state.Terminated = s.rand.IntN(3) == 0 || s.state.Terminated
	default:
		if s.rand.IntN(5) == 0 {
			s.state.Suspended = false
		}
		if next := s.state.Now.Add(time.Duration(s.rand.IntN(8000)) * time.Millisecond); next.Before(s.deadline()) {
			s.state.Now = next
		}
	}
}

// past says whether a step belongs to a stage that ended.
func (s *sim) past(name string) bool { return s.step(name).Stage.Before(s.state.Run.Stage()) }

// close begins another stage, in which nothing of the one before runs.
func (s *sim) close(d run.Decision) {
	if running := s.in(run.Running, run.Pending); len(running) > 0 || len(d.Start) > 0 || d.Outcome != nil || !s.state.Run.Stage().Before(d.Closing.Stage) {
		s.t.Fatalf("%s follows %s while %v run: %s", d.Closing.Stage, s.state.Run.Stage(), running, told(d))
	}
	if want := s.state.Now.Add(time.Minute); !d.Closing.Deadline.Equal(want) {
		s.t.Fatalf("the stage ends at %s, want %s", d.Closing.Deadline, want)
	}
	s.state.Run.Closing = d.Closing
}

// deadline is that of the stage that runs.
func (s *sim) deadline() time.Time {
	if c := s.state.Run.Closing; c != nil {
		return c.Deadline
	}
	return s.state.Run.Deadline
}

// cancelled says whether what runs now has to stop.
func (s *sim) cancelled() bool {
	return s.state.Terminated || s.state.Cancelled && s.state.Run.Stage() != run.Finally
}

// now lists what was told of the stage that runs.
func (s *sim) now() map[string]run.State {
	out := maps.Clone(s.told)
	maps.DeleteFunc(out, func(name string, _ run.State) bool { return s.step(name).Stage != s.state.Run.Stage() })
	return out
}

// observe tells the truth, or what was true one round ago of some steps; that a
// step was started is known at once, because the engine tells it by its answer.
func (s *sim) observe() {
	seen := run.Observation{Steps: map[string]run.Seen{}}
	for name, state := range s.truth {
		if old, known := s.told[name]; known && !s.past(name) && s.rand.IntN(3) == 0 {
			state = old
		}
		s.told[name] = state
		seen.Steps[name] = run.Seen{State: state, Attempt: s.started[name]}
		switch {
		case state == run.Failed:
			seen.Steps[name] = s.last[name]
		case state == run.Succeeded && s.step(name).ForEach == nil:
			one := seen.Steps[name]
			one.Outputs = fmt.Appendf(nil, `{"list":%s}`, list(s.lists[name]))
			seen.Steps[name] = one
		}
	}
	for name, reason := range s.skipped {
		delete(s.told, name)
		if s.past(name) || s.rand.IntN(3) > 0 { // else what was written down is not read yet
			s.told[name], seen.Steps[name] = run.Skipped, run.Seen{State: run.Skipped, Reason: reason}
		}
	}
	s.state.Seen = seen
	s.expand()
}

// expand puts in the items of lists that are known by now, of which there are
// the right number and no more or less another time.
func (s *sim) expand() {
	closing := s.state.Run.Closing
	s.state.Run = Expand(s.whole, s.state.Seen)
	s.state.Run.Closing = closing
	for _, step := range s.state.Run.Steps {
		if step.ForEach == nil || step.ForEach.Units == nil && step.ForEach.Problem == nil {
			continue
		}
		from := strings.HasPrefix(string(step.ForEach.Items), `"`)
		if n := s.size(step); step.ForEach.Problem == nil && len(step.ForEach.Units) != n || !from && (step.ForEach.Problem != nil) != s.refused(step) {
			s.t.Fatalf("%s has %d items of %d: %+v", step.Name, len(step.ForEach.Units), n, step.ForEach.Problem)
		}
	}
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
	s.once(name)
	s.started[name]++
	if s.step(name).ForEach != nil {
		s.t.Fatalf("%s is started itself and not its items", name)
	}
	if len(s.step(name).Preconditions) > 0 {
		s.t.Fatalf("%s is started though its precondition never holds", name)
	}
	s.told[name] = run.Pending
	for _, edge := range s.step(name).Needs() {
		if Ask(edge.On, s.stand(edge.Step)) != Go {
			s.t.Fatalf("%s is started and %s, after whose %v it runs, is %q", name, edge.Step, edge.On, s.stand(edge.Step))
		}
	}
	if needs := s.step(name).Needs(); s.step(name).When != "" && s.stand(needs[0].Step) != run.Succeeded {
		s.t.Fatalf("%s is started although its when is false", name)
	}
	if stage := s.step(name).Stage; stage != s.state.Run.Stage() {
		s.t.Fatalf("%s of %s is started in %s", name, stage, s.state.Run.Stage())
	}
	s.truth[name] = run.Pending
	if n := len(s.in(run.Running, run.Pending)); n > s.state.MaxParallel {
		s.t.Fatalf("%d steps run and %d may", n, s.state.MaxParallel)
	}
}

// once holds that a step is started once, but for attempts that may be repeated
// and whose pause is over.
func (s *sim) once(name string) {
	s.t.Helper()
	if s.skipped[name] != "" || s.started[name] > 0 && !s.again(name) {
		s.t.Fatalf("%s is started after %d attempts, skipped %v: %+v", name, s.started[name], s.skipped[name], s.last[name])
	}
	last, r := s.last[name], s.step(name).Retries
	if s.started[name] == 0 {
		return
	}
	pause := r.Initial
	for range last.Attempt - 1 {
		pause = min(pause*time.Duration(max(1, r.Factor)), r.Max)
	}
	if since := s.state.Now.Sub(last.Finished); since < pause*9/10 {
		s.t.Fatalf("%s is tried again after %s, before %s less 10 %%", name, since, pause)
	}
	if s.started[name] > r.Limit+run.MaxLost {
		s.t.Fatalf("%s is started after %d attempts: %+v", name, s.started[name], r)
	}
}

// hold checks a decision against what the planner was told.
func (s *sim) hold(d run.Decision) {
	bad := s.failed()
	late := !s.state.Now.Before(s.deadline())
	if len(d.Start) > 0 && (late || s.state.Suspended || s.cancelled()) {
		s.t.Fatalf("%v are started: late %v, suspended %v, cancelled %v", d.Start, late, s.state.Suspended, s.state.Cancelled)
	}
	if stray := slices.IndexFunc(d.Start, func(name string) bool { return !s.behind(name) }); bad && !s.state.Run.GoOn && stray >= 0 {
		s.t.Fatalf("%s is started after a failure that it does not come after", d.Start[stray])
	}
	s.wakes(d, late)
	s.account(d)
}

// wakes holds that what runs is stopped in time and that nobody sleeps on.
func (s *sim) wakes(d run.Decision, late bool) {
	s.t.Helper()
	if (d.Stop != "") != (late || s.cancelled()) {
		s.t.Fatalf("stop is %q: late %v, cancelled %v", d.Stop, late, s.state.Cancelled)
	}
	want := s.deadline()
	for _, n := range d.Hold {
		if n.Reason == v1alpha1.ReasonRetrying && n.RetryAt.Before(want) {
			want = n.RetryAt
		}
	}
	if len(d.Fail) > 0 || d.Closing != nil {
		want = s.state.Now
	}
	if d.Outcome == nil && (!late || d.Closing != nil) && !d.WakeAt.Equal(want) {
		s.t.Fatalf("nobody wakes up at the deadline or for the next attempt at %s: %s", want, told(d))
	}
}

// account holds that each step is started, skipped, held or known.
func (s *sim) account(d run.Decision) {
	s.t.Helper()
	decided := map[string]int{}
	for _, name := range d.Start {
		decided[name]++
	}
	for _, n := range slices.Concat(d.Skip, d.Fail, d.Hold, d.Done) {
		decided[n.Step]++
	}
	for _, step := range s.state.Run.Steps {
		least, most := s.decisions(step, d)
		if n := decided[step.Name]; n < least || n > most {
			s.t.Fatalf("%s is decided %d times: %s", step.Name, n, told(d))
		}
	}
}

// decisions is how often a step may be decided about. One that gathers items
// which have ended is what they came to, and needs no decision.
func (s *sim) decisions(step run.Step, d run.Decision) (least, most int) {
	_, known := s.told[step.Name]
	switch {
	case known && !s.again(step.Name):
		return 0, 0
	case known || s.gathered(step, d):
		return 0, 1
	}
	return 1, 1
}

// end checks how the run ended.
func (s *sim) end(o run.Outcome) {
	if running := s.in(run.Running, run.Pending); len(running) > 0 {
		s.t.Fatalf("the run ended %s and %v run", o.State, running)
	}
	done := len(s.in(run.Succeeded)) == len(s.state.Run.Steps)
	bad := slices.ContainsFunc(s.state.Run.Steps, func(step run.Step) bool { return matters(step, s.truth[step.Name]) })
	if bad && o.State == run.Succeeded || done && o.State != run.Succeeded {
		s.t.Fatalf("the run ended %s with %v", o.State, s.truth)
	}
	if o.State == run.Cancelled && !s.state.Cancelled && !s.state.Terminated {
		s.t.Fatalf("the run ended %s (%s), cancelled %v", o.State, o.Reason, s.state.Cancelled)
	}
	if o.Reason == v1alpha1.ReasonTimeout && s.state.Now.Before(s.state.Run.Deadline) && s.state.Run.Closing == nil {
		s.t.Fatal("timeout before the deadline")
	}
	s.closed(o)
}

// closed checks that the closing stages were reached as they must.
func (s *sim) closed(o run.Outcome) {
	if len(s.state.Run.In(run.Finally)) > 0 && !s.state.Terminated && s.state.Run.Stage() != run.Finally {
		s.t.Fatalf("the run ended %s before its finally", o.State)
	}
	for _, step := range s.state.Run.In(run.OnFailure) {
		if o.State == run.Succeeded && s.truth[step.Name] != run.Absent {
			s.t.Fatalf("%s ran and the run succeeded", step.Name)
		}
	}
}
