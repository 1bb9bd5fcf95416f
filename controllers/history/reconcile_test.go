package history

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
)

// site is an API server whose deletions are listed; any other write fails.
type site struct {
	t      *testing.T
	live   client.WithWatch
	cached client.Client
	events *events.FakeRecorder
	writes []string
	// before is done before the next deletion; unseen is a name that the cache
	// does not have; fail is the answer to every deletion.
	before func()
	unseen string
	fail   error
}

func newSite(t *testing.T, objects ...client.Object) *site {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, events: events.NewFakeRecorder(20), live: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()}
	refuse := errors.New("unexpected write")
	s.cached = interceptor.NewClient(s.live, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return refuse },
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error { return refuse },
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return refuse
		},
		Delete: s.delete,
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			if _, pulls := l.(*v1alpha1.PullRequestList); pulls && s.unseen != "" {
				return nil
			}
			return c.List(ctx, l, opts...)
		},
	})
	return s
}

func (s *site) delete(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
	if s.before != nil {
		s.before()
		s.before = nil
	}
	if s.fail != nil {
		return s.fail
	}
	var asked client.DeleteOptions
	asked.ApplyOptions(opts)
	if p := asked.Preconditions; p == nil || p.UID == nil || p.ResourceVersion == nil {
		s.t.Errorf("%s is deleted whatever it has become", o.GetName())
	}
	err := c.Delete(ctx, o, opts...)
	s.writes = append(s.writes, strings.TrimSpace(fmt.Sprintf("%s %v", o.GetName(), errorWord(err))))
	return err
}

func errorWord(err error) string {
	if err != nil {
		return "refused"
	}
	return ""
}

func (s *site) pass() (ctrl.Result, error) {
	s.t.Helper()
	r := &Reconciler{client: s.cached, live: s.live, record: record.New(s.cached, s.events), now: noon}
	return r.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "ops"}})
}

// expect reconciles once and compares what was deleted, and when the next look is.
func (s *site) expect(after time.Duration, deleted ...string) {
	s.t.Helper()
	s.writes = nil
	result, err := s.pass()
	if err != nil || result.RequeueAfter != after {
		s.t.Errorf("result %+v, %v; want %s", result, err, after)
	}
	if diff := cmp.Diff(deleted, s.writes); diff != "" {
		s.t.Errorf("deleted (-want +got):\n%s", diff)
	}
}

// history of an hour for steps and three for runs, with a run for each age.
func aged(t *testing.T, ages ...string) []client.Object {
	t.Helper()
	rails := policy(func(h *v1alpha1.History) { h.TTL, h.StepsTTL = hours(3), hours(1) })
	out := []client.Object{&rails}
	for i, age := range ages {
		e := runOf(t, fmt.Sprintf("r%d:%s", i, age))
		ae := stepOf(e, v1alpha1.StepSucceeded)
		out = append(out, &e, &ae)
	}
	return out
}

func TestWhatIsOldGoes(t *testing.T) {
	s := newSite(t, aged(t, "Completed:30m", "Failed:2h", "Completed:4h", "Failed:5h", "Executing")...)
	s.expect(30*time.Minute, "r3", "r2", "r1-s")
	var told []string
	for len(s.events.Events) > 0 {
		told = append(told, <-s.events.Events)
	}
	want := []string{
		"Normal RunDeleted Failed at 2026-01-02T07:00:00Z; the history of the namespace's policies keeps it no longer",
		"Normal RunDeleted Completed at 2026-01-02T08:00:00Z; the history of the namespace's policies keeps it no longer",
		"Normal StepsDeleted 1 ActionExecutions of the finished run; its status tells what they did",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	s.expect(30 * time.Minute)
}

func TestWithoutAPolicyNothingGoes(t *testing.T) {
	s := newSite(t, aged(t, "Completed:999h")[1:]...)
	s.expect(0)
}

func TestARunThatChangedIsLookedAtAgain(t *testing.T) {
	s := newSite(t, aged(t, "Completed:4h")...)
	s.before = func() {
		e := &v1alpha1.WorkflowExecution{}
		if err := s.live.Get(t.Context(), client.ObjectKey{Namespace: "ops", Name: "r0"}, e); err != nil {
			t.Fatal(err)
		}
		e.Labels = map[string]string{"seen": "by somebody"}
		if err := s.live.Update(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	s.expect(conflictDelay, "r0 refused")
	s.expect(0, "r0")
	s.expect(0)
}

func TestADeletionThatFailsIsRetried(t *testing.T) {
	for _, age := range []string{"Completed:4h", "Completed:2h"} {
		s := newSite(t, aged(t, age)...)
		s.fail = errors.New("connection lost")
		if _, err := s.pass(); !errors.Is(err, s.fail) {
			t.Errorf("%s: got %v", age, err)
		}
	}
}

func TestAProposalThatTheCacheHasNotSeenKeepsItsRun(t *testing.T) {
	pr := pull("", "Open")
	s := newSite(t, append(aged(t, "Completed:4h:proposes"), &pr)...)
	s.unseen = pr.Name
	s.expect(conflictDelay)
	s.unseen = ""
	s.expect(0, "r0-s")
	if err := s.live.Delete(t.Context(), &pr); err != nil {
		t.Fatal(err)
	}
	s.expect(0, "r0")
}

func TestWhatWakes(t *testing.T) {
	going, over := runOf(t, "a:Executing"), runOf(t, "a:Completed:1h")
	run, done := stepOf(over, v1alpha1.StepRunning), stepOf(over, v1alpha1.StepFailed)
	if finished(&going) || !finished(&over) || ended(&run) || !ended(&done) || finished(&done) || ended(&over) {
		t.Error("only what has ended wakes")
	}
	if got := namespaceOf(t.Context(), &over); len(got) != 1 || got[0].Name != "ops" {
		t.Errorf("wakes %v", got)
	}
}
