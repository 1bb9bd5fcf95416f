package execution

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// late has the reconciler read a cache that shows the run as it was, if that is
// given, or no ActionExecution; what it reads live is true.
func (w *world) late(run *v1alpha1.WorkflowExecution, blind bool) {
	w.cache = interceptor.NewClient(w.client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if e, is := o.(*v1alpha1.WorkflowExecution); is && run != nil {
				run.DeepCopyInto(e)
				return nil
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, is := list.(*v1alpha1.ActionExecutionList); is && blind {
				return nil
			}
			return c.List(ctx, list, opts...)
		},
	})
}

// By a late view no step starts in a run that was stopped or suspended since.
func TestALateViewStartsNothing(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.WorkflowExecution){
		"cancelled": func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true },
		"suspended": func(e *v1alpha1.WorkflowExecution) { e.Spec.Suspend = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, twoSteps())
			w.outcome["a"] = "hang"
			w.settle()
			w.outcome["a"] = `{"word":"hi"}`
			w.steps()
			old := w.run()
			w.change(change)
			w.late(old, false)
			if result, err := w.reconcile(); err != nil || result.RequeueAfter != conflictDelay {
				t.Errorf("result %v, error %v", result, err)
			}
			if slices.Contains(w.writes, "create ActionExecution run-b") {
				t.Errorf("writes %v", w.writes)
			}
		})
	}
}

// A step that was started, and that neither status nor the cache knows, is not
// called skipped when the run's time is over: it is stopped, and waited for.
func TestARunDoesNotEndOverAStepThatNobodySees(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.failAt = after(t, twoSteps(), "create ActionExecution run-a") + 1
	for len(w.writes) < w.failAt {
		if _, err := w.reconcile(); err == nil && len(w.writes) >= w.failAt {
			t.Fatal("the write did not fail")
		}
	}
	if s := w.run().Status.Steps; len(s) > 0 {
		t.Fatalf("status knows of %+v: the test tests nothing", s)
	}
	w.now = w.now.Add(2 * time.Hour)
	w.late(nil, true)
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	if e := w.run(); e.Status.CompletedAt != nil || !strings.Contains(told(e), "a:Running b:Skipped") {
		t.Errorf("status %s", told(e))
	}
	w.cache = nil
	w.settle()
	if diff := cmp.Diff("Failed Stalled=True/Timeout Ready=False/Timeout a:Cancelled b:Skipped", told(w.run())); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// What was started before another step could not be is written down.
func TestOneOfTwoStarts(t *testing.T) {
	e := twoSteps()
	e.Spec.Steps[1].RunAfter, e.Spec.Steps[1].Inputs = nil, e.Spec.Steps[0].Inputs
	w := newWorld(t, e)
	w.failAt = after(t, e.DeepCopy(), "create ActionExecution run-b")
	for len(w.writes) < w.failAt {
		_, err := w.reconcile()
		if len(w.writes) >= w.failAt && (err == nil || !strings.Contains(err.Error(), "start step b")) {
			t.Errorf("error %v", err)
		}
	}
	got := w.run()
	if s := got.Status.Steps; len(s) != 2 || s[0].Attempts != 1 || s[1].Attempts != 0 || !strings.Contains(told(got), "Ready=False/ProgressingWithRetry") {
		t.Errorf("status %s: %+v", told(got), s)
	}
	w.settle()
	equal(t, "run", []string{told(w.run())}, []string{"Completed Ready=True/Succeeded a:Succeeded b:Succeeded"})
}

// after is the number of a write of an undisturbed run.
func after(t *testing.T, e *v1alpha1.WorkflowExecution, what string) int {
	t.Helper()
	w := newWorld(t, e)
	w.settle()
	n := slices.Index(w.writes, what)
	if n < 0 {
		t.Fatalf("%q is not among %v", what, w.writes)
	}
	return n + 1
}

// A step that was started and could not be written down has its place, though
// the cache does not show it yet.
func TestAStartThatWasNotWrittenDownTakesItsPlace(t *testing.T) {
	e := sideBySide()
	e.Spec.Steps = e.Spec.Steps[:2]
	w := newWorld(t, e)
	w.settings.MaxParallelSteps = 1
	w.outcome = map[string]string{"a": busy, "b": "hang"}
	var known *v1alpha1.ActionExecutionList // what the cache shows; nil if it is up to date
	w.cache = interceptor.NewClient(w.client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if steps, is := list.(*v1alpha1.ActionExecutionList); is && known != nil {
				known.DeepCopyInto(steps)
				return nil
			}
			return c.List(ctx, list, opts...)
		},
	})
	r := w.reconciler()
	pass := func() error {
		_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(e)})
		return err
	}
	for range 2 { // a starts, runs and is to be repeated
		if err := pass(); err != nil {
			t.Fatal(err)
		}
		w.steps()
	}
	known = &v1alpha1.ActionExecutionList{}
	if err := w.base.List(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	w.failAt = len(w.writes) + 2
	if err := pass(); err == nil || w.writes[len(w.writes)-2] != "create ActionExecution run-b" {
		t.Fatalf("%v, writes %q: the test tests nothing", err, w.writes)
	}
	w.now = w.now.Add(time.Minute) // a is due
	if err := pass(); err != nil {
		t.Fatal(err)
	}
	if got := w.writes[len(w.writes)-1]; !strings.Contains(got, "a:Pending b:Running") || strings.HasPrefix(w.writes[len(w.writes)-2], "create") {
		t.Errorf("writes %q", w.writes)
	}
	known = nil
	if err := pass(); err != nil || len(w.names()) != 2 {
		t.Errorf("%v, %q", err, w.names())
	}
}
