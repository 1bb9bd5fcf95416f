package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/engine/job"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// line is a world with several runs and one Reconciler that lives on.
type line struct {
	*world
	r *Reconciler
}

// newLine has runs by "namespace/name", which wait in this order.
func newLine(t *testing.T, runs ...string) *line {
	t.Helper()
	var objects []client.Object
	for _, key := range runs {
		e := sideBySide()
		e.Namespace, e.Name, _ = strings.Cut(key, "/")
		e.UID = types.UID("uid-" + key)
		e.Spec.Steps = e.Spec.Steps[:1]
		objects = append(objects, e)
	}
	l := &line{world: newWorld(t, objects...)}
	l.outcome = map[string]string{"a": "hang"}
	l.restart()
	return l
}

// restart makes a Reconciler that knows nothing of earlier passes.
func (l *line) restart() {
	l.r = &Reconciler{client: l.client, record: record.New(l.client, l.events), options: Options{
		Engine: job.NewEngine(l.client, l.client, func() time.Time { return l.now }), Live: l.client, Now: func() time.Time { return l.now }, Settings: func() settings.Settings { return l.settings },
		Gate: gate.Gate{gate.Digest{Images: l.world}, gate.Signature{Verifier: l.verifier}, gate.Contract{Files: l.world}, gate.Inputs{}, gate.Approval{}},
	}}
}

func (l *line) pass(key string) ctrl.Result {
	l.t.Helper()
	result, err := l.try(key)
	if err != nil {
		l.t.Fatal(err)
	}
	return result
}

func (l *line) try(key string) (ctrl.Result, error) {
	namespace, name, _ := strings.Cut(key, "/")
	return l.r.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
}

func (l *line) get(key string) *v1alpha1.WorkflowExecution {
	l.t.Helper()
	namespace, name, _ := strings.Cut(key, "/")
	e := &v1alpha1.WorkflowExecution{}
	if err := l.base.Get(context.Background(), types.NamespacedName{Namespace: namespace, Name: name}, e); err != nil {
		l.t.Fatal(err)
	}
	return e
}

// edit changes a run as a person does.
func (l *line) edit(key string, change func(*v1alpha1.WorkflowExecution)) {
	l.t.Helper()
	e := l.get(key)
	change(e)
	if err := l.base.Update(context.Background(), e); err != nil {
		l.t.Fatal(err)
	}
}

// end lets a run be over.
func (l *line) end(key string) {
	l.t.Helper()
	e := l.get(key)
	e.Status.CompletedAt = seconds(l.now)
	if err := l.base.Status().Update(context.Background(), e); err != nil {
		l.t.Fatal(err)
	}
}

// stand is where a run stands, in a word.
func (l *line) stand(key string) string {
	l.t.Helper()
	e := l.get(key)
	switch s := e.Status; {
	case s.CompletedAt != nil:
		return "over " + reasonOf(s)
	case s.Snapshot != nil:
		return "runs"
	case s.Queue != nil:
		return fmt.Sprintf("%s %d", s.Queue.Cap, s.Queue.Position)
	default:
		return reasonOf(s)
	}
}

func (l *line) expect(what string, want map[string]string) {
	l.t.Helper()
	for key, w := range want {
		if got := l.stand(key); got != w {
			l.t.Errorf("%s: %s is %q, want %q", what, key, got, w)
		}
	}
}

func (l *line) woken() []string {
	var out []string
	for _, request := range l.r.queued(context.Background(), nil) {
		out = append(out, request.String())
	}
	slices.Sort(out)
	return out
}

// follow reconciles whom events wake until nobody is woken any more.
func (l *line) follow() (passes int) {
	l.t.Helper()
	for range 100 {
		woken := l.woken()
		if len(woken) == 0 {
			return passes
		}
		for _, key := range woken {
			l.pass(key)
			passes++
		}
	}
	l.t.Fatal("they are woken for ever")
	return passes
}

func TestOneAfterTheOtherInANamespace(t *testing.T) {
	l := newLine(t, "ops/a", "ops/b", "ops/c", "dev/d")
	rails := &v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "rails"}, Spec: v1alpha1.ExecutionPolicySpec{MaxConcurrentRuns: 1}}
	if err := l.base.Create(t.Context(), rails); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ops/a", "ops/b", "ops/c", "dev/d"} {
		l.pass(key)
		l.now = l.now.Add(time.Second)
	}
	l.expect("at first", map[string]string{"ops/a": "runs", "ops/b": "Namespace 1", "ops/c": "Namespace 2", "dev/d": "runs"})
	want := "position 1 in the queue: 1 runs go on in namespace ops and 1 may (maxConcurrentRuns of its ExecutionPolicies, else max-concurrent-runs-per-namespace); without a place by 2026-01-02T04:04:06Z the run fails"
	b := l.get("ops/b")
	if got := b.Status.Conditions; reasonOf(b.Status) != v1alpha1.ReasonQueued || !slices.ContainsFunc(got, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionReady && c.Message == want }) {
		t.Errorf("%+v", got)
	}
	before := len(l.writes)
	if r := l.pass("ops/b"); r.RequeueAfter != time.Hour-3*time.Second || len(l.writes) != before || len(l.woken()) != 0 {
		t.Errorf("nothing new: %v, %q, %q", r, l.writes[before:], l.woken())
	}
	l.edit("ops/a", func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = true })
	if passes := l.follow(); passes != 0 {
		t.Error("a started run that is suspended keeps its place")
	}
	l.end("ops/a")
	l.follow()
	l.expect("after the end of a", map[string]string{"ops/b": "runs", "ops/c": "Namespace 1"})
	rails.Spec.MaxConcurrentRuns = 2
	if err := l.base.Update(t.Context(), rails); err != nil {
		t.Fatal(err)
	}
	l.follow()
	l.expect("with a higher cap", map[string]string{"ops/c": "runs"})
	if q := l.get("ops/c").Status.Queue; q != nil {
		t.Errorf("a run that started stands in the queue: %+v", q)
	}
}

func TestNamespacesTakeTurns(t *testing.T) {
	l := newLine(t, "flood/a", "flood/b", "flood/c", "dev/d")
	l.settings.MaxConcurrentRuns = 1
	for _, key := range []string{"flood/a", "flood/b", "flood/c", "dev/d"} {
		l.pass(key)
		l.now = l.now.Add(time.Second)
	}
	l.follow()
	l.expect("at first", map[string]string{"flood/a": "runs", "dev/d": "Controller 1", "flood/b": "Controller 2", "flood/c": "Controller 3"})
	l.end("flood/a")
	l.restart()
	l.follow()
	l.expect("after a restart", map[string]string{"dev/d": "runs", "flood/b": "Controller 1", "flood/c": "Controller 2"})
	l.settings.MaxConcurrentRuns = 9
	l.follow()
	l.expect("a setting", map[string]string{"flood/b": "runs", "flood/c": "runs"})
}

// A cache that shows no start at all lets no more runs start than may.
func TestACacheThatLagsExceedsNoCap(t *testing.T) {
	keys := []string{"ops/a", "ops/b", "ops/c", "dev/d"}
	l := newLine(t, keys...)
	l.settings.MaxConcurrentRuns = 2
	var old v1alpha1.WorkflowExecutionList
	if err := l.base.List(t.Context(), &old); err != nil {
		t.Fatal(err)
	}
	lags := true
	l.r.client = interceptor.NewClient(l.client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if runs, is := list.(*v1alpha1.WorkflowExecutionList); is && lags {
				old.DeepCopyInto(runs)
				return nil
			}
			return c.List(ctx, list, opts...)
		}})
	for _, key := range keys {
		l.pass(key)
	}
	l.expect("lagging", map[string]string{"ops/a": "runs", "ops/b": "runs", "ops/c": "Controller 1", "dev/d": "Controller 1"})
	lags = false
	l.follow()
	l.expect("up to date", map[string]string{"ops/c": "Controller 2", "dev/d": "Controller 1"})
	if n := len(l.r.places.taken); n != 0 {
		t.Errorf("%d places are remembered that the cache shows", n)
	}
}

// Whether a start was written or not: its place is kept until it is known, and
// given back when the run then does not start.
func TestAWriteThatFails(t *testing.T) {
	for _, applied := range []bool{false, true} {
		l := newLine(t, "ops/a", "ops/b")
		l.settings.MaxConcurrentRuns = 1
		l.failAt, l.applied = 2, applied
		if _, err := l.try("ops/a"); err == nil {
			t.Fatal("the write did not fail")
		}
		l.pass("ops/b")
		l.expect("unknown", map[string]string{"ops/b": "Controller 1"})
		if !applied {
			l.edit("ops/a", func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = true })
		}
		l.pass("ops/a")
		l.follow()
		want := map[bool]map[string]string{true: {"ops/a": "runs", "ops/b": "Controller 1"}, false: {"ops/a": "Suspended", "ops/b": "runs"}}
		l.expect(fmt.Sprint("applied: ", applied), want[applied])
	}
}

func TestWaitingHasAnEndThatSurvives(t *testing.T) {
	l := newLine(t, "ops/a", "ops/b", "ops/c")
	l.settings.MaxConcurrentRuns = 1
	l.pass("ops/a")
	l.pass("ops/b")
	l.now = l.now.Add(30 * time.Minute)
	l.restart()
	l.pass("ops/c")
	if r := l.pass("ops/b"); r.RequeueAfter != 30*time.Minute {
		t.Errorf("woken in %s", r.RequeueAfter)
	}
	l.now = l.now.Add(30 * time.Minute)
	l.restart()
	l.pass("ops/b")
	l.follow()
	l.expect("after an hour", map[string]string{"ops/b": "over QueueTimeout", "ops/c": "Controller 1"})
	if b := l.get("ops/b"); b.Status.Queue != nil || b.Status.Phase != v1alpha1.ExecutionFailed {
		t.Errorf("%+v", b.Status)
	}
}

func TestTheWorkflowSaysHowLongToWait(t *testing.T) {
	l := newLine(t, "ops/a", "ops/b")
	l.settings.MaxConcurrentRuns = 1
	p := &pass{obj: l.get("ops/b"), now: l.now}
	spec := v1alpha1.WorkflowSpec{QueueTimeout: &metav1.Duration{Duration: 5 * time.Minute}}
	if _, err := l.r.snapshot(t.Context(), p, spec); err != nil || p.patience != 5*time.Minute {
		t.Errorf("%v, %s", err, p.patience)
	}
}

// Who leaves the queue makes room for those behind.
func TestLeavingTheQueue(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha1.WorkflowExecution)
		want   string
	}{
		"cancelled":  {func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true }, "over Cancelled"},
		"terminated": {func(e *v1alpha1.WorkflowExecution) { e.Spec.Terminate = true }, "over Cancelled"},
		"suspended":  {func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = true }, "Suspended"},
	} {
		l := newLine(t, "ops/a", "ops/b", "ops/c")
		l.settings.MaxConcurrentRuns = 1
		for _, key := range []string{"ops/a", "ops/b", "ops/c"} {
			l.pass(key)
			l.now = l.now.Add(time.Second)
		}
		l.edit("ops/b", c.change)
		l.pass("ops/b")
		l.follow()
		l.expect(name, map[string]string{"ops/b": c.want, "ops/c": "Controller 1"})
	}
}

// The gate is asked again at the start; who does not pass holds up nobody.
func TestWhoWaitedIsJudgedAtTheStart(t *testing.T) {
	l := newLine(t, "ops/a", "ops/b", "ops/c")
	l.settings.MaxConcurrentRuns = 1
	for _, key := range []string{"ops/a", "ops/b", "ops/c"} {
		l.pass(key)
		l.now = l.now.Add(time.Second)
	}
	l.end("ops/a")
	l.settings.ComplexityApprovalThreshold = 0
	l.pass("ops/b")
	l.settings.ComplexityApprovalThreshold = 10
	l.follow()
	l.expect("one needs a person now", map[string]string{"ops/b": v1alpha1.ReasonAwaitingApproval, "ops/c": "runs"})
}

func TestWhatMovesTheQueue(t *testing.T) {
	e := func(s v1alpha1.WorkflowExecutionStatus) *v1alpha1.WorkflowExecution {
		return &v1alpha1.WorkflowExecution{Status: s}
	}
	at := metav1.Now()
	ready := func(reason string) v1alpha1.WorkflowExecutionStatus {
		return v1alpha1.WorkflowExecutionStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: reason}}}
	}
	place := func(n int32) v1alpha1.WorkflowExecutionStatus {
		return v1alpha1.WorkflowExecutionStatus{Queue: &v1alpha1.QueuePlace{Position: n}}
	}
	runs := v1alpha1.WorkflowExecutionStatus{Snapshot: &v1alpha1.RunSnapshot{}}
	over := v1alpha1.WorkflowExecutionStatus{Snapshot: &v1alpha1.RunSnapshot{}, CompletedAt: &at}
	for name, c := range map[string]struct {
		was, is v1alpha1.WorkflowExecutionStatus
		want    bool
	}{
		"ends": {runs, over, true}, "waits": {ready(""), place(1), true}, "starts": {place(1), runs, true},
		"is suspended": {ready(""), ready(v1alpha1.ReasonSuspended), true}, "another place": {place(2), place(1), false}, "goes on": {runs, runs, false},
	} {
		if got := moves().Update(event.UpdateEvent{ObjectOld: e(c.was), ObjectNew: e(c.is)}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if moves().Create(event.CreateEvent{}) || !moves().Delete(event.DeleteEvent{}) {
		t.Error("created or deleted")
	}
}

// What cannot be counted lets nobody start.
func TestWithoutCountingNobodyStarts(t *testing.T) {
	l := newLine(t, "ops/a")
	l.r.client = interceptor.NewClient(l.client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, is := list.(*v1alpha1.WorkflowExecutionList); is {
				return errors.New("connection lost")
			}
			return c.List(ctx, list, opts...)
		}})
	if _, err := l.try("ops/a"); err == nil || l.stand("ops/a") == "runs" || len(l.woken()) != 0 {
		t.Errorf("%v, %s", err, l.stand("ops/a"))
	}
}
