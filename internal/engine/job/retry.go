package job

import (
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// unlocated is the reason the kubelet gives for a container of which it does
// not know how it ended.
const unlocated = "ContainerStatusUnknown"

// cause says why a step failed, if another attempt may mend it.
func cause(job *batchv1.Job, pod *corev1.Pod, reason run.Reason) run.Cause {
	switch reason {
	case v1alpha1.ReasonTimeout:
		return run.Timeout
	case v1alpha1.ReasonEvicted:
		return run.Infrastructure
	case v1alpha1.ReasonStepFailed:
	default:
		return ""
	}
	if pod == nil { // it was lost before its end was read
		return lost(job)
	}
	if t := ending(pod); t != nil && t.Reason != unlocated {
		switch {
		case listed(job.Annotations[retryableExits], t.ExitCode):
			return run.RetryableExit
		case t.ExitCode <= 128: // an end of its own, whatever became of the pod
			return ""
		}
	}
	if pod.DeletionTimestamp.IsZero() {
		return ""
	}
	return lost(job) // killed by whoever deleted the pod
}

// told is the reason that the action itself gives for a failure that nothing
// else explains: a word of the list, else what its exit code means.
func told(job *batchv1.Job, pod *corev1.Pod, reason run.Reason) run.Reason {
	if reason != v1alpha1.ReasonStepFailed || pod == nil {
		return reason
	}
	t := ending(pod)
	if t == nil || t.Reason == unlocated {
		return reason
	}
	switch word, _ := errorOf([]byte(t.Message)); {
	case slices.Contains(contract.Reasons(), string(word)):
		return word
	case listed(job.Annotations[preconditionExits], t.ExitCode):
		return v1alpha1.ReasonPreconditionFailed
	}
	return reason
}

// listed says whether an annotation lists an exit code.
func listed(codes string, code int32) bool {
	return slices.Contains(strings.Split(codes, ","), strconv.Itoa(int(code)))
}

// lost is the cause of a pod that somebody deleted; one that goes with its Job
// is meant to end.
func lost(job *batchv1.Job) run.Cause {
	if job.DeletionTimestamp.IsZero() {
		return run.Infrastructure
	}
	return ""
}

// began says whether the action of a pod may have done anything. Only what is
// certain not to have begun did not; of what is not known it is assumed.
func began(pod *corev1.Pod) bool {
	if pod == nil {
		return true
	}
	if pod.Spec.NodeName == "" || turnedAway(pod) {
		return false
	}
	// Where the node was lost, its last word may be older than the start.
	if c := disruption(pod); c != nil && c.Reason == "DeletionByPodGC" {
		return true
	}
	status := container(pod)
	if status == nil {
		return true
	}
	waits := status.State.Waiting != nil && status.LastTerminationState.Terminated == nil
	return !waits || status.Started != nil && *status.Started
}

// turnedAway says whether the node refused the pod, so that nothing of it ran.
func turnedAway(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed && len(pod.Status.ContainerStatuses) == 0 &&
		strings.HasPrefix(pod.Status.Message, "Pod was rejected")
}

// fate says what a pod that was taken away means for its action.
func fate(seen run.Seen) string {
	switch {
	case !seen.Began:
		return " before the action began: nothing was changed, so that it may be run again"
	case seen.Repeatable:
		return " while the action ran: it is idempotent, so that it may be run again"
	}
	return " and the action may not be repeated: look at what it changed, then create another run"
}

func ending(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	if status := container(pod); status != nil {
		return status.State.Terminated
	}
	return nil
}

// disruption is the condition of a pod that was evicted, preempted or lost.
func disruption(pod *corev1.Pod) *corev1.PodCondition {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	})
	if i < 0 {
		return nil
	}
	return &pod.Status.Conditions[i]
}
