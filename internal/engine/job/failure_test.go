package job

import (
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

func begin() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func at(seconds int) metav1.Time {
	return metav1.NewTime(begin().Add(time.Duration(seconds) * time.Second))
}

func jobOf(twice bool, conditions ...batchv1.JobCondition) *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "run-a", CreationTimestamp: at(0), Annotations: map[string]string{
			idempotent: strconv.FormatBool(twice), retryableExits: "75,3", preconditionExits: "66,4"}},
		Spec:   batchv1.JobSpec{ActiveDeadlineSeconds: ptr.To[int64](60), PodFailurePolicy: failurePolicy()},
		Status: batchv1.JobStatus{StartTime: ptr.To(at(0)), Conditions: conditions},
	}
}

func jobFailed(reason string) batchv1.JobCondition {
	return batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: at(70)}
}

func podOf(name string, created int, phase corev1.PodPhase, change func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: at(created)},
		Spec:       corev1.PodSpec{NodeName: "node-1"},
		Status:     corev1.PodStatus{Phase: phase, StartTime: ptr.To(at(created))},
	}
	if change != nil {
		change(&p)
	}
	return p
}

func ended(code int32, reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{
			{Name: "sidecar", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: "not ours"}}},
			{Name: containerName, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: code, Reason: reason, Message: message, FinishedAt: at(9)}}},
		}
	}
}

func waiting(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	}
}

func disrupted(p *corev1.Pod) {
	p.Status.Reason = "Evicted"
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, LastTransitionTime: at(8)}}
}

func killedLate(p *corev1.Pod) {
	ended(143, "Error", "")(p)
	p.Status.ContainerStatuses[1].State.Terminated.FinishedAt = at(61)
	p.DeletionTimestamp = ptr.To(at(91))
}

func TestJudge(t *testing.T) {
	pods := func(p ...corev1.Pod) []corev1.Pod { return p }
	for name, c := range map[string]struct {
		job    *batchv1.Job
		pods   []corev1.Pod
		state  run.State
		reason run.Reason
		says   string
	}{
		"succeeded": {jobOf(false), pods(podOf("x", 1, corev1.PodSucceeded, ended(0, "Completed", "{}"))), run.Succeeded, "", ""},
		"succeeded before the Job's own condition tells otherwise": {jobOf(false, jobFailed("DeadlineExceeded")),
			pods(podOf("x", 1, corev1.PodSucceeded, ended(0, "", "{}"))), run.Succeeded, "", ""},
		"exit code with our message": {jobOf(false), pods(podOf("x", 1, corev1.PodFailed, ended(3, "Error", `{"error":{"reason":"R","message":"no such deployment"}}`))),
			run.Failed, v1alpha1.ReasonStepFailed, "exit code 3: no such deployment"},
		"exit code with other text": {jobOf(false), pods(podOf("x", 1, corev1.PodFailed, ended(1, "Error", "panic: oh"))),
			run.Failed, v1alpha1.ReasonStepFailed, "exit code 1: panic: oh"},
		"exit code without text":      {jobOf(false), pods(podOf("x", 1, corev1.PodFailed, ended(2, "Error", " \n"))), run.Failed, v1alpha1.ReasonStepFailed, "exit code 2: Error"},
		"out of memory":               {jobOf(false), pods(podOf("x", 1, corev1.PodFailed, ended(137, "OOMKilled", ""))), run.Failed, v1alpha1.ReasonOutOfMemory, "memory limit"},
		"evicted, to be repeated":     {jobOf(true), pods(podOf("x", 1, corev1.PodFailed, disrupted)), run.Failed, v1alpha1.ReasonEvicted, "it is idempotent, so that it may be run again"},
		"evicted, not to be repeated": {jobOf(false), pods(podOf("x", 1, corev1.PodFailed, disrupted)), run.Failed, v1alpha1.ReasonEvicted, "may not be repeated"},
		"evicted and the Job gave up": {jobOf(true, jobFailed("BackoffLimitExceeded")), pods(podOf("x", 1, corev1.PodFailed, disrupted)), run.Failed, v1alpha1.ReasonEvicted, "x"},
		"deadline of the pod": {jobOf(false), pods(podOf("x", 1, corev1.PodFailed, func(p *corev1.Pod) { p.Status.Reason = "DeadlineExceeded" })),
			run.Failed, v1alpha1.ReasonTimeout, "in time"},
		"deadline by the clock": {jobOf(false), pods(podOf("x", 1, corev1.PodFailed, killedLate)), run.Failed, v1alpha1.ReasonTimeout, "in time"},
		"killed late when the Job is deleted": {func() *batchv1.Job { j := jobOf(false); j.DeletionTimestamp = ptr.To(at(61)); return j }(),
			pods(podOf("x", 1, corev1.PodFailed, killedLate)), run.Failed, v1alpha1.ReasonStepFailed, "exit code 143"},
		"deadline before a pod began": {jobOf(false, jobFailed("DeadlineExceeded")), nil, run.Failed, v1alpha1.ReasonTimeout, "in time"},
		"pod fits no node": {jobOf(false), pods(podOf("x", 1, corev1.PodPending, func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available"}}
		})), run.Running, v1alpha1.ReasonUnschedulable, "no node takes pod x: 0/3 nodes are available"},
		"pod cannot be pulled": {jobOf(false), pods(podOf("x", 1, corev1.PodPending, waiting("ImagePullBackOff", "no route"))), run.Running, v1alpha1.ReasonImagePullFailed, "no route"},
		"pod is being created": {jobOf(false), pods(podOf("x", 1, corev1.PodPending, waiting("ContainerCreating", ""))), run.Running, v1alpha1.ReasonRunning, "waits for the pod of the Job to run"},
		"deadline while a pod is pulled": {jobOf(false, jobFailed("DeadlineExceeded")), pods(podOf("x", 1, corev1.PodPending, waiting("ImagePullBackOff", ""))),
			run.Failed, v1alpha1.ReasonTimeout, "in time"},
		"no pod yet":                   {jobOf(false), nil, run.Running, v1alpha1.ReasonRunning, "waits for the pod"},
		"pod gone after success":       {jobOf(false, batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}), nil, run.Failed, v1alpha1.ReasonOutputsInvalid, "deleted before"},
		"pod gone after failure":       {jobOf(false, jobFailed("BackoffLimitExceeded")), nil, run.Failed, v1alpha1.ReasonStepFailed, "BackoffLimitExceeded"},
		"pod gone after an eviction":   {jobOf(false, jobFailed(batchv1.JobReasonPodFailurePolicy)), nil, run.Failed, v1alpha1.ReasonEvicted, "taken away"},
		"a condition that is not true": {jobOf(false, batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionFalse}), nil, run.Running, v1alpha1.ReasonRunning, "waits"},
		"the newest pod counts": {jobOf(true), pods(podOf("new", 5, corev1.PodRunning, nil), podOf("old", 1, corev1.PodFailed, disrupted)),
			run.Running, v1alpha1.ReasonRunning, "pod new"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(c.job, c.pods)
			if got.State != c.state || got.Reason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("got %s %s %q, want %s %s … %q", got.State, got.Reason, got.Message, c.state, c.reason, c.says)
			}
			if c.state.Ended() && got.Finished.IsZero() && name != "pod gone after success" {
				t.Error("the end has no time")
			}
			if c.state == run.Failed && strings.HasSuffix(strings.TrimSpace(got.Message), ":") {
				t.Errorf("the message ends in the middle: %q", got.Message)
			}
		})
	}
}

func TestOutputs(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", maxOutputs) + `"}`
	for name, c := range map[string]struct {
		message  string
		declared []string
		want     string
		refused  string
	}{
		"compacted":                {" {\n \"a\": 1 } ", []string{"a"}, `{"a":1}`, ""},
		"none promised or made":    {"", nil, "", ""},
		"none made":                {"", []string{"a"}, "", "not one JSON object"},
		"one lacks":                {`{"b":1}`, []string{"a"}, "", `lack "a"`},
		"truncated ones may lack":  {`{"b":1,"truncated":true}`, []string{"a"}, `{"b":1,"truncated":true}`, ""},
		"no JSON":                  {"hello", nil, "", `found "hello"`},
		"a list":                   {"[1]", nil, "", "not one JSON object"},
		"null":                     {"null", nil, "", "not one JSON object"},
		"two objects":              {"{}{}", nil, "", "not one JSON object"},
		"too long":                 {long, nil, "", "are allowed"},
		"10 KB cut by the kubelet": {strings.Repeat("x", 4096), nil, "", "4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			pods := []corev1.Pod{podOf("x", 1, corev1.PodSucceeded, ended(0, "", c.message))}
			got := Outputs(run.Seen{State: run.Succeeded}, pods, c.declared)
			if c.refused != "" {
				if got.State != run.Failed || got.Reason != v1alpha1.ReasonOutputsInvalid || !strings.Contains(got.Message, c.refused) || got.Outputs != nil {
					t.Errorf("got %+v, want a failure that says %q", got, c.refused)
				}
				return
			}
			if got.State != run.Succeeded || string(got.Outputs) != c.want {
				t.Errorf("got %s %s, want %s", got.State, got.Outputs, c.want)
			}
		})
	}
	if got := Outputs(run.Seen{State: run.Running}, nil, []string{"a"}); got.State != run.Running {
		t.Errorf("a running step became %s", got.State)
	}
}

func FuzzOutputs(f *testing.F) {
	for _, s := range []string{"", "{}", `{"a":1}`, `{"a":"\u0000"}`, "null", "[]", "{", "\xff{}", `{"a":1,"a":2}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, message string) {
		pods := []corev1.Pod{podOf("x", 1, corev1.PodSucceeded, ended(0, "", message))}
		got := Outputs(run.Seen{State: run.Succeeded}, pods, nil)
		if got.State == run.Failed != (got.Message != "") || len(got.Outputs) > maxOutputs {
			t.Errorf("%q gives %+v", message, got)
		}
	})
}
