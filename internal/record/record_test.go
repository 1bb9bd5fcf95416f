package record

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions/check"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

type site struct {
	client client.WithWatch
	events *events.FakeRecorder
	writes int
	err    error
}

func newSite(t *testing.T) (*site, *Recorder, *v1alpha1.WorkflowExecution) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &site{events: events.NewFakeRecorder(100)}
	e := &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run", Generation: 1}, Status: v1alpha1.WorkflowExecutionStatus{ObservedGeneration: -1}}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(e).WithStatusSubresource(e).WithInterceptorFuncs(interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			s.writes++
			if s.err != nil {
				return s.err
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}).Build()
	if err := s.client.Get(t.Context(), client.ObjectKeyFromObject(e), e); err != nil {
		t.Fatal(err)
	}
	return s, New(s.client, s.events), e
}

func TestWriteOnceThenTell(t *testing.T) {
	s, r, old := newSite(t)
	what := report.Event{Type: "Normal", Reason: "Succeeded", Message: strings.Repeat("é", 2000)}
	if err := r.Write(t.Context(), old, old.DeepCopy(), []report.Event{what}); err != nil || s.writes != 0 || len(s.events.Events) != 0 {
		t.Errorf("no difference: %v, %d writes, %d events", err, s.writes, len(s.events.Events))
	}
	now := old.DeepCopy()
	now.Status.Phase = v1alpha1.ExecutionCompleted
	s.err = errors.New("connection lost")
	if err := r.Write(t.Context(), old, now.DeepCopy(), []report.Event{what}); err == nil || len(s.events.Events) != 0 {
		t.Errorf("a write that failed: %v, %d events", err, len(s.events.Events))
	}
	s.err = nil
	if err := r.Write(t.Context(), old, now, []report.Event{what}); err != nil || s.writes != 2 {
		t.Fatalf("%v, %d writes", err, s.writes)
	}
	if got := <-s.events.Events; len(got) > maxNote+len("Normal Succeeded ") || !strings.HasSuffix(got, "(cut)") {
		t.Errorf("the event has %d bytes", len(got))
	}
}

func TestSomebodyElseWroteInBetween(t *testing.T) {
	_, r, old := newSite(t)
	other := old.DeepCopy()
	other.Status.Phase = v1alpha1.ExecutionExecuting
	if err := r.Write(t.Context(), old, other, nil); err != nil {
		t.Fatal(err)
	}
	mine := old.DeepCopy()
	mine.Status.Phase = v1alpha1.ExecutionFailed
	if err := r.Write(t.Context(), old, mine, nil); err == nil {
		t.Error("an older status overwrites a newer one")
	}
}

// TestEveryStatusOfARunIsLawful plays random runs with the planner and holds
// each status against Flux's rules.
func TestEveryStatusOfARunIsLawful(t *testing.T) {
	for seed := range uint64(200) {
		play(t, seed)
	}
}

func play(t *testing.T, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 2))
	r := run.Run{Deadline: time.Unix(1000, 0), Steps: []run.Step{{Name: "a"}, {Name: "b", RunAfter: []string{"a"}}, {Name: "c", RunAfter: []string{"a"}}, {Name: "d", RunAfter: []string{"b", "c"}}}}
	e := &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Status: v1alpha1.WorkflowExecutionStatus{ObservedGeneration: -1}}
	s := plan.State{Run: r, Now: time.Unix(1, 0), MaxParallel: 2, Seen: run.Observation{Steps: map[string]run.Seen{}}}
	for {
		d := plan.Next(s)
		for _, name := range d.Start {
			s.Seen.Steps[name] = run.Seen{State: run.Pending, Reason: v1alpha1.ReasonProgressing, Message: "started"}
		}
		e.Status = report.Execution{Old: e.Status, Generation: 1, Run: r, Seen: s.Seen, Decision: d, Now: s.Now}.Status()
		lawful(t, seed, e)
		if d.Outcome != nil {
			return
		}
		for _, step := range r.Steps {
			if seen, started := s.Seen.Steps[step.Name]; started {
				s.Seen.Steps[step.Name] = next(random, seen)
			}
		}
		s.Cancelled = s.Cancelled || random.IntN(15) == 0
		s.Now = s.Now.Add(time.Duration(random.IntN(100)) * time.Second)
	}
}

func next(random *rand.Rand, s run.Seen) run.Seen {
	switch {
	case s.State.Ended():
		return s
	case random.IntN(6) == 0:
		return run.Seen{State: run.Failed, Reason: v1alpha1.ReasonOutOfMemory, Message: "killed"}
	case random.IntN(2) == 0:
		return run.Seen{State: run.Succeeded}
	}
	return run.Seen{State: run.Running, Reason: v1alpha1.ReasonRunning, Message: "runs"}
}

func lawful(t *testing.T, seed uint64, e *v1alpha1.WorkflowExecution) {
	t.Helper()
	checker := check.NewChecker(nil, &check.Conditions{NegativePolarity: []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling}})
	checker.DisableFetch = true
	if fail, _ := checker.Check(context.Background(), e); fail != nil {
		t.Errorf("seed %d: %v\n%+v", seed, fail, e.Status)
	}
}
