package step

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// A step is looked at when its pod or Job changed in a way that counts, and not
// while a pod is on its way.
func TestWhatWakesAStep(t *testing.T) {
	pod := func(phase corev1.PodPhase, waiting string) *corev1.Pod {
		p := &corev1.Pod{Status: corev1.PodStatus{Phase: phase}}
		if waiting != "" {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: waiting}}}}
		}
		return p
	}
	scheduled := pod(corev1.PodPending, "ContainerCreating")
	scheduled.Spec.NodeName = "n"
	homeless := pod(corev1.PodPending, "")
	homeless.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes"}}
	disrupted := pod(corev1.PodRunning, "")
	disrupted.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}
	deleted := pod(corev1.PodRunning, "")
	now := metav1.Now()
	deleted.DeletionTimestamp = &now
	for name, c := range map[string]struct {
		old, now *corev1.Pod
		want     bool
	}{
		"scheduled":     {pod(corev1.PodPending, ""), scheduled, false},
		"fits no node":  {pod(corev1.PodPending, ""), homeless, true},
		"cannot pull":   {scheduled, pod(corev1.PodPending, "ErrImagePull"), true},
		"runs":          {scheduled, pod(corev1.PodRunning, ""), true},
		"ended":         {pod(corev1.PodRunning, ""), pod(corev1.PodSucceeded, ""), true},
		"is taken away": {pod(corev1.PodRunning, ""), disrupted, true},
		"is deleted":    {pod(corev1.PodRunning, ""), deleted, true},
	} {
		if got := news(podState).Update(event.UpdateEvent{ObjectOld: c.old, ObjectNew: c.now}); got != c.want {
			t.Errorf("a pod that %s wakes its step: %t, want %t", name, got, c.want)
		}
	}
	if news(podState).Create(event.CreateEvent{Object: pod(corev1.PodPending, "")}) || !news(podState).Create(event.CreateEvent{Object: pod(corev1.PodSucceeded, "")}) {
		t.Error("a pod is news when it is first seen at its end, not when it is created")
	}
	if !news(podState).Delete(event.DeleteEvent{Object: scheduled}) {
		t.Error("a pod that is gone is no news")
	}
	job := func(c ...batchv1.JobCondition) *batchv1.Job {
		return &batchv1.Job{Status: batchv1.JobStatus{Conditions: c, Active: int32(len(c))}}
	}
	failed := job(batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue})
	target := job(batchv1.JobCondition{Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue})
	if !news(jobState).Update(event.UpdateEvent{ObjectOld: job(), ObjectNew: failed}) || news(jobState).Update(event.UpdateEvent{ObjectOld: job(), ObjectNew: target}) {
		t.Error("a Job is news when it has failed, not before")
	}
}

// A Job that is completed after its step has ended wakes nobody.
func TestAnEndedStepIsNotWoken(t *testing.T) {
	for phase, want := range map[v1alpha1.StepPhase]int{v1alpha1.StepRunning: 1, v1alpha1.StepSucceeded: 0} {
		ae := action()
		ae.Status.Phase = phase
		w := newWorld(t, ae)
		r := &Reconciler{client: w.base}
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ae.Namespace, Name: ae.Name, OwnerReferences: []metav1.OwnerReference{
			{APIVersion: v1alpha1.GroupVersion().String(), Kind: "ActionExecution", Name: ae.Name, Controller: ptr.To(true)}}}}
		if got := r.stepOfJob(t.Context(), job); len(got) != want {
			t.Errorf("the Job of a step that is %s wakes %v, want %d", phase, got, want)
		}
	}
}
