package job

import (
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Judge says where a step stands from its Job and that Job's pods, purely. A
// step advances on the pod's end, because the Job's own condition follows more
// than a second later; without a pod the Job's condition counts. Of a failure
// it says, too, whether another attempt may mend it.
func Judge(job *batchv1.Job, pods []corev1.Pod) run.Seen {
	pod := latest(pods)
	seen := judge(job, pod)
	if seen.State != run.Failed {
		return seen
	}
	seen.Cause = cause(job, pod, seen.Reason)
	seen.Reason = told(job, pod, seen.Reason) // after its cause, which no word of an action decides
	if seen.Cause == "" {
		return seen
	}
	seen.Began, seen.Repeatable = began(pod), job.Annotations[idempotent] == "true"
	if seen.Reason == v1alpha1.ReasonEvicted {
		seen.Message += fate(seen)
	}
	return seen
}

func judge(job *batchv1.Job, newest *corev1.Pod) run.Seen {
	if newest == nil {
		return withoutPod(job)
	}
	seen := run.Seen{Ref: newest.Name, Node: newest.Spec.NodeName}
	if newest.Status.StartTime != nil {
		seen.Started = newest.Status.StartTime.Time
	}
	status := container(newest)
	if status != nil && status.State.Terminated != nil {
		seen.ExitCode = &status.State.Terminated.ExitCode
	}
	switch {
	case newest.Status.Phase == corev1.PodSucceeded:
		seen.State, seen.Finished = run.Succeeded, finished(status, newest)
	case newest.Status.Phase == corev1.PodFailed:
		failed(&seen, job, newest, status)
	case jobCondition(job, batchv1.JobFailed) != nil:
		c := jobCondition(job, batchv1.JobFailed)
		seen.State, seen.Finished = run.Failed, c.LastTransitionTime.Time
		seen.Reason, seen.Message = jobReason(c)
	default:
		pending(&seen, newest, status)
	}
	return seen
}

// latest returns the pod that was created last; the older ones were replaced.
func latest(pods []corev1.Pod) *corev1.Pod {
	if len(pods) == 0 {
		return nil
	}
	newest := slices.MaxFunc(pods, func(a, b corev1.Pod) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return &newest
}

func withoutPod(job *batchv1.Job) run.Seen {
	if c := jobCondition(job, batchv1.JobFailed); c != nil {
		reason, message := jobReason(c)
		return run.Seen{State: run.Failed, Reason: reason, Message: message, Finished: c.LastTransitionTime.Time}
	}
	if c := jobCondition(job, batchv1.JobComplete); c != nil {
		return run.Seen{State: run.Failed, Reason: v1alpha1.ReasonOutputsInvalid, Finished: c.LastTransitionTime.Time,
			Message: "the pod was deleted before its outputs were read: look for who deletes finished pods"}
	}
	return run.Seen{State: run.Running, Reason: v1alpha1.ReasonRunning, Message: run.AwaitsPod}
}

// failed fills in why a failed pod failed.
func failed(seen *run.Seen, job *batchv1.Job, pod *corev1.Pod, status *corev1.ContainerStatus) {
	seen.State, seen.Finished = run.Failed, finished(status, pod)
	if overdue(job, pod, seen.Finished) {
		seen.Reason, seen.Message = late()
		return
	}
	seen.Reason, seen.Message = podReason(pod, status)
}

// overdue says whether a pod was ended because of its Job's deadline. The pod
// itself tells only that it was killed, and the Job's condition may come later;
// but a pod that is deleted and ended after the deadline was ended by it.
func overdue(job *batchv1.Job, pod *corev1.Pod, ended time.Time) bool {
	if job.Spec.ActiveDeadlineSeconds == nil || pod.DeletionTimestamp.IsZero() || job.DeletionTimestamp != nil {
		return false
	}
	start := job.CreationTimestamp.Time
	if job.Status.StartTime != nil {
		start = job.Status.StartTime.Time
	}
	return !ended.Before(start.Add(time.Duration(*job.Spec.ActiveDeadlineSeconds) * time.Second))
}

func late() (run.Reason, string) {
	return v1alpha1.ReasonTimeout, "the action did not end in time: raise the step's timeout or look at its logs"
}

func podReason(pod *corev1.Pod, status *corev1.ContainerStatus) (run.Reason, string) {
	if pod.Status.Reason == "DeadlineExceeded" {
		return late()
	}
	if disruption(pod) != nil || pod.Status.Reason == "Evicted" || turnedAway(pod) {
		return v1alpha1.ReasonEvicted, fmt.Sprintf("pod %s was taken away (%s)", pod.Name, strings.TrimSpace(pod.Status.Reason+" "+pod.Status.Message))
	}
	if status == nil || status.State.Terminated == nil {
		return v1alpha1.ReasonStepFailed, strings.TrimRight(fmt.Sprintf("pod %s failed: %s %s", pod.Name, pod.Status.Reason, pod.Status.Message), ": ")
	}
	t := status.State.Terminated
	if t.Reason == "OOMKilled" {
		return v1alpha1.ReasonOutOfMemory, "the action was killed at its memory limit: raise the limit in its contract"
	}
	_, text := errorOf([]byte(t.Message))
	if text == "" {
		text = t.Reason
	}
	return v1alpha1.ReasonStepFailed, fmt.Sprintf("exit code %d: %s", t.ExitCode, text)
}

func jobReason(c *batchv1.JobCondition) (run.Reason, string) {
	switch c.Reason {
	case batchv1.JobReasonDeadlineExceeded:
		return late()
	case batchv1.JobReasonPodFailurePolicy:
		return v1alpha1.ReasonEvicted, "the pod was taken away"
	}
	return v1alpha1.ReasonStepFailed, strings.TrimSuffix(fmt.Sprintf("the Job failed: %s: %s", c.Reason, c.Message), ": ")
}

// pending fills in why a pod does not run yet. What a pod goes through on its
// way is not told: it would be three more statuses for a step that is well.
func pending(seen *run.Seen, pod *corev1.Pod, status *corev1.ContainerStatus) {
	seen.State, seen.Reason, seen.Message = run.Running, v1alpha1.ReasonRunning, fmt.Sprintf("pod %s is %s", pod.Name, pod.Status.Phase)
	if pod.Status.Phase == corev1.PodPending && !stuck(status) {
		*seen = run.Seen{State: run.Running, Reason: v1alpha1.ReasonRunning, Message: run.AwaitsPod}
	}
	if text := unplaced(pod); text != "" {
		seen.Reason, seen.Message = v1alpha1.ReasonUnschedulable, fmt.Sprintf("no node takes pod %s: %s", pod.Name, text)
	}
	if stuck(status) {
		w := status.State.Waiting
		seen.Reason = v1alpha1.ReasonImagePullFailed
		seen.Message = fmt.Sprintf("pod %s cannot start: %s: %s", pod.Name, w.Reason, w.Message)
	}
}

// unplaced is what the scheduler says of a pod that it finds no node for.
func unplaced(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return c.Message
		}
	}
	return ""
}

// stuck says whether the container waits for what does not come by itself.
func stuck(status *corev1.ContainerStatus) bool {
	if status == nil || status.State.Waiting == nil {
		return false
	}
	switch status.State.Waiting.Reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return true
	}
	return false
}

func container(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == containerName {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// finished is when a pod ended, as well as it tells.
func finished(status *corev1.ContainerStatus, pod *corev1.Pod) time.Time {
	if status != nil && status.State.Terminated != nil {
		return status.State.Terminated.FinishedAt.Time
	}
	if c := disruption(pod); c != nil && !c.LastTransitionTime.IsZero() {
		return c.LastTransitionTime.Time
	}
	return pod.CreationTimestamp.Time
}

func jobCondition(job *batchv1.Job, kind batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		if c := &job.Status.Conditions[i]; c.Type == kind && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}
