package smoke

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// pod is one that holds its process as tightly as the product does.
func (s *suite) pod(name string, args ...string) *corev1.Pod {
	yes, no, user := true, false, int64(65532)
	limits := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "smoke", Image: s.programs.Image, Args: args,
				Resources: corev1.ResourceRequirements{Limits: limits, Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
				SecurityContext: &corev1.SecurityContext{
					ReadOnlyRootFilesystem: &yes, AllowPrivilegeEscalation: &no,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// run runs a pod to its end, whichever that is.
func (s *suite) run(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	if _, err := s.client.CoreV1().Pods(s.namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("create pod: %w", err)
	}
	changes, err := s.client.CoreV1().Pods(s.namespace).Watch(ctx, only(pod.Name))
	if err != nil {
		return nil, fmt.Errorf("watch pod: %w", err)
	}
	var ended *corev1.Pod
	err = follow(changes, func(o any) bool {
		p, ok := o.(*corev1.Pod)
		ended = p
		return ok && (p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed)
	})
	return ended, err
}

func (s *suite) succeeds(ctx context.Context, pod *corev1.Pod) error {
	ended, err := s.run(ctx, pod)
	if err != nil {
		return err
	}
	if ended.Status.Phase != corev1.PodSucceeded {
		return fmt.Errorf("pod %s ended %s: %s", pod.Name, ended.Status.Phase, terminated(ended).Message)
	}
	return nil
}

func (s *suite) createJob(ctx context.Context, pod *corev1.Pod) error {
	never := int32(0)
	_, err := s.client.BatchV1().Jobs(s.namespace).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name},
		Spec:       batchv1.JobSpec{BackoffLimit: &never, Template: corev1.PodTemplateSpec{Spec: pod.Spec}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create job: %w", err)
	}
	return nil
}

// jobDone waits until a Job is complete; what its pod said is part of the error.
func (s *suite) jobDone(ctx context.Context, name string) error {
	changes, err := s.client.BatchV1().Jobs(s.namespace).Watch(ctx, only(name))
	if err != nil {
		return fmt.Errorf("watch job: %w", err)
	}
	complete := false
	err = follow(changes, func(o any) bool {
		job, ok := o.(*batchv1.Job)
		if !ok {
			return false
		}
		complete = condition(job, batchv1.JobComplete)
		return complete || condition(job, batchv1.JobFailed)
	})
	if err != nil || complete {
		return err
	}
	pods, err := s.client.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + name})
	if err != nil || len(pods.Items) == 0 {
		return errors.Join(errors.New("the job failed and its pod is gone"), err)
	}
	return fmt.Errorf("the job failed: %s", terminated(&pods.Items[0]).Message)
}

func condition(job *batchv1.Job, kind batchv1.JobConditionType) bool {
	for _, c := range job.Status.Conditions {
		if c.Type == kind && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func only(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + name}
}

// follow reads changes until one is the last.
func follow(changes watch.Interface, last func(any) bool) error {
	defer changes.Stop()
	for change := range changes.ResultChan() {
		if change.Type == watch.Error {
			return fmt.Errorf("watch: %v", change.Object)
		}
		if last(change.Object) {
			return nil
		}
	}
	return errors.New("it did not end in time")
}

// terminated is how the only container ended.
func terminated(pod *corev1.Pod) corev1.ContainerStateTerminated {
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Terminated != nil {
			return *c.State.Terminated
		}
	}
	return corev1.ContainerStateTerminated{Reason: pod.Status.Reason, Message: pod.Status.Message}
}
