package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// maxRatio is how much longer than four empty pods in a row the chain may take.
const maxRatio = 1.4

// The chain is compared with its floor in the same run: four pods one after
// the other that do nothing, each created when the one before has ended.
func TestChainAgainstFloor(t *testing.T) {
	s := newSetting(t)
	warm := s.raise(t, "warm", "96Mi") // images reach the node once, for both
	finish(t, warm, 2*time.Minute)
	empty := probe(t, "probe", "well", "")
	ns := namespace(t)
	s.floor(t, ns, empty.Image)
	// A kubelet reports the ends of pods on a grid of whole seconds, so that any
	// one run can miss a second; the best of five is compared with the best of five.
	var chain, floor []time.Duration
	for i := range 5 {
		floor = append(floor, s.floor(t, ns, empty.Image))
		begin := time.Now()
		we := s.raise(t, fmt.Sprintf("timed-%d", i), fmt.Sprintf("%dMi", 128+i))
		s.ended(t, we)
		chain = append(chain, time.Since(begin))
		report(t, we, begin)
	}
	ratio := best(chain).Seconds() / best(floor).Seconds()
	t.Logf("chain %.1fs (of %v), floor %.1fs (of %v), ratio %.2f, at most %.1f", best(chain).Seconds(), chain, best(floor).Seconds(), floor, ratio, maxRatio)
	if ratio > maxRatio {
		t.Errorf("the chain takes %.2f times its floor, at most %.1f is allowed", ratio, maxRatio)
	}
}

// best of several: what the machine can do when nothing disturbs.
func best(of []time.Duration) time.Duration {
	out := of[0]
	for _, d := range of {
		out = min(out, d)
	}
	return out
}

// ended waits for the end of a run through a watch.
func (s setting) ended(t *testing.T, we *v1alpha1.WorkflowExecution) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w, err := shared.Client.Watch(ctx, &v1alpha1.WorkflowExecutionList{}, client.InNamespace(s.namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		if got, ok := e.Object.(*v1alpha1.WorkflowExecution); ok && got.Name == we.Name && got.Status.CompletedAt != nil {
			got.DeepCopyInto(we)
			if we.Status.Phase != v1alpha1.ExecutionCompleted {
				t.Fatalf("phase %s: %s", we.Status.Phase, yamlOf(we.Status))
			}
			return
		}
	}
	t.Fatalf("run %s did not end", we.Name)
}

// floor runs four empty pods one after the other.
func (s setting) floor(t *testing.T, ns, image string) time.Duration {
	t.Helper()
	begin := time.Now()
	for range 4 {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "empty-"}, Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "empty", Image: image, Command: []string{v1alpha1.ActionEntrypoint},
				Env: []corev1.EnvVar{{Name: "ACTION_INPUTS", Value: `{"mode":"well"}`}, {Name: "ACTION_OUTPUTS_PATH", Value: corev1.TerminationMessagePathDefault}}}},
		}}
		w, err := shared.Client.Watch(t.Context(), &corev1.PodList{}, client.InNamespace(ns))
		if err != nil {
			t.Fatal(err)
		}
		if err := shared.Client.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		err = errors.New("the watch ended")
		for e := range w.ResultChan() {
			if got, ok := e.Object.(*corev1.Pod); ok && got.Name == pod.Name && got.Status.Phase == corev1.PodSucceeded {
				err = nil
				break
			}
		}
		w.Stop()
		if err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(begin)
}

// report prints where a run's time went, from the pods' own times.
func report(t *testing.T, we *v1alpha1.WorkflowExecution, begin time.Time) {
	t.Helper()
	var list corev1.PodList
	if err := shared.Client.List(t.Context(), &list, client.InNamespace(we.Namespace), client.MatchingLabels{v1alpha1.LabelExecution: we.Name}); err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Items {
		status := p.Status.ContainerStatuses[0].State.Terminated
		t.Logf("%-10s created +%2.0fs started +%2.0fs ended +%2.0fs", p.Labels[v1alpha1.LabelStep],
			p.CreationTimestamp.Sub(begin).Seconds(), status.StartedAt.Sub(begin).Seconds(), status.FinishedAt.Sub(begin).Seconds())
	}
}
