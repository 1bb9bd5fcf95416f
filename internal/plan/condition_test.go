package plan

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/internal/run"
)

func TestConditions(t *testing.T) {
	decides(t, []situation{
		{"when is true", "a!params.n==3", "", "", "start a; wake 1h0m0s"},
		{"when is false", "a!params.n>3 b<a c<a:Skipped", "", "", "start c; skip a(WhenFalse); skip b(DependencySkipped); wake 1h0m0s"},
		{"nothing had to be done", "a!params.n>3", "", "", "skip a(WhenFalse); end Succeeded(Succeeded)"},
		{"nothing had to be done, as was written down", "a!params.n>3", "a=Skipped", "", "end Succeeded(Succeeded)"},
		{"when is asked once all edges are taken", "a b<a!steps.a.outputs.size>5", "a=Running", "", "hold b(Waiting); wake 1h0m0s"},
		{"when of an output", "a b<a!steps.a.outputs.size>5", "a=Succeeded", "", "start b; wake 1h0m0s"},
		{"when is asked before there is a place", "a b!params.n>3 c", "a=Running", "one", "hold c(Queued); skip b(WhenFalse); wake 1h0m0s"},
		{"when of what another step came to", "a? b<a:Always!steps.a.reason=='OutOfMemory'", "a=Failed", "", "start b; wake 1h0m0s"},
		{"when of what was just skipped", "a!false b<a:Always!steps.a.phase=='Skipped'", "", "", "start b; skip a(WhenFalse); wake 1h0m0s"},
		{"when has no value", "a? b<a:Always!steps.a.outputs.size>5 c<b:Always", "a=Failed", "", "start c; fail b(ConditionFailed); wake 0s"},
		{"when may ask whether there is a value", "a? b<a:Always!has(steps.a.outputs.size)", "a=Failed", "", "skip b(WhenFalse); end Succeeded(Succeeded)"},
		{"precondition", "a&params.n==3", "", "", "start a; wake 1h0m0s"},
		{"precondition does not hold", "a&params.n>3 b<a", "", "", "skip b(DependencyFailed); fail a(PreconditionFailed); wake 0s"},
		{"precondition did not hold", "a&params.n>3 b<a", "a=Failed", "", "skip b(DependencyFailed); end Failed(OutOfMemory)"},
		{"precondition is asked when there is a place", "a b&params.n>3", "a=Running", "one", "hold b(Queued); wake 1h0m0s"},
		{"precondition is not asked of what is skipped", "a!false&params.n>3", "", "", "skip a(WhenFalse); end Succeeded(Succeeded)"},
	})
}

// Conditions decide whether a step begins, not whether it is tried again: no
// attempt after the first one is kept back by them.
func TestConditionsAreAskedOnce(t *testing.T) {
	for _, condition := range []string{"a!params.n==3", "a&params.n==3"} {
		s := stateOf(condition, "", "")
		if diff := cmp.Diff("start a; wake 1h0m0s", told(Next(s))); diff != "" {
			t.Errorf("%s: first attempt (-want +got):\n%s", condition, diff)
		}
		s.Run.Steps[0].Retries = run.DefaultRetries()
		s.Seen.Steps = map[string]run.Seen{"a": failureOf(run.RetryableExit)}
		s.Run.Values.Parameters["n"] = json.RawMessage("4") // no run comes to that: parameters are pinned
		s.Now = noon().Add(time.Minute)
		if d := Next(s); len(d.Start) != 1 || len(d.Skip)+len(d.Fail) > 0 {
			t.Errorf("%s: second attempt: %s", condition, told(d))
		}
	}
}
