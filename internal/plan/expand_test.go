package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/internal/run"
)

// each makes a step of a run repeat for a list of at most three items.
func each(s State, step, items string) State {
	for i := range s.Run.Steps {
		if s.Run.Steps[i].Name == step {
			s.Run.Steps[i].ForEach = &run.ForEach{Items: json.RawMessage(items), Max: 3}
		}
	}
	s.Run.Values.Parameters["list"] = json.RawMessage(`["x","y"]`)
	s.Run = Expand(s.Run, s.Seen)
	return s
}

func TestForEach(t *testing.T) {
	for _, c := range []struct{ name, graph, items, seen, set, want string }{
		{"starts all", "a b<a", `["x","y"]`, "", "", "start a[0]; start a[1]; hold a(Waiting); hold b(Waiting); wake 1h0m0s"},
		{"of a parameter", "a", `"$(params.list)"`, "", "", "start a[0]; start a[1]; hold a(Waiting); wake 1h0m0s"},
		{"one place", "a", `[1,2,3]`, "a[0]=Running", "one", "hold a[1](Queued); hold a[2](Queued); hold a(Waiting); wake 1h0m0s"},
		{"one has ended", "a b<a", `[1,2]`, "a[0]=Succeeded a[1]=Running", "", "hold a(Waiting); hold b(Waiting); wake 1h0m0s"},
		{"all have ended", "a b<a", `[1,2]`, "a[0]=Succeeded a[1]=Succeeded", "", "start b; wake 1h0m0s"},
		{"all have ended, as was written down", "a b<a", `[1,2]`, "a=Succeeded a[0]=Succeeded a[1]=Succeeded", "", "start b; wake 1h0m0s"},
		{"one failed", "a b<a c<a:Failed", `[1,2]`, "a[0]=Failed a[1]=Succeeded", "", "start c; skip b(DependencyFailed); wake 1h0m0s"},
		{"why one failed", "a? b<a:Always!steps.a.reason=='OutOfMemory' c<a:Always!steps.a.reason=='Succeeded'", `[1,2]`, "a[0]=Succeeded a[1]=Failed", "", "start b; skip c(WhenFalse); wake 1h0m0s"},
		{"one failed and others have not started", "a", `[1,2]`, "a[0]=Failed", "one", "skip a[1](FailFast); end Failed(OutOfMemory)"},
		{"one failed and it does not matter", "a? b<a:Always", `[1,2]`, "a[0]=Failed a[1]=Succeeded", "", "start b; wake 1h0m0s"},
		{"one failed that does not matter and the others go on", "a?", `[1,2]`, "a[0]=Failed", "", "start a[1]; hold a(Waiting); wake 1h0m0s"},
		{"empty list", "a b<a", `[]`, "", "", "start b; done a(NoItems); wake 1h0m0s"},
		{"empty list is all", "a", `[]`, "", "", "done a(NoItems); end Succeeded(Succeeded)"},
		{"list too long", "a b<a", `[1,2,3,4]`, "", "", "skip b(DependencyFailed); fail a(TooManyItems); wake 0s"},
		{"no list", "a", `"$(params.n)"`, "", "", "fail a(ConditionFailed); wake 0s"},
		{"list of outputs that are not there yet", "b a<b", `"$(steps.b.outputs.size)"`, "b=Running", "", "hold a(Waiting); wake 1h0m0s"},
		{"when is false", "a!params.n>3 b<a:Skipped", `[1,2]`, "", "", "start b; skip a[0](WhenFalse); skip a[1](WhenFalse); wake 1h0m0s"},
		{"what it comes after failed", "b a<b", `[1,2]`, "b=Failed", "", "skip a[0](DependencyFailed); skip a[1](DependencyFailed); end Failed(OutOfMemory)"},
		{"cancelled", "a", `[1,2]`, "a[0]=Cancelled", "cancel", "stop(Cancelled); skip a[1](Cancelled); end Cancelled(Cancelled)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := each(stateOf(c.graph, c.seen, c.set), "a", c.items)
			got := Next(s)
			if diff := cmp.Diff(c.want, told(got)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			messages(t, got)
			if diff := cmp.Diff(s.Run, Expand(stripped(s.Run), s.Seen)); diff != "" {
				t.Errorf("expanded again it is another run:\n%s", diff)
			}
		})
	}
}

// stripped is the run as it was before its lists were known.
func stripped(r run.Run) run.Run {
	r.Steps = slices.DeleteFunc(slices.Clone(r.Steps), func(s run.Step) bool { return s.Of != nil })
	for i, s := range r.Steps {
		if s.ForEach == nil {
			continue
		}
		r.Steps[i].ForEach = &run.ForEach{Items: s.ForEach.Items, Max: s.ForEach.Max}
		r.Steps[i].After = slices.DeleteFunc(slices.Clone(s.After), func(e run.Edge) bool { return strings.HasPrefix(e.Step, s.Name+"[") })
		if len(r.Steps[i].After) == 0 {
			r.Steps[i].After = nil
		}
	}
	return r
}

// A step whose list nobody has made steps of is not taken for one with nothing
// to do.
func TestAListThatIsNotExpanded(t *testing.T) {
	s := stateOf("a b<a", "", "")
	s.Run.Steps[0].ForEach = &run.ForEach{Items: json.RawMessage(`[1]`), Max: 3}
	if diff := cmp.Diff("hold a(Waiting); hold b(Waiting); wake 1h0m0s", told(Next(s))); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

// Outputs of items are lists in their order, with null where one has none, and
// may be the list of another step.
func TestListsOfOutputs(t *testing.T) {
	s := stateOf("a b<a", "a[0]=Succeeded a[1]=Succeeded", "")
	second := s.Seen.Steps["a[1]"]
	second.Outputs = json.RawMessage(`{"other":true}`)
	s.Seen.Steps["a[1]"] = second
	for i := range s.Run.Steps {
		items := []string{`["x","y"]`, `"$(steps.a.outputs.size)"`}[i]
		s.Run.Steps[i].ForEach = &run.ForEach{Items: json.RawMessage(items), Max: 3}
	}
	r := Expand(s.Run, s.Seen)
	var got []string
	for _, step := range r.Steps {
		if step.Of != nil {
			got = append(got, step.Name+"="+string(step.Of.Value))
		}
	}
	if diff := cmp.Diff([]string{`a[0]="x"`, `a[1]="y"`, "b[0]=7", "b[1]=null"}, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	scope, err := Scope(r, s.Seen)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]json.RawMessage{"size": json.RawMessage("[7,null]"), "other": json.RawMessage("[null,true]")}, scope.Outputs["a"]); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}
