package step

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// state is what of a Job or a pod can change a step. What has none of it is on
// its way, which needs nobody to look.
type state struct {
	phase, waiting     string
	failed, done, gone bool
}

// news lets through what changed in a way that can change a step. A Job or pod
// that was created is none: who created the Job knows it, and at the start of
// the controller each step is looked at by itself.
func news(of func(client.Object) state) predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return of(e.Object) != state{} },
		UpdateFunc: func(e event.UpdateEvent) bool { return of(e.ObjectOld) != of(e.ObjectNew) },
	}
}

func jobState(o client.Object) state {
	s := state{gone: !o.GetDeletionTimestamp().IsZero()}
	job, ok := o.(*batchv1.Job)
	if !ok {
		return s
	}
	for _, c := range job.Status.Conditions {
		s.failed = s.failed || c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue
		s.done = s.done || c.Type == batchv1.JobComplete && c.Status == corev1.ConditionTrue
	}
	return s
}

func podState(o client.Object) state {
	s := state{gone: !o.GetDeletionTimestamp().IsZero()}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return s
	}
	if pod.Status.Phase != corev1.PodPending {
		s.phase = string(pod.Status.Phase)
	}
	for _, c := range pod.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			s.waiting += w.Reason + " " + w.Message + "\n"
		}
	}
	for _, c := range pod.Status.Conditions {
		s.failed = s.failed || c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
		if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable {
			s.waiting += c.Message + "\n"
		}
	}
	return s
}

// stepOfJob finds the ActionExecution that owns a Job.
func (r *Reconciler) stepOfJob(ctx context.Context, o client.Object) []reconcile.Request {
	ref := metav1.GetControllerOf(o)
	if ref == nil || ref.Kind != "ActionExecution" {
		return nil
	}
	return r.underWay(ctx, types.NamespacedName{Namespace: o.GetNamespace(), Name: ref.Name})
}

// stepOfPod finds the ActionExecution of a pod by its Job, whose name it has.
func (r *Reconciler) stepOfPod(ctx context.Context, o client.Object) []reconcile.Request {
	if _, ours := o.GetLabels()[v1alpha1.LabelActionExecution]; !ours {
		return nil
	}
	for _, ref := range o.GetOwnerReferences() {
		if ref.Kind == "Job" {
			return r.underWay(ctx, types.NamespacedName{Namespace: o.GetNamespace(), Name: ref.Name})
		}
	}
	return nil
}

// underWay leaves out a step that is known to have ended: a Job is completed,
// and a pod deleted, long after.
func (r *Reconciler) underWay(ctx context.Context, key types.NamespacedName) []reconcile.Request {
	ae := &v1alpha1.ActionExecution{}
	err := r.client.Get(ctx, key, ae)
	if client.IgnoreNotFound(err) == nil && (err != nil || run.State(ae.Status.Phase).Ended()) {
		return nil
	}
	return []reconcile.Request{{NamespacedName: key}}
}
