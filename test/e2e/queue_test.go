package e2e

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Where one run may go on at a time, the second tells that it waits and runs
// after the first.
func TestRunsWaitForAPlace(t *testing.T) {
	ns := namespace(t)
	rails := &v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "one-at-a-time"}, Spec: v1alpha1.ExecutionPolicySpec{MaxConcurrentRuns: 1}}
	if err := shared.Client.Create(t.Context(), rails); err != nil {
		t.Fatal(err)
	}
	step := probe(t, "probe", "well", "")
	first := start(t, ns, "first", step)
	reach(t, first, time.Minute, "its start", func() bool { return first.Status.StartedAt != nil })
	second := start(t, ns, "second", step)
	reach(t, second, time.Minute, "the queue or its start", func() bool { return second.Status.Queue != nil || second.Status.StartedAt != nil })
	if q := second.Status.Queue; q == nil || q.Position != 1 || q.Cap != "Namespace" || condition(second, v1alpha1.ConditionReady).Reason != v1alpha1.ReasonQueued {
		t.Errorf("the second run does not wait at position 1: %s", yamlOf(second.Status))
	}
	finish(t, first, 2*time.Minute)
	finish(t, second, 2*time.Minute)
	if first.Status.Phase != v1alpha1.ExecutionCompleted || second.Status.Phase != v1alpha1.ExecutionCompleted || second.Status.Queue != nil {
		t.Errorf("first: %s, second: %s", yamlOf(first.Status), yamlOf(second.Status))
	}
	if second.Status.StartedAt.Before(first.Status.CompletedAt) {
		t.Errorf("the second started at %s, before the first ended at %s", second.Status.StartedAt, first.Status.CompletedAt)
	}
}
