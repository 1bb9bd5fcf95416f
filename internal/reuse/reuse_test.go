package reuse

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/run"
)

func object(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }

// pair is a run of the steps that failed and one that retries it. In the one
// that failed each step succeeded but for those named z….
func pair(steps ...v1alpha1.WorkflowStep) (next, before *v1alpha1.WorkflowExecution) {
	one := func(name string) *v1alpha1.WorkflowExecution {
		e := &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: name, UID: types.UID("uid-" + name)}}
		e.Spec.WorkflowType = "demo"
		s := &v1alpha1.RunSnapshot{Parameters: object(`{"size":12345678901234567890,"token":"hunter2"}`), Target: &v1alpha1.Target{APIVersion: "v1", Kind: "Pod", Name: "web"}}
		for _, step := range steps {
			s.Steps = append(s.Steps, *step.DeepCopy())
		}
		e.Status.Snapshot = s
		return e
	}
	next, before = one("next"), one("before")
	before.Status.Phase, before.Status.CompletedAt = v1alpha1.ExecutionFailed, &metav1.Time{Time: time.Unix(1, 0)}
	for _, step := range steps {
		s := v1alpha1.StepStatus{Name: step.Name, Phase: v1alpha1.StepSucceeded, Attempts: 1, Ref: "before-" + step.Name, Outputs: object(`{"word":"` + step.Name + `"}`)}
		if strings.HasPrefix(step.Name, "z") {
			s.Phase, s.Reason, s.Outputs = v1alpha1.StepFailed, v1alpha1.ReasonStepFailed, nil
		}
		before.Status.Steps = append(before.Status.Steps, s)
	}
	return next, before
}

// runOf is the run as the planner sees it.
func runOf(e *v1alpha1.WorkflowExecution) run.Run {
	r := run.Run{Namespace: e.Namespace, Name: e.Name, UID: string(e.UID), Deadline: time.Unix(100, 0)}
	stages := run.Stages()
	for i, list := range [][]v1alpha1.WorkflowStep{e.Status.Snapshot.Steps, e.Status.Snapshot.OnFailure, e.Status.Snapshot.Finally} {
		for _, s := range list {
			r.Steps = append(r.Steps, run.Step{Name: s.Name, Stage: stages[i], RunAfter: s.RunAfter, UsesWorkspace: s.UsesWorkspace, When: s.When})
		}
	}
	return r
}

func taken(next, before *v1alpha1.WorkflowExecution) (names []string, why string) {
	steps, why := Steps(runOf(next), next, before)
	for _, s := range steps {
		names = append(names, s.Name)
	}
	return names, why
}

func chain() []v1alpha1.WorkflowStep {
	return []v1alpha1.WorkflowStep{
		{Name: "a", Image: "i@sha256:1", Inputs: object(`{"n":"$(params.size)","pod":"$(target.name)"}`)},
		{Name: "b", Image: "i@sha256:1", RunAfter: []string{"a"}, Inputs: object(`{"x":1,"text":"$(steps.a.outputs.word)"}`)},
		{Name: "c", Image: "i@sha256:1"},
		{Name: "z", Image: "i@sha256:1", RunAfter: []string{"b", "c"}},
	}
}

func TestSteps(t *testing.T) {
	type runs struct{ next, before *v1alpha1.WorkflowExecution }
	step := func(e *v1alpha1.WorkflowExecution, i int) *v1alpha1.WorkflowStep { return &e.Status.Snapshot.Steps[i] }
	for name, c := range map[string]struct {
		change func(runs)
		want   string
	}{
		"nothing changed":   {func(runs) {}, "a c b"},
		"another image":     {func(r runs) { step(r.next, 0).Image = "i@sha256:2" }, "c"},
		"another action":    {func(r runs) { step(r.next, 2).ActionType = "x/y" }, "a b"},
		"another input":     {func(r runs) { step(r.next, 1).Inputs = object(`{"x":2,"text":"$(steps.a.outputs.word)"}`) }, "a c"},
		"inputs taken out":  {func(r runs) { step(r.next, 1).Inputs = nil }, "a c"},
		"another order":     {func(r runs) { step(r.next, 1).Inputs = object(`{"text":"a","x":1}`) }, "a c b"},
		"another edge":      {func(r runs) { step(r.next, 2).RunAfter = []string{"a"} }, "a b"},
		"another account":   {func(r runs) { step(r.next, 0).ServiceAccountName = "x" }, "c"},
		"another Secret":    {func(r runs) { step(r.next, 2).Credentials = []v1alpha1.Credential{{Name: "git"}} }, "a b"},
		"another pause":     {func(r runs) { step(r.next, 2).Timeout = &metav1.Duration{Duration: time.Hour} }, "a c b"},
		"another parameter": {func(r runs) { r.next.Status.Snapshot.Parameters = object(`{"size":12345678901234567891}`) }, "c"},
		"another target":    {func(r runs) { r.next.Status.Snapshot.Target.Name = "db" }, "c"},
		"the run's own name": {func(r runs) {
			step(r.next, 0).Inputs, step(r.before, 0).Inputs = object(`{"n":"$(execution.uid)"}`), object(`{"n":"$(execution.uid)"}`)
		}, "c"},
		"a step that is new":    {func(r runs) { r.before.Status.Snapshot.Steps = r.before.Status.Snapshot.Steps[1:] }, "c"},
		"a step that failed":    {func(r runs) { r.before.Status.Steps[0].Phase = v1alpha1.StepFailed }, "c"},
		"a step of unknown end": {func(r runs) { r.before.Status.Steps = r.before.Status.Steps[1:] }, "c"},
		"the workspace":         {func(r runs) { step(r.next, 0).UsesWorkspace, step(r.before, 0).UsesWorkspace = true, true }, "c"},
		"cut outputs":           {func(r runs) { r.before.Status.Steps[0].Outputs = object(`{"truncated":true,"word":"a"}`) }, "c"},
		"when is false now":     {func(r runs) { step(r.next, 0).When = "false" }, "c"},
		"nothing was started":   {func(r runs) { r.before.Status.Snapshot = nil }, ""},
		"undone": {func(r runs) {
			r.before.Status.Snapshot.OnFailure = []v1alpha1.WorkflowStep{{Name: "u"}}
			r.before.Status.Steps = append(r.before.Status.Steps, v1alpha1.StepStatus{Name: "u", Phase: v1alpha1.StepSucceeded, Attempts: 1})
		}, ""},
		"cleaned up, with a failure": {func(r runs) {
			r.before.Status.Snapshot.Finally = []v1alpha1.WorkflowStep{{Name: "u"}}
			r.before.Status.Steps = append(r.before.Status.Steps, v1alpha1.StepStatus{Name: "u", Phase: v1alpha1.StepFailed, Attempts: 1})
		}, ""},
		"nothing to clean up": {func(r runs) {
			r.before.Status.Snapshot.Finally = []v1alpha1.WorkflowStep{{Name: "u"}}
			r.before.Status.Steps = append(r.before.Status.Steps, v1alpha1.StepStatus{Name: "u", Phase: v1alpha1.StepSkipped})
		}, "a c b"},
		"undone by an edge": {func(r runs) {
			r.before.Status.Snapshot.Steps[2].After = []v1alpha1.Edge{{Step: "z", Ended: []v1alpha1.EdgeEnd{v1alpha1.EdgeFailed}}}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			next, before := pair(chain()...)
			c.change(runs{next, before})
			got, why := taken(next, before)
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("taken over (-want +got):\n%s\nbecause %s", diff, why)
			}
		})
	}
}

// A step that is taken over twice names the run that did it.
func TestARetryOfARetry(t *testing.T) {
	next, before := pair(chain()...)
	before.Status.Steps[0].Reason, before.Status.Steps[0].Message = v1alpha1.ReasonReused, "taken over from run zero"
	steps, why := Steps(runOf(next), next, before)
	if len(steps) != 3 || steps[0].Message != "taken over from run zero" || !strings.Contains(steps[1].Message, "from run before") || why != "3 of 4 steps are taken over from run before" {
		t.Errorf("%q: %+v", why, steps)
	}
}

// dumb says by the definition alone what is taken over of a run without
// conditions: all that succeeded, is unchanged and comes after such only.
func dumb(next, before *v1alpha1.WorkflowExecution) map[string]bool {
	out := map[string]bool{}
	for range next.Status.Snapshot.Steps {
		for i, s := range next.Status.Snapshot.Steps {
			was := before.Status.Steps[i]
			ok := was.Phase == v1alpha1.StepSucceeded && !s.UsesWorkspace && s.Image == before.Status.Snapshot.Steps[i].Image
			for _, after := range s.RunAfter {
				ok = ok && out[after]
			}
			out[s.Name] = ok
		}
	}
	return out
}

// Of any run exactly that is taken over which shall be, and the planner never
// starts it.
func TestTakenOverIsNeverStarted(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		next, before := pair(randomly(dice)...)
		for i := range before.Status.Steps {
			before.Status.Steps[i].Phase = []v1alpha1.StepPhase{v1alpha1.StepSucceeded, v1alpha1.StepSucceeded, v1alpha1.StepFailed, v1alpha1.StepSkipped}[dice.IntN(4)]
			if dice.IntN(8) == 0 {
				next.Status.Snapshot.Steps[i].Image = "other"
			}
		}
		r := runOf(next)
		steps, _ := Steps(r, next, before)
		seen := map[string]run.Seen{}
		for _, s := range steps {
			seen[s.Name] = run.Seen{State: run.Succeeded, Reason: run.Reason(s.Reason)}
		}
		want := map[string]run.Seen{}
		for name, is := range dumb(next, before) {
			if is {
				want[name] = run.Seen{State: run.Succeeded, Reason: v1alpha1.ReasonReused}
			}
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Fatalf("taken over (-want +got):\n%s", diff)
		}
		for range r.Steps {
			starts(t, r, seen)
		}
		if len(seen) != len(r.Steps) {
			t.Fatalf("%d of %d steps ended", len(seen), len(r.Steps))
		}
	}
}

// starts has what the planner starts succeed, which is nothing that was taken over.
func starts(t *testing.T, r run.Run, seen map[string]run.Seen) {
	t.Helper()
	for _, name := range plan.Next(plan.State{Run: r, Seen: run.Observation{Steps: seen}, MaxParallel: 2}).Start {
		if _, has := seen[name]; has {
			t.Fatalf("%s was taken over and is started", name)
		}
		seen[name] = run.Seen{State: run.Succeeded}
	}
}

// randomly makes up steps that come after earlier ones.
func randomly(dice *rand.Rand) []v1alpha1.WorkflowStep {
	out := make([]v1alpha1.WorkflowStep, 1+dice.IntN(10))
	for i := range out {
		out[i] = v1alpha1.WorkflowStep{Name: fmt.Sprintf("s%d", i), Image: "i", UsesWorkspace: dice.IntN(6) == 0}
		for j := range i {
			if dice.IntN(3) == 0 {
				out[i].RunAfter = append(out[i].RunAfter, fmt.Sprintf("s%d", j))
			}
		}
	}
	dice.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
