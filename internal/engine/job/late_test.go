package job

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/internal/engine/enginetest"
	"github.com/kubernaut/kubernaut/internal/run"
)

// An action that the cache shows and that was deleted or stopped since gets no
// Job.
func TestALateCacheStartsNothing(t *testing.T) {
	for name, change := range map[string]func(*site){
		"deleted": func(s *site) { s.must(s.client.Delete(t.Context(), s.get("run-a"))) },
		"stopped": func(s *site) {
			ae := s.get("run-a")
			ae.Spec.Cancel = true
			s.must(s.client.Update(t.Context(), ae))
		},
		"made anew": func(s *site) {
			ae := s.get("run-a")
			s.must(s.client.Delete(t.Context(), ae))
			ae.UID, ae.ResourceVersion = "another", ""
			s.must(s.client.Create(t.Context(), ae))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			r := enginetest.Example("a")
			s.must(NewEngine(s.client, s.client, begin).Start(t.Context(), r, r.Steps[:1]))
			known := s.get("run-a")
			change(s)
			if err := NewSteps(s.client, s.client, begin).Start(t.Context(), known, run.Needs{}); !apierrors.IsConflict(err) {
				t.Errorf("error %v, want a conflict", err)
			}
			var jobs batchv1.JobList
			s.must(s.client.List(t.Context(), &jobs))
			if len(jobs.Items) > 0 {
				t.Errorf("%d Jobs were made", len(jobs.Items))
			}
		})
	}
}

// What an earlier object of the same name left is waited for by the clock that
// the engine was given.
func TestALeftoverIsWaitedForByTheClock(t *testing.T) {
	now := begin()
	clock := func() time.Time { return now }
	s := newSite(t)
	e, r := NewEngine(s.client, s.client, clock), enginetest.Example()
	earlier := r
	earlier.UID = "earlier"
	s.must(e.Start(t.Context(), earlier, r.Steps[:1]))
	left := Build(s.get("run-a"), run.Needs{})
	left.OwnerReferences = []metav1.OwnerReference{ownedBy(s.get("run-a"), "ActionExecution", "earlier-a")}
	s.must(s.client.Create(t.Context(), left))
	for range 2 {
		now = now.Add(time.Hour)
		_, err := NewSteps(s.client, s.client, clock).Observe(t.Context(), s.get("run-a"))
		for what, err := range map[string]error{"ActionExecution": e.Start(t.Context(), r, r.Steps[:1]), "Job": err} {
			if wait, waits := run.AsWait(err); !waits || !wait.Until.Equal(now.Add(leftoverRetry)) {
				t.Errorf("%s: %+v, want to wait until %s", what, err, now.Add(leftoverRetry))
			}
		}
	}
}

// A Job that says that it ended is not judged by a cache that lacks the end of
// its pod: a success would be a failure, and what may be repeated would not be.
func TestALateCacheOfPodsIsNoDeletion(t *testing.T) {
	for name, c := range map[string]struct {
		condition batchv1.JobConditionType
		exit      int32
		cached    bool // the pod as it was before it ended
		want      run.Seen
	}{
		"done, no pod yet":     {batchv1.JobComplete, 0, false, run.Seen{State: run.Succeeded}},
		"done, pod runs":       {batchv1.JobComplete, 0, true, run.Seen{State: run.Succeeded}},
		"failed, no pod yet":   {batchv1.JobFailed, 75, false, run.Seen{State: run.Failed, Cause: run.RetryableExit}},
		"failed, pod runs":     {batchv1.JobFailed, 75, true, run.Seen{State: run.Failed, Cause: run.RetryableExit}},
		"failed for good, too": {batchv1.JobFailed, 3, true, run.Seen{State: run.Failed}},
	} {
		t.Run(name, func(t *testing.T) {
			s, late := newSite(t), newSite(t)
			r := enginetest.Example("a")
			s.must(NewEngine(s.client, s.client, begin).Start(t.Context(), r, r.Steps[:1]))
			ae := s.get("run-a")
			job := Build(ae, run.Needs{RetryableExits: []int{75}})
			job.Status.Conditions = []batchv1.JobCondition{{Type: c.condition, Status: corev1.ConditionTrue, Reason: "Reason"}}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a-x", Labels: job.Labels, OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, Controller: ptr.To(true)}}}}
			pod.Status.Phase = corev1.PodRunning
			s.must(late.client.Create(t.Context(), job.DeepCopy()))
			if c.cached {
				s.must(late.client.Create(t.Context(), pod.DeepCopy()))
			}
			pod.Status.Phase = map[bool]corev1.PodPhase{true: corev1.PodSucceeded, false: corev1.PodFailed}[c.exit == 0]
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: c.exit}}}}
			s.must(s.client.Create(t.Context(), pod))
			seen, err := NewSteps(late.client, s.client, begin).Observe(t.Context(), ae)
			if err != nil || seen.State != c.want.State || seen.Cause != c.want.Cause {
				t.Errorf("%+v, %v, want %+v", seen, err, c.want)
			}
		})
	}
}
