package step

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
)

const (
	running   = "status Running Ready=False/Running Verified=True/Verified"
	succeeded = `status Succeeded Ready=True/Succeeded Verified=True/Verified {"word":"hi"}`
)

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestHappyActionWritesOnlyThis(t *testing.T) {
	w := newWorld(t, action())
	w.settle()
	equal(t, "writes", w.writes, []string{
		"status Pending Ready=False/Progressing Verified=True/Verified", "create ServiceAccount", "create Role", "create RoleBinding", "create Job", running, succeeded,
	})
	s := w.action().Status
	if s.Signer != "ada" || s.Digest != digest() || s.JobName != "run-a" || s.PodName != "run-a-x" || s.NodeName != "node-1" || s.CompletedAt == nil || s.ObservedGeneration != 1 {
		t.Errorf("status = %+v", s)
	}
}

func TestRefusedActionsWriteNothingButStatus(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world, *v1alpha1.ActionExecution)
		want  string
	}{
		"unsigned": {func(_ *world, ae *v1alpha1.ActionExecution) {
			ae.Spec.Image = "registry.example.com/demo@sha256:" + strings.Repeat("2", 64)
		}, "status Failed Ready=False/ImageUnsigned Verified=False/ImageUnsigned"},
		"contract unreadable": {func(w *world, _ *v1alpha1.ActionExecution) { w.document = "{" },
			"status Failed Ready=False/ContractInvalid Verified=True/Verified"},
		"inputs wrong": {func(_ *world, ae *v1alpha1.ActionExecution) { ae.Spec.Inputs = nil },
			"status Failed Ready=False/InvalidParameters Verified=True/Verified"},
		"too many rights": {func(w *world, _ *v1alpha1.ActionExecution) {
			w.document = strings.Replace(w.document, "[get, patch]", "[get, delete]", 1)
		}, "status Failed Ready=False/RightsExceeded Verified=True/Verified"},
		"another type": {func(_ *world, ae *v1alpha1.ActionExecution) { ae.Spec.ActionType = "demo/other" },
			"status Failed Ready=False/ContractMismatch Verified=True/Verified"},
		"an account that nobody allows": {func(_ *world, ae *v1alpha1.ActionExecution) { ae.Spec.ServiceAccountName = "admin" },
			"status Failed Ready=False/PolicyDenied Verified=True/Verified"},
		"the account of another step": {func(w *world, ae *v1alpha1.ActionExecution) {
			other := action()
			other.Name = "other-b"
			rails := &v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "rails"}, Spec: v1alpha1.ExecutionPolicySpec{ServiceAccounts: []string{"other-b"}}}
			for _, o := range []client.Object{other, rails} {
				if err := w.base.Create(context.Background(), o); err != nil {
					w.t.Fatal(err)
				}
			}
			ae.Spec.ServiceAccountName = "other-b"
		}, "status Failed Ready=False/PolicyDenied Verified=True/Verified"},
		"cancelled before it began": {func(_ *world, ae *v1alpha1.ActionExecution) { ae.Spec.Cancel = true },
			"status Cancelled Ready=False/Cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			ae := action()
			w := newWorld(t)
			c.spoil(w, ae)
			if err := w.base.Create(context.Background(), ae); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if diff := cmp.Diff([]string{c.want}, w.writes); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCancelledBehindALeftover: the Job that an earlier step of the same name
// left is waited for, but not by a step that shall not run at all.
func TestCancelledBehindALeftover(t *testing.T) {
	earlier := action()
	earlier.UID = "earlier"
	w := newWorld(t, action())
	left := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a", Finalizers: []string{"example.com/stuck"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(earlier, v1alpha1.GroupVersion().WithKind("ActionExecution"))}}}
	if err := w.base.Create(context.Background(), left); err != nil {
		t.Fatal(err)
	}
	if result, err := w.reconcile(); err != nil || result.RequeueAfter <= 0 || strings.HasPrefix(told(w.action()), "Cancelled") {
		t.Fatalf("%v, %v, %s, want to wait for the leftover", result, err, told(w.action()))
	}
	w.cancel()
	w.settle()
	if got := told(w.action()); !strings.HasPrefix(got, "Cancelled") {
		t.Errorf("cancelled behind a leftover: %s", got)
	}
}

func TestOutageIsWaitedFor(t *testing.T) {
	w := newWorld(t, action())
	w.verifier.Fail(errors.New("registry gone"))
	result, err := w.reconcile()
	if err != nil || result.RequeueAfter <= 0 {
		t.Errorf("%v, %v, want a time to come back", result, err)
	}
	equal(t, "writes", w.writes, []string{"status Pending Ready=False/RegistryUnavailable Verified=Unknown/RegistryUnavailable"})
	w.verifier.Fail(nil)
	w.settle()
	if got := "status " + told(w.action()); got != succeeded {
		t.Errorf("after the outage: %s", got)
	}
}

func TestCrashBetweenAnyTwoWrites(t *testing.T) {
	clean := newWorld(t, action())
	clean.settle()
	for _, applied := range []bool{false, true} {
		for n := 1; n <= len(clean.writes); n++ {
			w := newWorld(t, action())
			w.failAt, w.applied = n, applied
			w.settle()
			got, want := w.action(), clean.action()
			got.ResourceVersion, want.ResourceVersion = "", ""
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("write %d (%s) lost, applied %v (-want +got):\n%s", n, clean.writes[n-1], applied, diff)
			}
			var jobs batchv1.JobList
			if err := w.base.List(context.Background(), &jobs); err != nil || len(jobs.Items) != 1 {
				t.Errorf("write %d lost: %d Jobs, %v", n, len(jobs.Items), err)
			}
		}
	}
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "ops", Name: "run-a"}
	for _, o := range []client.Object{
		&batchv1.Job{ObjectMeta: meta}, &corev1.ServiceAccount{ObjectMeta: meta}, &rbacv1.Role{ObjectMeta: meta}, &rbacv1.RoleBinding{ObjectMeta: meta},
	} {
		t.Run(kindOf(o), func(t *testing.T) {
			w := newWorld(t, action(), o)
			before := o.DeepCopyObject().(client.Object)
			if err := w.base.Get(t.Context(), client.ObjectKeyFromObject(o), before); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if ready := told(w.action()); !strings.HasPrefix(ready, "Failed Ready=False/ForeignObject") {
				t.Errorf("status = %s", ready)
			}
			for _, what := range w.writes {
				if what == "create Job" || strings.HasPrefix(what, "delete") {
					t.Errorf("%s, although a %s is somebody else's", what, kindOf(o))
				}
			}
			after := o.DeepCopyObject().(client.Object)
			if err := w.base.Get(t.Context(), client.ObjectKeyFromObject(o), after); err != nil || after.GetResourceVersion() != before.GetResourceVersion() {
				t.Errorf("the foreign %s was touched: %v", kindOf(o), err)
			}
		})
	}
}

func TestAJobThatAnEarlierActionLeftIsWaitedFor(t *testing.T) {
	left := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: v1alpha1.GroupVersion().String(), Kind: "ActionExecution", Name: "run-a", UID: "earlier", Controller: ptr.To(true)}}}}
	w := newWorld(t, action(), left)
	result, err := w.reconcile()
	if err != nil || result.RequeueAfter <= 0 {
		t.Errorf("%v, %v, want a time to come back", result, err)
	}
	if err := w.base.Delete(context.Background(), left); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := "status " + told(w.action()); got != succeeded {
		t.Errorf("status = %s", got)
	}
}

func TestEndsOfAnAction(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world)
		want  string
	}{
		"fails": {func(w *world) {
			w.phase, w.exit, w.message = corev1.PodFailed, 3, `{"error":{"reason":"X","message":"no such deployment"}}`
		}, "Failed Ready=False/StepFailed Verified=True/Verified"},
		"prints no JSON": {func(w *world) { w.message = "hello" }, "Failed Ready=False/OutputsInvalid Verified=True/Verified"},
		"runs":           {func(w *world) { w.phase = corev1.PodRunning }, "Running Ready=False/Running Verified=True/Verified"},
		"is cancelled": {func(w *world) {
			w.phase = corev1.PodRunning
			w.settle()
			w.cancel()
		}, "Cancelled Ready=False/Cancelled Verified=True/Verified"},
		"is cancelled after it succeeded": {func(w *world) {
			w.must(w.reconcile())
			w.kubelet()
			w.cancel()
		}, `Succeeded Ready=True/Succeeded Verified=True/Verified {"word":"hi"}`},
		"loses its Job": {func(w *world) {
			w.phase = corev1.PodRunning
			w.settle()
			w.remove()
		}, "Failed Ready=False/StepFailed Verified=True/Verified"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, action())
			c.spoil(w)
			w.settle()
			if got := told(w.action()); got != c.want {
				t.Errorf("status = %s\nwant     %s", got, c.want)
			}
		})
	}
}

// A pod that is taken away while it runs is told to be gone, and not to be still
// on its way, until its Job says how the action ended.
func TestPodIsGone(t *testing.T) {
	w := newWorld(t, action())
	w.phase = corev1.PodRunning
	w.settle()
	if err := w.base.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a-x"}}); err != nil {
		t.Fatal(err)
	}
	w.must(w.reconcile())
	if got, want := report.Find(w.action().Status.Conditions, v1alpha1.ConditionReady).Message, "pod run-a-x is gone; waits for its Job to say how it ended"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

// What another attempt may mend is written down for the run, and nothing of an
// action that was stopped is.
func TestCauseIsWrittenDown(t *testing.T) {
	retryable := strings.Replace(document, "spec:\n", "spec:\n  exitCodes: [{code: 3, meaning: retryable}]\n", 1)
	for name, c := range map[string]struct {
		document string
		exit     int32
		cancel   bool
		want     string
	}{
		"a code that the contract lists":      {retryable, 3, false, "Failed RetryableExit true false"},
		"a code that it does not list":        {retryable, 75, false, "Failed  false false"},
		"ours":                                {strings.Replace(document, "spec:\n", "spec:\n  idempotent: true\n", 1), 75, false, "Failed RetryableExit true true"},
		"ours, which must not be twice":       {document, 75, false, "Failed  false false"},
		"a code that is listed, when stopped": {retryable, 3, true, "Cancelled  false false"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, action())
			w.document, w.phase, w.exit = c.document, corev1.PodFailed, c.exit
			w.must(w.reconcile())
			w.kubelet()
			if c.cancel {
				w.cancel()
			}
			w.settle()
			s := w.action().Status
			if got := fmt.Sprintf("%s %s %t %t", s.Phase, s.FailureCause, s.Began, s.Repeatable); got != c.want {
				t.Errorf("status = %s, want %s", got, c.want)
			}
			if s.ExitCode == nil || *s.ExitCode != c.exit {
				t.Errorf("exit code %v, want %d", s.ExitCode, c.exit)
			}
		})
	}
}

func (w *world) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// remove deletes the Job and its pod, as a person may.
func (w *world) remove() {
	w.t.Helper()
	for _, o := range []client.Object{
		&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a"}}, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a-x"}},
	} {
		if err := w.base.Delete(context.Background(), o); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestStatusOfAnEndedActionIsNeverWrittenAgain(t *testing.T) {
	w := newWorld(t, action())
	w.settle()
	w.remove()
	w.writes = nil
	w.settle()
	equal(t, "writes", w.writes, nil)
}

// A Job that was created just before, whose event the cache has not had yet,
// is not taken for missing.
func TestALateCacheDoesNotLoseAJob(t *testing.T) {
	w := newWorld(t, action())
	w.phase = corev1.PodRunning
	w.must(w.reconcile())
	w.cancel()
	w.must(w.late())
	if got := told(w.action()); strings.HasPrefix(got, "Cancelled") {
		t.Errorf("the action is said to have ended and runs: %s", got)
	}
	if last := w.writes[len(w.writes)-1]; !strings.HasPrefix(last, "status") || w.count("delete Job") != 1 {
		t.Errorf("writes = %v, want the Job deleted", w.writes)
	}
}

// A Job that comes and goes while its watch is broken is told to nobody: who has
// just made one, or told one to end, looks again by the clock.
func TestALostWatchDelaysAnEnd(t *testing.T) {
	w := newWorld(t, action())
	w.phase = corev1.PodRunning
	again := func(when string) {
		t.Helper()
		result, err := w.reconcile()
		if err != nil || result.RequeueAfter != lookAgain {
			t.Errorf("%s the action is looked at after %s (error %v), want %s", when, result.RequeueAfter, err, lookAgain)
		}
	}
	again("with its Job made,")
	w.kubelet()
	if result, err := w.reconcile(); err != nil || result.RequeueAfter != 0 {
		t.Errorf("while it runs the action is looked at after %s (error %v), want only for news", result.RequeueAfter, err)
	}
	w.cancel()
	again("told to end,")
	w.must(w.reconcile())
	if got := told(w.action()); !strings.HasPrefix(got, "Cancelled") {
		t.Errorf("status = %s, want Cancelled", got)
	}
}

func (w *world) count(what string) (n int) {
	for _, got := range w.writes {
		if got == what {
			n++
		}
	}
	return n
}
