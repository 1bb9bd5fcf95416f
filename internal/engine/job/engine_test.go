package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/engine"
	"github.com/kubernaut/kubernaut/internal/engine/enginetest"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

// site stands in for the step controller and the kubelet.
type site struct {
	t      *testing.T
	client client.WithWatch
	script map[string]enginetest.Outcome
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	return &site{t: t, script: map[string]enginetest.Outcome{},
		client: fake.NewClientBuilder().WithScheme(s).WithStatusSubresource(&v1alpha1.ActionExecution{}).Build()}
}

func TestContract(t *testing.T) {
	enginetest.Run(t, func(t *testing.T) enginetest.Site {
		s := newSite(t)
		return enginetest.Site{
			Engine: func() engine.Engine { return NewEngine(s.client, s.client, begin) },
			Settle: s.settle, Occupy: s.occupy, Inputs: s.inputs,
			Script: func(step string, o enginetest.Outcome) { s.script[step] = o },
		}
	})
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// settle gives every ActionExecution a pod and brings both to their outcome.
func (s *site) settle() {
	s.t.Helper()
	ctx := context.Background()
	var list v1alpha1.ActionExecutionList
	s.must(s.client.List(ctx, &list))
	for _, ae := range list.Items {
		if run.State(ae.Status.Phase).Ended() {
			continue
		}
		phase := s.play(&ae)
		s.must(s.client.Status().Update(ctx, &ae))
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ae.Namespace, Name: ae.Name + "-x", Labels: map[string]string{v1alpha1.LabelExecution: ae.Labels[v1alpha1.LabelExecution]}}}
		s.must(client.IgnoreAlreadyExists(s.client.Create(ctx, pod)))
		s.must(s.client.Get(ctx, client.ObjectKeyFromObject(pod), pod))
		pod.Status.Phase = phase
		s.must(s.client.Status().Update(ctx, pod))
	}
}

func (s *site) play(ae *v1alpha1.ActionExecution) corev1.PodPhase {
	o := s.script[ae.Spec.Step]
	st := &ae.Status
	ready := func(status metav1.ConditionStatus, reason, message string) {
		st.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message}}
	}
	switch {
	case ae.Spec.Cancel:
		st.Phase = v1alpha1.StepCancelled
		ready(metav1.ConditionFalse, v1alpha1.ReasonCancelled, "stopped")
		return corev1.PodFailed
	case o.Hang:
		st.Phase = v1alpha1.StepRunning
		ready(metav1.ConditionFalse, v1alpha1.ReasonRunning, "runs")
		return corev1.PodRunning
	case o.Failure != "":
		st.Phase = v1alpha1.StepFailed
		st.FailureCause, st.Began, st.Repeatable = v1alpha1.RetryCause(o.Cause), o.Began, o.Repeatable
		ready(metav1.ConditionFalse, cmp.Or(string(o.Reason), v1alpha1.ReasonStepFailed), o.Failure)
		return corev1.PodFailed
	}
	st.Phase = v1alpha1.StepSucceeded
	if o.Outputs != "" {
		st.Outputs = &apiextensionsv1.JSON{Raw: []byte(o.Outputs)}
	}
	ready(metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "done")
	return corev1.PodSucceeded
}

func (s *site) get(name string) *v1alpha1.ActionExecution {
	s.t.Helper()
	ae := &v1alpha1.ActionExecution{}
	s.must(s.client.Get(context.Background(), types.NamespacedName{Namespace: "ops", Name: name}, ae))
	return ae
}

func (s *site) occupy(r run.Run, step string) func() bool {
	name := names.Step(r.Name, step)
	s.must(s.client.Create(context.Background(), &v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{
		Namespace: r.Namespace, Name: name, Labels: map[string]string{v1alpha1.LabelExecution: names.Label(r.Name)}}, Spec: v1alpha1.ActionExecutionSpec{Step: step}}))
	before := s.get(name).ResourceVersion
	return func() bool { return s.get(name).ResourceVersion == before }
}

func (s *site) inputs(r run.Run, step string) string {
	return string(s.get(names.Step(r.Name, step)).Spec.Inputs.Raw)
}

// A step that was started and that the cache does not show is looked for past
// the cache, so that a late cache is not taken for a deletion.
func TestALateCacheIsNoDeletion(t *testing.T) {
	s := newSite(t)
	late := newSite(t)
	e, r := NewEngine(late.client, s.client, begin), enginetest.Example("a", "b")
	s.must(NewEngine(s.client, s.client, begin).Start(t.Context(), r, r.Steps[:1]))
	seen, err := e.Observe(t.Context(), r)
	s.must(err)
	if got := seen.Steps["a"].State; got != run.Absent {
		t.Fatalf("the cache shows a %s", got)
	}
	r.Started = map[string]int{"a": 1}
	if seen, err = e.Observe(t.Context(), r); err != nil || seen.Steps["a"].State != run.Running {
		t.Errorf("a is %q, error %v", seen.Steps["a"].State, err)
	}
	r.Started, r.Fresh = nil, true
	if seen, err = e.Observe(t.Context(), r); err != nil || seen.Steps["a"].State != run.Running {
		t.Errorf("past the cache a is %q, error %v", seen.Steps["a"].State, err)
	}
	r.Fresh = false
	r.Started = map[string]int{"a": 2}
	if seen, err = e.Observe(t.Context(), r); err != nil || seen.Steps["a"].Attempt != 1 {
		t.Errorf("an attempt that is nowhere: %+v, error %v", seen.Steps["a"], err)
	}
}

// What the cache does not show is stopped all the same where that matters.
func TestStopPastALateCache(t *testing.T) {
	s := newSite(t)
	late := interceptor.NewClient(s.client, interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return nil }})
	e, r := NewEngine(late, s.client, begin), enginetest.Example("a")
	s.must(e.Start(t.Context(), r, r.Steps[:1]))
	r.Fresh = true
	s.must(e.Stop(t.Context(), r, v1alpha1.ReasonTimeout))
	if !s.get("run-a").Spec.Cancel {
		t.Error("a goes on")
	}
}

// Later pods go where the volume is attached.
func TestLaterStepsGoToTheNodeOfTheFirst(t *testing.T) {
	s := newSite(t)
	e, r := NewEngine(s.client, s.client, begin), enginetest.Example("a", "b")
	s.must(e.Start(t.Context(), r, r.Steps[:1]))
	ae := s.get("run-a")
	ae.Status.Phase, ae.Status.NodeName = v1alpha1.StepSucceeded, "node-7"
	s.must(s.client.Status().Update(t.Context(), ae))
	s.must(e.Start(t.Context(), r, r.Steps[1:]))
	if got := s.get("run-b").Spec; got.NodeName != "node-7" || got.Volumes[0].PVCName != "run-workspace" || got.Volumes[0].MountPath != "/workspace" {
		t.Errorf("b = %+v", got)
	}
}

// A claim keeps its protection until its pods have ended, then goes at once.
func TestReleaseTakesTheProtectionOff(t *testing.T) {
	s := newSite(t)
	e, r := NewEngine(s.client, s.client, begin), enginetest.Example("a")
	s.must(e.Start(t.Context(), r, r.Steps[:1]))
	claim, err := e.claim(t.Context(), r)
	s.must(err)
	claim.Finalizers = []string{protection, "example.com/other"}
	s.must(s.client.Update(t.Context(), claim))
	s.settle()
	s.must(e.Release(t.Context(), r))
	claim, err = e.claim(t.Context(), r)
	s.must(err)
	if claim == nil || len(claim.Finalizers) != 1 || claim.DeletionTimestamp.IsZero() {
		t.Errorf("claim = %+v, want only the other finalizer left", claim)
	}
}

// A pod of somebody else that mounts the workspace is waited for by name.
func TestReleaseWaitsForAForeignPod(t *testing.T) {
	s := newSite(t)
	e, r := NewEngine(s.client, s.client, begin), enginetest.Example("a")
	s.must(e.Start(t.Context(), r, r.Steps[:1]))
	claim, err := e.claim(t.Context(), r)
	s.must(err)
	claim.Finalizers = []string{protection}
	s.must(s.client.Update(t.Context(), claim))
	s.settle()
	debug := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "debug"}, Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "w",
		VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}}}}}}
	s.must(s.client.Create(t.Context(), debug))
	wait, waits := run.AsWait(e.Release(t.Context(), r))
	if !waits || !strings.Contains(wait.Message, "pod debug") || !wait.Until.Equal(begin().Add(releaseRetry)) {
		t.Errorf("release = %+v, want to wait for pod debug until %s", wait, begin().Add(releaseRetry))
	}
	if claim, err = e.claim(t.Context(), r); err != nil || claim == nil || !claim.DeletionTimestamp.IsZero() {
		t.Errorf("claim = %+v, %v: want it untouched", claim, err)
	}
	s.must(s.client.Delete(t.Context(), debug))
	s.must(e.Release(t.Context(), r))
}

func TestAForeignClaimIsNeitherUsedNorDeleted(t *testing.T) {
	s := newSite(t)
	e, r := NewEngine(s.client, s.client, begin), enginetest.Example("a")
	s.must(s.client.Create(t.Context(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-workspace"}}))
	err := e.Start(t.Context(), r, r.Steps[:1])
	if refusal, ok := run.AsRefusal(err); !ok || refusal.Reason != v1alpha1.ReasonForeignObject {
		t.Errorf("start = %v", err)
	}
	s.must(e.Release(t.Context(), r))
	s.must(s.client.Get(t.Context(), types.NamespacedName{Namespace: "ops", Name: "run-workspace"}, &corev1.PersistentVolumeClaim{}))
}

// A step that was started is told as its run told it itself, until there is more
// to say than that all is well with it.
func TestStepThatIsUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		phase                 v1alpha1.StepPhase
		reason, message, want string
	}{
		"nothing told":  {"", "", "", "Running Running: " + run.Accepted},
		"gets ready":    {v1alpha1.StepPending, v1alpha1.ReasonProgressing, "its Job is created next", "Running Running: " + run.Accepted},
		"runs":          {v1alpha1.StepRunning, v1alpha1.ReasonRunning, "pod x is Running", "Running Running: " + run.Accepted},
		"waits":         {v1alpha1.StepPending, v1alpha1.ReasonRegistryUnavailable, "no answer", "Pending RegistryUnavailable: no answer"},
		"goes wrong":    {v1alpha1.StepPending, v1alpha1.ReasonProgressingWithRetry, "quota", "Pending ProgressingWithRetry: quota"},
		"fails at once": {"", v1alpha1.ReasonProgressingWithRetry, "quota", "Pending ProgressingWithRetry: quota"},
		"is stuck":      {v1alpha1.StepRunning, v1alpha1.ReasonUnschedulable, "no node", "Running Unschedulable: no node"},
		"is stopped":    {v1alpha1.StepRunning, v1alpha1.ReasonCancelled, "it is told to end", "Running Cancelled: it is told to end"},
		"has ended":     {v1alpha1.StepSucceeded, v1alpha1.ReasonSucceeded, "done", "Succeeded Succeeded: done"},
	} {
		status := v1alpha1.ActionExecutionStatus{Phase: c.phase}
		if c.reason != "" {
			status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: c.reason, Message: c.message}}
		}
		seen := seenOf(&v1alpha1.ActionExecution{Status: status})
		if got := fmt.Sprintf("%s %s: %s", seen.State, seen.Reason, seen.Message); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
