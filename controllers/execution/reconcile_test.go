package execution

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
)

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestHappyRunWritesOnlyThis(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.settle()
	equal(t, "writes", w.writes, []string{
		"patch WorkflowExecution run finalizers",
		"status Executing Ready=False/Progressing",
		"create *v1.PersistentVolumeClaim run-workspace",
		"create ActionExecution run-a",
		"status Executing Ready=False/Progressing a:Running b:Pending",
		"status Executing Ready=False/Progressing a:Running b:Pending pvc",
		"create ActionExecution run-b",
		"status Executing Ready=False/Progressing a:Succeeded b:Running pvc",
		"create PullRequest app-7-" + prSum(w),
		"status Completed Ready=True/Succeeded a:Succeeded b:Succeeded pvc",
		"delete *v1.PersistentVolumeClaim run-workspace",
		"status Completed Ready=True/Succeeded a:Succeeded b:Succeeded",
	})
	equal(t, "objects", w.names(), happyObjects)
	e := w.run()
	if e.Status.ObservedGeneration != 1 || e.Status.PullRequest == nil || e.Status.Snapshot.PolicySet != "sha256:p" {
		t.Errorf("status = %+v", e.Status)
	}
}

var happyObjects = []string{"pull request 7", `step run-a {"text":"hello"}`, `step run-b {"text":"hi!"}`}

// prSum is the hash at the end of the pull request's name.
func prSum(w *world) string {
	name := w.run().Status.PullRequest.Name
	return name[strings.LastIndex(name, "-")+1:]
}

func TestUnsignedImageWritesNothingButStatus(t *testing.T) {
	e := twoSteps()
	e.Spec.Steps[1].Image = image(3)
	w := newWorld(t, e)
	w.settle()
	equal(t, "writes", w.writes, []string{"patch WorkflowExecution run finalizers", "status Failed Stalled=True/ImageUnsigned Ready=False/ImageUnsigned"})
	if v := report.Find(w.run().Status.Conditions, v1alpha1.ConditionVerified); v == nil || v.Status != metav1.ConditionFalse || !strings.Contains(v.Message, "step b") {
		t.Errorf("Verified = %+v, want False and the step's name", v)
	}
}

func TestOutageOfTheRegistryIsWaitedFor(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.verifier.Fail(errors.New("registry gone"))
	w.settle()
	result, err := w.reconcile()
	if err != nil || result.RequeueAfter <= 0 || len(w.names()) > 0 {
		t.Errorf("result %v, %v and objects %v, want a time to come back and nothing made", result, err, w.names())
	}
	if r := report.Find(w.run().Status.Conditions, v1alpha1.ConditionReady); r.Reason != v1alpha1.ReasonRegistryUnavailable {
		t.Errorf("Ready = %+v", r)
	}
	w.verifier.Fail(nil)
	w.settle()
	equal(t, "objects", w.names(), happyObjects)
}

func TestCrashBetweenAnyTwoWrites(t *testing.T) {
	clean := newWorld(t, twoSteps())
	clean.settle()
	want := strip(clean.run())
	for _, applied := range []bool{false, true} {
		for n := 1; n <= len(clean.writes); n++ {
			w := newWorld(t, twoSteps())
			w.failAt, w.applied = n, applied
			w.settle()
			if diff := cmp.Diff(want, strip(w.run())); diff != "" {
				t.Errorf("write %d (%s) lost, applied %v (-want +got):\n%s", n, clean.writes[n-1], applied, diff)
			}
			equal(t, "objects", w.names(), happyObjects)
		}
	}
}

// strip removes what differs from try to try.
func strip(e *v1alpha1.WorkflowExecution) *v1alpha1.WorkflowExecution {
	e.ResourceVersion, e.ManagedFields = "", nil
	return e
}

func TestDeletedRunIsReleased(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.outcome["a"] = "hang"
	w.settle()
	if err := w.base.Delete(context.Background(), w.run()); err != nil {
		t.Fatal(err)
	}
	w.writes = nil
	w.settle()
	equal(t, "writes", w.writes, []string{
		"patch ActionExecution run-a cancel", "delete *v1.PersistentVolumeClaim run-workspace", "patch WorkflowExecution run finalizers"})
	if e := w.run(); e != nil {
		t.Errorf("the run is still there: %+v", e.ObjectMeta)
	}
}

func TestDeletedRunThatIsGoneStartsNothing(t *testing.T) {
	e := twoSteps()
	e.Finalizers, e.DeletionTimestamp = []string{v1alpha1.Finalizer}, &metav1.Time{Time: time.Unix(1, 0)}
	w := newWorld(t, e)
	w.failAt, w.failure = 1, apierrors.NewNotFound(schema.GroupResource{Resource: "workflowexecutions"}, "run")
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	equal(t, "writes", w.writes, []string{"patch WorkflowExecution run finalizers"})
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	for name, o := range map[string]client.Object{
		"step":  &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a"}, Spec: v1alpha1.ActionExecutionSpec{Inputs: &apiextensionsv1.JSON{Raw: []byte(`{}`)}}},
		"claim": &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-workspace"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, twoSteps(), o)
			before := o.DeepCopyObject().(client.Object)
			if err := w.base.Get(context.Background(), client.ObjectKeyFromObject(o), before); err != nil {
				t.Fatal(err)
			}
			w.outcome = map[string]string{}
			w.settleOnly()
			after := o.DeepCopyObject().(client.Object)
			if err := w.base.Get(context.Background(), client.ObjectKeyFromObject(o), after); err != nil || after.GetResourceVersion() != before.GetResourceVersion() {
				t.Errorf("the foreign object was touched: %v", err)
			}
			e := w.run()
			if got := told(e); got != "Failed Stalled=True/ForeignObject Ready=False/ForeignObject a:Failed b:Skipped" {
				t.Errorf("status = %s", got)
			}
		})
	}
}

// settleOnly settles without the stand-in for the step controller.
func (w *world) settleOnly() {
	w.t.Helper()
	for range 20 {
		before := len(w.writes)
		if _, err := w.reconcile(); err == nil && len(w.writes) == before {
			return
		}
	}
	w.t.Fatalf("no end in sight:\n%s", strings.Join(w.writes, "\n"))
}

func TestWhatAnEarlierRunLeftIsWaitedFor(t *testing.T) {
	left := &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: v1alpha1.GroupVersion().String(), Kind: "WorkflowExecution", Name: "run", UID: "earlier", Controller: ptr.To(true)}}}}
	w := newWorld(t, twoSteps(), left)
	for range 3 {
		if _, err := w.reconcile(); err != nil {
			t.Fatal(err)
		}
	}
	if got := told(w.run()); !strings.HasPrefix(got, "Executing Ready=False/ForeignObject") {
		t.Errorf("status = %s", got)
	}
	if err := w.base.Delete(context.Background(), left); err != nil {
		t.Fatal(err)
	}
	w.settle()
	equal(t, "objects", w.names(), happyObjects)
}

func TestSuspendCancelAndDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world)
		want  string
	}{
		"suspended before the start": {func(w *world) { w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = true }) },
			"Initializing Ready=False/Suspended"},
		"cancelled before the start": {func(w *world) { w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true }) },
			"Cancelled Stalled=True/Cancelled Ready=False/Cancelled"},
		"suspended while a runs": {func(w *world) {
			w.hang("a")
			w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = true })
			w.outcome["a"] = `{"word":"hi"}`
		}, "Executing Ready=False/Progressing a:Succeeded b:Pending pvc"},
		"cancelled while a runs": {func(w *world) {
			w.hang("a")
			w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true })
		}, "Cancelled Stalled=True/Cancelled Ready=False/Cancelled a:Cancelled b:Skipped"},
		"overdue while a runs": {func(w *world) {
			w.hang("a")
			w.now = w.now.Add(time.Hour)
		}, "Failed Stalled=True/Timeout Ready=False/Timeout a:Cancelled b:Skipped"},
		"a fails": {func(w *world) { w.outcome["a"] = "fail" },
			"Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped"},
		"a lacks an output that b needs": {func(w *world) { w.outcome["a"] = `{"other":1}` },
			"Failed Stalled=True/InvalidReference Ready=False/InvalidReference a:Succeeded b:Failed"},
		"b puts out nonsense": {func(w *world) { w.outcome["b"] = `{"prNumber":"seven"}` },
			"Failed Stalled=True/OutputsInvalid Ready=False/OutputsInvalid a:Succeeded b:Failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, twoSteps())
			c.spoil(w)
			w.settle()
			if got := told(w.run()); got != c.want {
				t.Errorf("status = %s\nwant     %s", got, c.want)
			}
		})
	}
}

func TestASuspendedRunSaysByWhomAndWhy(t *testing.T) {
	suspend := func(e *v1alpha1.WorkflowExecution) {
		e.Spec.Suspend, e.Spec.SuspendedBy, e.Spec.SuspendReason = true, "ada", "the database is in repair"
	}
	w := newWorld(t, twoSteps())
	w.change(suspend)
	w.settle()
	early := report.Find(w.run().Status.Conditions, v1alpha1.ConditionReady).Message
	w = newWorld(t, twoSteps())
	w.hang("a")
	w.change(suspend)
	w.outcome["a"] = `{"word":"hi"}`
	w.settle()
	late := report.Find(w.run().Status.Conditions, v1alpha1.ConditionReady).Message
	for where, message := range map[string]string{"before the start": early, "run": late, "step": w.run().Status.Steps[1].Message} {
		if !strings.Contains(message, "suspended by ada, who says: the database is in repair (to go on") {
			t.Errorf("%s: %q", where, message)
		}
	}
}

func TestAFinishedRunOutlivesItsSteps(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"completed": func(*world) {},
		"failed":    func(w *world) { w.outcome["b"] = "fail" },
		"refused":   func(w *world) { w.outcome["b"] = `{"prNumber":"seven"}` },
		"cancelled": func(w *world) {
			w.hang("b")
			w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, twoSteps())
			spoil(w)
			w.settle()
			before := w.run()
			if before.Status.CompletedAt == nil {
				t.Fatalf("the run goes on: %s", told(before))
			}
			if err := w.base.DeleteAllOf(context.Background(), &v1alpha1.ActionExecution{}, client.InNamespace("ops")); err != nil {
				t.Fatal(err)
			}
			w.writes, w.now = nil, w.now.Add(24*time.Hour)
			w.settle()
			equal(t, "writes", w.writes, nil)
			if diff := cmp.Diff(before.Status, w.run().Status); diff != "" {
				t.Errorf("status (-before +after):\n%s", diff)
			}
		})
	}
}

func (w *world) hang(step string) {
	w.t.Helper()
	w.outcome[step] = "hang"
	w.settle()
}

func TestAPullRequestThatTheServerDoesNotTakeFailsItsStep(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.client = interceptor.NewClient(w.client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if kindOf(o) == "PullRequest" {
				return apierrors.NewInvalid(schema.GroupKind{Kind: "PullRequest"}, "x", nil)
			}
			return c.Create(ctx, o, opts...)
		},
	})
	w.settle()
	if got := told(w.run()); got != "Failed Stalled=True/OutputsInvalid Ready=False/OutputsInvalid a:Succeeded b:Failed" {
		t.Errorf("status = %s", got)
	}
}

func TestWorkflowIsWaitedFor(t *testing.T) {
	e := twoSteps()
	steps := e.Spec.Steps
	e.Spec.Steps, e.Spec.WorkflowType, e.Spec.WorkflowRef = nil, "", &v1alpha1.LocalReference{Name: "flow"}
	w := newWorld(t, e)
	w.settle()
	if got := told(w.run()); got != "Initializing Ready=False/DependencyNotReady" {
		t.Errorf("without the workflow: %s", got)
	}
	steps[0].Image, steps[0].Action = "", "first"
	ready := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, ObservedGeneration: 1}}
	w.make(&v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "flow", Generation: 1, Annotations: map[string]string{v1alpha1.AnnotationRevision: "main@sha1:1"}},
		Spec: v1alpha1.WorkflowSpec{Version: "v1.0.0", Steps: steps}, Status: v1alpha1.WorkflowStatus{Conditions: ready, ContentHash: "sha256:flow"}})
	w.settle()
	if r := report.Find(w.run().Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(r.Message, "Action first") {
		t.Errorf("without the action: %+v", r)
	}
	w.make(&v1alpha1.Action{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "first", Generation: 1},
		Spec: v1alpha1.ActionSpec{Type: "demo/first", Version: "v1.0.0", Image: image(1)}, Status: v1alpha1.ActionStatus{Conditions: ready}})
	w.settle()
	equal(t, "objects", w.names(), happyObjects)
	s := w.run().Status.Snapshot
	if s.Workflow != "flow" || s.Version != "v1.0.0" || s.ContentHash != "sha256:flow" || s.CatalogRevision != "main@sha1:1" || s.Steps[0].Image != image(1) {
		t.Errorf("snapshot = %+v", s)
	}
}

func (w *world) make(o client.Object) {
	w.t.Helper()
	if err := w.base.Create(context.Background(), o); err != nil {
		w.t.Fatal(err)
	}
}

func TestWhatGoesWrongIsTold(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.failAt, w.failure = 3, errors.New("quota exceeded")
	if _, err := w.reconcile(); err == nil {
		t.Fatal("the error is not retried")
	}
	if r := report.Find(w.run().Status.Conditions, v1alpha1.ConditionReady); r.Reason != v1alpha1.ReasonProgressingWithRetry || !strings.Contains(r.Message, "quota exceeded") {
		t.Errorf("Ready = %+v", r)
	}
	w.settle()
	equal(t, "objects", w.names(), happyObjects)
}

func TestAPassWithoutNewsWritesNothing(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.hang("a")
	w.writes = nil
	for range 3 {
		w.now = w.now.Add(time.Second)
		if _, err := w.reconcile(); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "writes", w.writes, nil)
}

// Nobody knows whether a step did something that was deleted before it was
// looked at: it is not run again either, and the run ends.
func TestAStepDeletedBeforeItWasLookedAt(t *testing.T) {
	w := newWorld(t, twoSteps())
	for len(w.names()) == 0 || !strings.Contains(strings.Join(w.names(), " "), "step run-a ") || len(w.run().Status.Steps) == 0 {
		if _, err := w.reconcile(); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.run().Status.Steps[0]; s.Phase != v1alpha1.StepRunning || s.Attempts != 1 || s.Ref != "run-a" {
		t.Fatalf("a is %+v", s)
	}
	if err := w.base.Delete(t.Context(), &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a"}}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := told(w.run()); got != "Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped" {
		t.Errorf("status = %s", got)
	}
	if n := slices.Index(w.writes, "create ActionExecution run-a"); n < 0 || slices.Contains(w.writes[n+1:], "create ActionExecution run-a") {
		t.Errorf("writes %v", w.writes)
	}
}

func TestADeletedStepIsNotRunAgain(t *testing.T) {
	for name, c := range map[string]struct{ hangs, want string }{
		"after it succeeded": {"b", "Completed Ready=True/Succeeded a:Succeeded b:Succeeded"},
		"while it runs":      {"a", "Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, twoSteps())
			w.hang(c.hangs)
			if err := w.base.Delete(t.Context(), &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a"}}); err != nil {
				t.Fatal(err)
			}
			w.settle()
			w.outcome["b"] = proposed
			w.settle()
			if got := told(w.run()); got != c.want {
				t.Errorf("status = %s\nwant     %s", got, c.want)
			}
			starts := 0
			for _, what := range w.writes {
				if what == "create ActionExecution run-a" {
					starts++
				}
			}
			if starts != 1 {
				t.Errorf("a was started %d times", starts)
			}
		})
	}
}
