package job

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Steps carries out single ActionExecutions as Jobs.
type Steps struct{ server }

// NewSteps returns Steps that read the cache of c and, where it matters, live,
// and are told the time by now.
func NewSteps(c client.Client, live client.Reader, now func() time.Time) *Steps {
	return &Steps{server{client: c, live: live, now: now}}
}

// Observe reads the Job and pods of an ActionExecution and writes nothing.
// Without a Job of ours the step is Absent.
func (s *Steps) Observe(ctx context.Context, ae *v1alpha1.ActionExecution) (run.Seen, error) {
	job, err := s.job(ctx, ae)
	if err != nil {
		return run.Seen{}, err
	}
	if job == nil {
		return vanished(ae), nil
	}
	if !metav1.IsControlledBy(job, ae) && ae.Spec.Cancel {
		return vanished(ae), nil // there is one Job of this name, so none is ours to wait for
	}
	if !metav1.IsControlledBy(job, ae) {
		return run.Seen{}, s.foreign("Job", job, ae)
	}
	pods, err := s.pods(ctx, s.client, ae, job)
	if err == nil && over(job) && !slices.ContainsFunc(pods, done) {
		// How it ended tells its pod alone, and the two are not cached together.
		pods, err = s.pods(ctx, s.live, ae, job)
	}
	if err != nil {
		return run.Seen{}, err
	}
	declared := strings.FieldsFunc(job.Annotations[declaredOutputs], func(r rune) bool { return r == ',' })
	return Outputs(Judge(job, pods), pods, declared), nil
}

// pods lists those of the Job of an ActionExecution.
func (s *Steps) pods(ctx context.Context, from client.Reader, ae *v1alpha1.ActionExecution, job *batchv1.Job) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := from.List(ctx, &list, client.InNamespace(ae.Namespace), client.MatchingLabels{v1alpha1.LabelActionExecution: names.Label(ae.Name)})
	if err != nil {
		return nil, fmt.Errorf("list pods of Job %s: %w", job.Name, err)
	}
	return slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool { return !metav1.IsControlledBy(&pod, job) }), nil
}

// over says whether a Job itself says that it ended.
func over(job *batchv1.Job) bool {
	return jobCondition(job, batchv1.JobFailed) != nil || jobCondition(job, batchv1.JobComplete) != nil
}

// done says whether a pod ended.
func done(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// job reads the Job from the cache; nil if there is none. Where the cache may
// only be late and that matters, it asks the API server: for a Job that was
// created before, and for one that must not be left running.
func (s *Steps) job(ctx context.Context, ae *v1alpha1.ActionExecution) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	err := s.client.Get(ctx, client.ObjectKeyFromObject(ae), job)
	if apierrors.IsNotFound(err) && (ae.Status.JobName != "" || ae.Spec.Cancel) {
		err = s.live.Get(ctx, client.ObjectKeyFromObject(ae), job)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Job %s: %w", ae.Name, err)
	}
	return job, nil
}

// vanished is a step without a Job: Absent if there never was one, and failed
// if somebody removed it, since what it did is not known and must not be done
// again unasked.
func vanished(ae *v1alpha1.ActionExecution) run.Seen {
	if ae.Status.JobName == "" {
		return run.Seen{}
	}
	return run.Seen{State: run.Failed, Reason: v1alpha1.ReasonStepFailed, Ref: ae.Status.PodName, Node: ae.Status.NodeName,
		Message: "the Job was deleted before its result was read: look at what the action changed, then create another run"}
}

// DryRun asks the API server whether it would accept the Job.
func (s *Steps) DryRun(ctx context.Context, ae *v1alpha1.ActionExecution, needs run.Needs) error {
	err := s.client.Create(ctx, Build(ae, needs), client.DryRunAll)
	switch {
	case err == nil || apierrors.IsAlreadyExists(err):
		return nil
	case apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err):
		return run.Refuse(v1alpha1.ReasonDryRunRefused, "the API server would not accept Job %s: %v", ae.Name, err)
	}
	return fmt.Errorf("dry-run Job %s: %w", ae.Name, err)
}

// Start creates the account and the Job of an ActionExecution. What exists and
// is ours is left as it is; what is somebody else's is never touched.
func (s *Steps) Start(ctx context.Context, ae *v1alpha1.ActionExecution, needs run.Needs) error {
	if err := s.current(ctx, ae); err != nil {
		return err
	}
	if ae.Spec.ServiceAccountName == "" && len(needs.Permissions) > 0 {
		pull, err := s.pullSecrets(ctx, ae.Namespace)
		if err != nil {
			return err
		}
		sa, role, binding := account(ae, needs, pull)
		for _, o := range []client.Object{sa, role, binding} {
			if err := s.create(ctx, o, ae); err != nil {
				return err
			}
		}
	}
	return s.create(ctx, Build(ae, needs), ae)
}

// current asks the API server whether the action is still wanted as it is known
// here: by a late cache, one that was deleted with its Job would start again.
func (s *Steps) current(ctx context.Context, ae *v1alpha1.ActionExecution) error {
	now := &v1alpha1.ActionExecution{}
	err := s.live.Get(ctx, client.ObjectKeyFromObject(ae), now)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read ActionExecution %s: %w", ae.Name, err)
	}
	if err != nil || now.UID != ae.UID || !now.DeletionTimestamp.IsZero() || now.Spec.Cancel != ae.Spec.Cancel {
		return apierrors.NewConflict(schema.GroupResource{Group: v1alpha1.GroupVersion().Group, Resource: "actionexecutions"}, ae.Name,
			fmt.Errorf("it was changed or deleted, and the cache does not show that yet"))
	}
	return nil
}

// pullSecrets are those of the namespace's default account, so that a step
// pulls what any pod of the namespace can.
func (s *Steps) pullSecrets(ctx context.Context, namespace string) ([]corev1.LocalObjectReference, error) {
	sa := &corev1.ServiceAccount{}
	err := s.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: "default"}, sa)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read the default service account of namespace %s: %w", namespace, err)
	}
	return sa.ImagePullSecrets, nil
}

// Stop deletes the Job of an ActionExecution; its pod is told to end and has
// its grace period. A Job that is not ours is left alone.
func (s *Steps) Stop(ctx context.Context, ae *v1alpha1.ActionExecution) error {
	job, err := s.job(ctx, ae)
	if err != nil || job == nil {
		return err
	}
	if !metav1.IsControlledBy(job, ae) || !job.DeletionTimestamp.IsZero() {
		return nil
	}
	uid := job.UID
	err = s.client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationForeground), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Job %s: %w", job.Name, err)
	}
	return nil
}
