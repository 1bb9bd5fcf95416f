package job

import (
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/engine/enginetest"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

// both makes a pod that several changes are done to.
func both(changes ...func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, change := range changes {
			change(p)
		}
	}
}

func deleted(p *corev1.Pod)   { p.DeletionTimestamp = ptr.To(at(9)) }
func unbound(p *corev1.Pod)   { p.Spec.NodeName = "" }
func collected(p *corev1.Pod) { p.Status.Conditions[0].Reason = "DeletionByPodGC" }
func started(p *corev1.Pod)   { p.Status.ContainerStatuses[0].Started = ptr.To(true) }

func ranBefore(p *corev1.Pod) {
	p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137}
}

func rejected(p *corev1.Pod) {
	p.Status.Reason, p.Status.Message = "OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu"
}

// What another attempt may mend, and what had begun, for a Job whose contract
// lists 75 and 3 as retryable.
func TestCauseOfAFailure(t *testing.T) {
	pending := func(change ...func(*corev1.Pod)) []corev1.Pod {
		return []corev1.Pod{podOf("x", 1, corev1.PodPending, both(change...))}
	}
	failed := func(change ...func(*corev1.Pod)) []corev1.Pod {
		return []corev1.Pod{podOf("x", 1, corev1.PodFailed, both(change...))}
	}
	gone := func(j *batchv1.Job) *batchv1.Job { j.DeletionTimestamp = ptr.To(at(5)); return j }
	const never = ""
	for name, c := range map[string]struct {
		job  *batchv1.Job
		pods []corev1.Pod
		want string
	}{
		"a code that the contract calls retryable": {jobOf(false), failed(ended(75, "Error", "")), "RetryableExit began"},
		"another such code":                        {jobOf(true), failed(ended(3, "Error", "")), "RetryableExit began repeatable"},
		"any other code":                           {jobOf(true), failed(ended(65, "Error", "")), never},
		"killed by nobody knows whom":              {jobOf(true), failed(ended(137, "Error", "")), never},
		"out of memory":                            {jobOf(true), failed(ended(137, "OOMKilled", "")), never},
		"too late":                                 {jobOf(true), failed(killedLate), "Timeout began repeatable"},
		"too late to be pulled":                    {jobOf(false, jobFailed("DeadlineExceeded")), pending(waiting("ImagePullBackOff", "")), "Timeout"},
		"too late to be scheduled":                 {jobOf(false, jobFailed("DeadlineExceeded")), pending(unbound), "Timeout"},
		"too late, and the pod is gone":            {jobOf(false, jobFailed("DeadlineExceeded")), nil, "Timeout began"},
		"evicted while it ran":                     {jobOf(false), failed(ended(143, "Error", ""), disrupted), "Infrastructure began"},
		"evicted while it ran, idempotent":         {jobOf(true), failed(ended(75, "Error", ""), disrupted), "Infrastructure began repeatable"},
		"evicted and nothing is known":             {jobOf(false), failed(disrupted), "Infrastructure began"},
		"evicted and its end is not known":         {jobOf(false), failed(ended(137, unlocated, ""), disrupted), "Infrastructure began"},
		"evicted while it was pulled":              {jobOf(false), failed(waiting("ContainerCreating", ""), disrupted), "Infrastructure"},
		"evicted after it started":                 {jobOf(false), failed(waiting("ContainerCreating", ""), started, disrupted), "Infrastructure began"},
		"evicted after it ran before":              {jobOf(false), failed(waiting("CrashLoopBackOff", ""), ranBefore, disrupted), "Infrastructure began"},
		"preempted before it was bound":            {jobOf(false), failed(unbound, disrupted), "Infrastructure"},
		"node lost, which said nothing of a start": {jobOf(false), failed(waiting("ContainerCreating", ""), disrupted, collected), "Infrastructure began"},
		"never bound and collected":                {jobOf(false), failed(unbound, disrupted, collected), "Infrastructure"},
		"turned away by the node":                  {jobOf(false), failed(rejected), "Infrastructure"},
		"evicted, the pod is gone":                 {jobOf(true, jobFailed(batchv1.JobReasonPodFailurePolicy)), nil, "Infrastructure began repeatable"},
		"the pod is gone":                          {jobOf(false, jobFailed("BackoffLimitExceeded")), nil, "Infrastructure began"},
		"pod and Job are being deleted":            {gone(jobOf(false, jobFailed("BackoffLimitExceeded"))), nil, never},
		"deleted while it ran":                     {jobOf(true), failed(ended(143, "Error", ""), deleted), "Infrastructure began repeatable"},
		"deleted, and its end is not known":        {jobOf(false), failed(ended(137, unlocated, ""), deleted), "Infrastructure began"},
		"deleted before it was bound":              {jobOf(false, jobFailed("BackoffLimitExceeded")), pending(unbound, deleted), "Infrastructure"},
		"deleted while it ended by itself":         {jobOf(true), failed(ended(65, "Error", ""), deleted), never},
		"deleted with its Job":                     {gone(jobOf(true)), failed(ended(143, "Error", ""), deleted), never},
		"succeeded":                                {jobOf(true), []corev1.Pod{podOf("x", 1, corev1.PodSucceeded, ended(0, "", "{}"))}, never},
		"finished, and the pod is gone":            {jobOf(true, batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}), nil, never},
	} {
		t.Run(name, func(t *testing.T) {
			seen := Judge(c.job, c.pods)
			got := string(seen.Cause)
			if seen.Began {
				got += " began"
			}
			if seen.Repeatable {
				got += " repeatable"
			}
			if got != c.want {
				t.Errorf("%s: %q; got %q, want %q", seen.Reason, seen.Message, got, c.want)
			}
		})
	}
}

// Whoever reads of a lost pod learns what to do.
func TestALostPodSaysWhatItMeans(t *testing.T) {
	for name, c := range map[string]struct {
		twice bool
		state func(*corev1.Pod)
		says  string
	}{
		"not begun":      {false, waiting("ContainerCreating", ""), "nothing was changed"},
		"idempotent":     {true, ended(143, "Error", ""), "it may be run again"},
		"not idempotent": {false, ended(143, "Error", ""), "look at what it changed, then create another run"},
	} {
		got := Judge(jobOf(c.twice), []corev1.Pod{podOf("x", 1, corev1.PodFailed, both(c.state, disrupted))})
		if got.Reason != v1alpha1.ReasonEvicted || !strings.Contains(got.Message, c.says) {
			t.Errorf("%s: %s %q, want %q", name, got.Reason, got.Message, c.says)
		}
	}
}

// A lost pod counts from when it was lost, not from when it was made.
func TestALostPodEndsWhenItIsLost(t *testing.T) {
	if got := Judge(jobOf(true), []corev1.Pod{podOf("x", 1, corev1.PodFailed, disrupted)}); !got.Finished.Equal(at(8).Time) {
		t.Errorf("finished at %s, want %s", got.Finished, at(8))
	}
}

// An object that has the name of an attempt and is of another is not adopted.
func TestAnAttemptIsNotTakenForAnother(t *testing.T) {
	s := newSite(t)
	e, r := NewEngine(s.client, s.client, begin), enginetest.Example()
	taken := actionExecution(r, r.Steps[1], "")
	taken.Name = names.Attempt(r.Name, "a", 2)
	s.must(s.client.Create(t.Context(), taken))
	step := r.Steps[0]
	step.Attempt = 2
	refusal, refused := run.AsRefusal(e.Start(t.Context(), r, []run.Step{step}))
	if !refused || refusal.Reason != v1alpha1.ReasonForeignObject || !strings.Contains(refusal.Message, "is of attempt 1 of step b, and attempt 2 of step a") {
		t.Errorf("start = %v", refusal)
	}
}

// An action says itself why it failed, by a word of the list or by its exit
// code; what is repeated stays a matter of exit codes and of what happened.
func TestReasonThatAnActionGives(t *testing.T) {
	document := func(reason string) string { return `{"error":{"reason":"` + reason + `","message":"so it is"}}` }
	for name, c := range map[string]struct {
		pod    func(*corev1.Pod)
		reason run.Reason
		cause  run.Cause
	}{
		"a word of the list":              {ended(3, "Error", document("ManagedElsewhere")), v1alpha1.ReasonManagedElsewhere, run.RetryableExit},
		"not to be repeated":              {ended(65, "Error", document("TemporaryFailure")), v1alpha1.ReasonTemporaryFailure, ""},
		"a precondition by its code":      {ended(4, "Error", "so it is"), v1alpha1.ReasonPreconditionFailed, ""},
		"the word before the code":        {ended(66, "Error", document("EditInvalid")), v1alpha1.ReasonEditInvalid, ""},
		"no word of ours":                 {ended(65, "Error", document("SoItIs")), v1alpha1.ReasonStepFailed, ""},
		"Timeout, which it was not":       {ended(65, "Error", document("Timeout")), v1alpha1.ReasonStepFailed, ""},
		"Evicted, which it was not":       {ended(65, "Error", document("Evicted")), v1alpha1.ReasonStepFailed, ""},
		"evicted, whatever it says":       {both(ended(66, "Error", document("EditInvalid")), disrupted), v1alpha1.ReasonEvicted, run.Infrastructure},
		"out of memory, whatever it says": {ended(66, "OOMKilled", document("EditInvalid")), v1alpha1.ReasonOutOfMemory, ""},
	} {
		seen := Judge(jobOf(false), []corev1.Pod{podOf("x", 1, corev1.PodFailed, c.pod)})
		if seen.Reason != c.reason || seen.Cause != c.cause || c.cause == "" && c.reason != v1alpha1.ReasonOutOfMemory && !strings.HasSuffix(seen.Message, ": so it is") {
			t.Errorf("%s: %s, cause %q: %s; want %s, cause %q", name, seen.Reason, seen.Cause, seen.Message, c.reason, c.cause)
		}
	}
}

// Kubernetes never repeats an action by itself; what may be repeated is written
// at the Job.
func TestAJobIsNeverRepeatedByKubernetes(t *testing.T) {
	for _, twice := range []bool{false, true} {
		j := Build(&v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Name: "run-a"}}, run.Needs{Idempotent: twice, RetryableExits: []int{75, 4}, PreconditionExits: []int{66}})
		if *j.Spec.BackoffLimit != 0 || len(j.Spec.PodFailurePolicy.Rules) != 1 || j.Spec.PodFailurePolicy.Rules[0].Action != batchv1.PodFailurePolicyActionFailJob {
			t.Errorf("the Job may repeat its pod: %+v", j.Spec)
		}
		if j.Annotations[idempotent] != fmt.Sprint(twice) || j.Annotations[retryableExits] != "75,4" || j.Annotations[preconditionExits] != "66" {
			t.Errorf("annotations %v", j.Annotations)
		}
	}
}
