package plan

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// graph reads "a!false b<a c<a:Failed,b:Skipped+Failed d?": each word is a step with
// what it runs after; "?" lets the run go on when it fails, and what is behind
// "!" is its when, behind "&" its precondition; "%" is a step of onFailure and
// "~" one of finally.
func graph(text string) run.Run {
	r := run.Run{Namespace: "ops", Name: "run", UID: "u", Deadline: noon().Add(time.Hour), FinallyTimeout: 10 * time.Minute, Values: run.Values{
		Parameters: map[string]json.RawMessage{"n": json.RawMessage("3")}, ParameterTypes: map[string]string{"n": "integer"},
		OutputTypes: map[string]map[string]string{"a": {"size": "integer"}}}}
	for _, word := range strings.Fields(text) {
		word, must, _ := strings.Cut(word, "&")
		word, when, _ := strings.Cut(word, "!")
		name, needs, _ := strings.Cut(word, "<")
		stage := map[byte]run.Stage{'%': run.OnFailure, '~': run.Finally}[name[0]]
		step := run.Step{Name: strings.Trim(name, "%~?"), Stage: stage, Continue: strings.HasSuffix(name, "?"), When: when}
		if must != "" {
			step.Preconditions = []run.Precondition{{Condition: must, Message: "the world is wrong"}}
		}
		for _, need := range strings.FieldsFunc(needs, func(r rune) bool { return r == ',' }) {
			other, ends, special := strings.Cut(need, ":")
			if !special {
				step.RunAfter = append(step.RunAfter, other)
				continue
			}
			edge := run.Edge{Step: other}
			for _, end := range strings.Split(ends, "+") {
				edge.On = append(edge.On, run.State(end))
			}
			step.After = append(step.After, edge)
		}
		r.Steps = append(r.Steps, step)
	}
	return r
}

// seen reads "a=Running b=Failed".
func seen(text string) run.Observation {
	o := run.Observation{Steps: map[string]run.Seen{}}
	for _, word := range strings.Fields(text) {
		name, state, _ := strings.Cut(word, "=")
		s := run.Seen{State: run.State(state)}
		if s.State == run.Failed {
			s.Reason, s.Message = v1alpha1.ReasonOutOfMemory, "killed"
		}
		if s.State == run.Succeeded {
			s.Outputs = json.RawMessage(`{"size":7}`)
		}
		o.Steps[name] = s
	}
	return o
}

// told is a decision in one line.
func told(d run.Decision) string {
	var out []string
	notes := func(kind string, list []run.Note) {
		for _, n := range list {
			out = append(out, fmt.Sprintf("%s %s(%s)", kind, n.Step, n.Reason))
		}
	}
	if d.Stop != "" {
		out = append(out, "stop("+string(d.Stop)+")")
	}
	for _, name := range d.Start {
		out = append(out, "start "+name)
	}
	notes("hold", d.Hold)
	notes("skip", d.Skip)
	notes("done", d.Done)
	notes("fail", d.Fail)
	if d.Closing != nil {
		out = append(out, fmt.Sprintf("%s until %s after %s(%s)", d.Closing.Stage, d.Closing.Deadline.Sub(noon()), d.Closing.Outcome.State, d.Closing.Outcome.Reason))
	}
	if d.Outcome != nil {
		out = append(out, fmt.Sprintf("end %s(%s)", d.Outcome.State, d.Outcome.Reason))
	}
	if !d.WakeAt.IsZero() {
		out = append(out, "wake "+d.WakeAt.Sub(noon()).String())
	}
	return strings.Join(out, "; ")
}

func TestNext(t *testing.T) {
	decides(t, []situation{
		{"first steps", "a b<a c", "", "", "start a; start c; hold b(Waiting); wake 1h0m0s"},
		{"declared before what it needs", "b<a a", "", "", "start a; hold b(Waiting); wake 1h0m0s"},
		{"next step", "a b<a", "a=Succeeded", "", "start b; wake 1h0m0s"},
		{"all needs", "a b c<a,b", "a=Succeeded b=Running", "", "hold c(Waiting); wake 1h0m0s"},
		{"pending counts as running", "a b", "a=Pending", "one", "hold b(Queued); wake 1h0m0s"},
		{"one place", "a b c", "", "one", "start a; hold b(Queued); hold c(Queued); wake 1h0m0s"},
		{"no place means one", "a b", "", "none", "start a; hold b(Queued); wake 1h0m0s"},
		{"all done", "a b<a", "a=Succeeded b=Succeeded", "", "end Succeeded(Succeeded)"},
		{"done although cancelled", "a", "a=Succeeded", "cancel", "stop(Cancelled); end Succeeded(Succeeded)"},
		{"done although late", "a", "a=Succeeded", "late", "stop(Timeout); end Succeeded(Succeeded)"},
		{"failed", "a b<a c", "a=Failed", "", "skip b(DependencyFailed); skip c(FailFast); end Failed(OutOfMemory)"},
		{"failed while another runs", "a b<a c d", "a=Failed c=Running", "", "skip b(DependencyFailed); skip d(FailFast); wake 1h0m0s"},
		{"stopped from outside", "a b<a", "a=Cancelled", "", "skip b(DependencyFailed); end Failed(StepFailed)"},
		{"suspended", "a b<a", "a=Succeeded", "suspend", "hold b(Suspended); wake 1h0m0s"},
		{"suspended and failed", "a b", "a=Failed", "suspend", "skip b(FailFast); end Failed(OutOfMemory)"},
		{"suspended and late", "a b", "a=Succeeded", "suspend late", "stop(Timeout); skip b(Timeout); end Failed(Timeout)"},
		{"cancelled while running", "a b<a", "a=Running", "cancel", "stop(Cancelled); skip b(Cancelled); wake 1h0m0s"},
		{"cancelled", "a b<a", "a=Cancelled", "cancel", "stop(Cancelled); skip b(Cancelled); end Cancelled(Cancelled)"},
		{"cancelled and late", "a b<a", "a=Cancelled", "cancel late", "stop(Cancelled); skip b(Cancelled); end Cancelled(Cancelled)"},
		{"cancelled, and one failed", "a b<a", "a=Failed", "cancel", "stop(Cancelled); skip b(Cancelled); end Cancelled(Cancelled)"},
		{"late while running", "a b<a", "a=Running", "late", "stop(Timeout); skip b(Timeout)"},
		{"late", "a b<a", "a=Cancelled", "late", "stop(Timeout); skip b(Timeout); end Failed(Timeout)"},
		{"late before anything", "a", "", "late", "stop(Timeout); skip a(Timeout); end Failed(Timeout)"},
		{"the engine orders", "a b<a c", "", "orders one", "start a; start b; start c; wake 1h0m0s"},
		{"the engine orders and one failed", "a b<a", "a=Failed b=Cancelled", "orders", "end Failed(OutOfMemory)"},
		{"a need that is nowhere is waited for until the deadline", "a<x", "", "", "hold a(Waiting); wake 1h0m0s"},
		{"undo after a failure", "a u<a:Failed v<u c", "a=Failed", "", "start u; hold v(Waiting); skip c(FailFast); wake 1h0m0s"},
		{"undone", "a u<a:Failed", "a=Failed u=Succeeded", "", "end Failed(OutOfMemory)"},
		{"nothing to undo", "a u<a:Failed v<u w<u:Skipped", "a=Succeeded", "", "start w; skip u(EdgeNotTaken); skip v(DependencySkipped); wake 1h0m0s"},
		{"what was not needed does not matter", "a u<a:Failed", "a=Succeeded", "", "skip u(EdgeNotTaken); end Succeeded(Succeeded)"},
		{"a stopped step is not a failed one", "a u<a:Failed", "a=Cancelled", "", "skip u(EdgeNotTaken); end Failed(StepFailed)"},
		{"however it ended", "a b<a:Always", "a=Failed", "", "start b; wake 1h0m0s"},
		{"one of two ends", "a b<a:Succeeded+Skipped", "a=Succeeded", "", "start b; wake 1h0m0s"},
		{"the failure does not matter", "a? b<a c", "a=Failed", "", "start c; skip b(DependencyFailed); wake 1h0m0s"},
		{"the failure did not matter", "a? b<a c", "a=Failed c=Succeeded", "", "skip b(DependencyFailed); end Succeeded(Succeeded)"},
		{"going on", "a b<a c d<c", "a=Failed", "go on", "start c; hold d(Waiting); skip b(DependencyFailed); wake 1h0m0s"},
		{"went on", "a b<a c", "a=Failed c=Succeeded", "go on", "skip b(DependencyFailed); end Failed(OutOfMemory)"},
		{"may yet come behind a failure", "a c d<c:Failed e<c", "a=Failed c=Running", "", "hold d(Waiting); hold e(Waiting); wake 1h0m0s"},
		{"came behind a failure", "a c d<c:Failed e<c", "a=Failed c=Failed", "", "start d; skip e(DependencyFailed); wake 1h0m0s"},
		{"did not come behind a failure", "a c d<c:Failed e<c", "a=Failed c=Succeeded", "", "skip d(EdgeNotTaken); skip e(FailFast); end Failed(OutOfMemory)"},
		{"cancelled with nothing left to do", "a u<a:Failed", "a=Succeeded", "cancel", "stop(Cancelled); skip u(Cancelled); end Cancelled(Cancelled)"},
		{"a step that is not ours", "a", "a=Succeeded z=Running", "", "end Succeeded(Succeeded)"},
	})
}

// situation is what is known, and what shall be decided.
type situation struct{ name, graph, seen, set, want string }

func decides(t *testing.T, cases []situation) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := stateOf(c.graph, c.seen, c.set)
			got := Next(s)
			if diff := cmp.Diff(c.want, told(got)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(got, Next(s)); diff != "" {
				t.Errorf("asked again it decides otherwise:\n%s", diff)
			}
			messages(t, got)
		})
	}
}

// stateOf is a State with some things set, such as "one cancel".
func stateOf(steps, observed, set string) State {
	s := State{Run: graph(steps), Seen: seen(observed), Now: noon(), MaxParallel: 5}
	for _, word := range strings.Fields(set) {
		switch word {
		case "one":
			s.MaxParallel = 1
		case "none":
			s.MaxParallel = 0
		case "cancel":
			s.Cancelled = true
		case "terminate":
			s.Terminated = true
		case "suspend":
			s.Suspended = true
		case "on":
			s.Run.GoOn = true
		case "late":
			s.Now = s.Run.Deadline
		case "failed", "finally", "undone":
			s.Run.Closing = closing(word)
		case "orders":
			s.Traits.OrdersSteps = true
		}
	}
	return s
}

// messages holds that everything told has a reason and a text.
func messages(t *testing.T, d run.Decision) {
	t.Helper()
	for _, n := range append(append([]run.Note{}, d.Hold...), append(d.Skip, d.Fail...)...) {
		if n.Reason == "" || n.Message == "" {
			t.Errorf("%+v lacks reason or message", n)
		}
	}
	if d.Outcome != nil && (d.Outcome.Reason == "" || d.Outcome.Message == "") {
		t.Errorf("%+v lacks reason or message", d.Outcome)
	}
}

// BenchmarkNext plans a graph of which a third has ended, and prints how often
// the time it takes is that of ordering the same graph, the floor of any plan.
func BenchmarkNext(b *testing.B) {
	for _, n := range []int{64, 1000} {
		b.Run(fmt.Sprintf("%d-steps", n), func(b *testing.B) {
			var words, states []string
			for i := range n {
				word := fmt.Sprintf("s%d", i)
				if i >= 8 {
					word += fmt.Sprintf("<s%d,s%d", i-8, i-7)
				}
				if words = append(words, word); i < n/3 {
					states = append(states, fmt.Sprintf("s%d=Succeeded", i))
				}
			}
			s := State{Run: graph(strings.Join(words, " ")), Seen: seen(strings.Join(states, " ")), Now: noon(), MaxParallel: 5}
			b.ReportAllocs()
			for b.Loop() {
				Next(s)
			}
			planned := b.Elapsed() / time.Duration(b.N)
			begin, rounds := time.Now(), max(1, b.N/4)
			for range rounds {
				order(s.Run.Steps)
			}
			b.ReportMetric(float64(planned)/float64(time.Since(begin)/time.Duration(rounds)), "x-ordering")
		})
	}
}
