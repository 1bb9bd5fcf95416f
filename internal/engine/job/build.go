package job

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	// defaultTimeout bounds an action whose step and contract say nothing.
	defaultTimeout = 10 * time.Minute
	// keepJobs is how long a finished Job stays for whoever reads its logs;
	// the run's status holds what matters.
	keepJobs = 24 * time.Hour
	// declaredOutputs is the annotation of a Job that lists what its action
	// promised, so that reading the end of a step needs no registry.
	declaredOutputs = "kubernaut.ai/declared-outputs"
	// idempotent and retryableExits are annotations of a Job that say when its
	// action may be tried again, for the same reason.
	idempotent     = "kubernaut.ai/idempotent"
	retryableExits = "kubernaut.ai/retryable-exits"
	// preconditionExits is the annotation that lists the exit codes by which the
	// action says that a precondition does not hold.
	preconditionExits = "kubernaut.ai/precondition-exits"
	// containerName of the action in its pod.
	containerName = "action"
)

// Build returns the Job of an ActionExecution: the same Job each time.
func Build(ae *v1alpha1.ActionExecution, needs run.Needs) *batchv1.Job {
	labels := names.StepLabels(ae.Spec.Execution.Name, ae.Spec.Step, ae.Name)
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ae.Namespace, Name: ae.Name, Labels: labels,
			Annotations: map[string]string{
				declaredOutputs: strings.Join(needs.Outputs, ","),
				idempotent:      strconv.FormatBool(needs.Idempotent), retryableExits: numbers(needs.RetryableExits),
				preconditionExits: numbers(needs.PreconditionExits),
			},
			OwnerReferences: []metav1.OwnerReference{ownedBy(ae, "ActionExecution", ae.UID)},
		},
		Spec: batchv1.JobSpec{
			Parallelism: ptr.To[int32](1), Completions: ptr.To[int32](1),
			// Retries are decided by the planner, which knows whether an action
			// may be repeated; the Job itself never does.
			BackoffLimit:            ptr.To[int32](0),
			ActiveDeadlineSeconds:   ptr.To(int64(max(time.Second, timeout(ae, needs)) / time.Second)),
			TTLSecondsAfterFinished: ptr.To(int32(keepJobs / time.Second)),
			PodReplacementPolicy:    ptr.To(batchv1.Failed),
			PodFailurePolicy:        failurePolicy(),
			Template:                corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod(ae, needs)},
		},
	}
}

// failurePolicy ends the Job of a pod that was taken away: what began may be
// repeated only if the contract says so, and that is the planner's to know.
func failurePolicy() *batchv1.PodFailurePolicy {
	return &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
		Action:          batchv1.PodFailurePolicyActionFailJob,
		OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
	}}}
}

func numbers(list []int) string {
	out := make([]string, 0, len(list))
	for _, n := range list {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

func timeout(ae *v1alpha1.ActionExecution, needs run.Needs) time.Duration {
	switch {
	case ae.Spec.Timeout != nil && ae.Spec.Timeout.Duration > 0:
		return ae.Spec.Timeout.Duration
	case needs.Timeout > 0:
		return needs.Timeout
	}
	return defaultTimeout
}

// environment returns the container's variables in a fixed order. The values
// come from outside, so what Kubernetes would expand is escaped.
func environment(ae *v1alpha1.ActionExecution) []corev1.EnvVar {
	inputs := "{}"
	if ae.Spec.Inputs != nil {
		inputs = string(ae.Spec.Inputs.Raw)
	}
	env := []corev1.EnvVar{
		{Name: "ACTION_INPUTS", Value: escape(inputs)},
		{Name: "ACTION_OUTPUTS_PATH", Value: corev1.TerminationMessagePathDefault},
		{Name: "KUBERNAUT_STEP", Value: ae.Spec.Step},
	}
	for _, name := range slices.Sorted(maps.Keys(ae.Spec.Facts)) {
		env = append(env, corev1.EnvVar{Name: name, Value: escape(ae.Spec.Facts[name])})
	}
	return env
}
