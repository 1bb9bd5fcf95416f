package e2e

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// probe publishes a signed probe image and returns a step that runs it.
func probe(t *testing.T, name, mode, contract string) v1alpha1.WorkflowStep {
	t.Helper()
	img, err := shared.Probe(t.Context(), shared.dir, name, contract)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := shared.Publish(t.Context(), name, img, shared.Signer, policy.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	return v1alpha1.WorkflowStep{Name: "probe", Image: pushed.String(), Inputs: raw(map[string]string{"mode": mode})}
}

func TestStepOutcomes(t *testing.T) {
	for mode, want := range map[string]struct {
		phase  v1alpha1.ExecutionPhase
		reason string
		says   string
	}{
		"well":    {v1alpha1.ExecutionCompleted, v1alpha1.ReasonSucceeded, "all 1 steps succeeded"},
		"fail":    {v1alpha1.ExecutionFailed, v1alpha1.ReasonStepFailed, "the probe fails because it was told to"},
		"large":   {v1alpha1.ExecutionFailed, v1alpha1.ReasonOutputsInvalid, "4096 bytes of outputs and 2048 are allowed"},
		"text":    {v1alpha1.ExecutionFailed, v1alpha1.ReasonOutputsInvalid, "not one JSON object"},
		"nothing": {v1alpha1.ExecutionFailed, v1alpha1.ReasonOutputsInvalid, "not one JSON object"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			we := start(t, namespace(t), "outcome", probe(t, "probe", mode, ""))
			finish(t, we, time.Minute)
			c := condition(we, v1alpha1.ConditionReady)
			if we.Status.Phase != want.phase || c.Reason != want.reason || !strings.Contains(c.Message, want.says) {
				t.Errorf("phase %s, Ready %s: %q; want %s, %s, a message with %q", we.Status.Phase, c.Reason, c.Message, want.phase, want.reason, want.says)
			}
			stalled := condition(we, v1alpha1.ConditionStalled).Status == metav1.ConditionTrue
			if stalled != (want.phase == v1alpha1.ExecutionFailed) {
				t.Errorf("stalled = %t in phase %s", stalled, we.Status.Phase)
			}
		})
	}
}

func TestStepTimesOut(t *testing.T) {
	step := probe(t, "probe", "hang", "")
	step.Timeout = &metav1.Duration{Duration: 3 * time.Second}
	we := start(t, namespace(t), "slow", step)
	finish(t, we, time.Minute)
	if c := condition(we, v1alpha1.ConditionStalled); c.Reason != v1alpha1.ReasonTimeout {
		t.Errorf("stalled for %s: %q, want %s", c.Reason, c.Message, v1alpha1.ReasonTimeout)
	}
}

// An evicted pod ends a run whose action may not be repeated; another attempt
// follows when it may.
func TestEviction(t *testing.T) {
	for name, c := range map[string]struct{ contract, want string }{
		"not-idempotent": {"", v1alpha1.ReasonEvicted},
		"idempotent":     {"  idempotent: true\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			we := start(t, ns, "evicted", probe(t, "probe-"+name, "hang", c.contract))
			reach(t, we, time.Minute, "a running pod", func() bool { return running(t, ns) == 1 })
			_, pods := jobs(t, ns)
			victim := pods[0]
			eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: victim.Name}}
			if err := shared.Client.SubResource("eviction").Create(t.Context(), &victim, eviction); err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				finish(t, we, time.Minute)
				if got := condition(we, v1alpha1.ConditionStalled); got.Reason != c.want {
					t.Errorf("stalled for %s: %q, want %s", got.Reason, got.Message, c.want)
				}
				return
			}
			reach(t, we, time.Minute, "a second pod", func() bool {
				_, pods := jobs(t, ns)
				return running(t, ns) == 1 && newest(pods) != victim.Name
			})
			if err := shared.Client.Get(t.Context(), client.ObjectKeyFromObject(we), we); err != nil {
				t.Fatal(err)
			}
			if we.Status.CompletedAt != nil {
				t.Errorf("the run ended though its action may be repeated: %s", yamlOf(we.Status))
			}
			cancelRun(t, we)
		})
	}
}

// A cancelled run stops its pod and says so.
func TestCancel(t *testing.T) {
	ns := namespace(t)
	first := probe(t, "probe", "hang", "")
	second := first
	second.Name, second.RunAfter = "after", []string{"probe"}
	we := start(t, ns, "cancelled", first, second)
	reach(t, we, time.Minute, "a running pod", func() bool { return running(t, ns) == 1 })
	cancelRun(t, we)
	if we.Status.Phase != v1alpha1.ExecutionCancelled {
		t.Errorf("phase %s, want Cancelled: %s", we.Status.Phase, yamlOf(we.Status))
	}
	if n := running(t, ns); n != 0 {
		t.Errorf("%d pods run after the cancellation", n)
	}
	if s := we.Status.Steps[1]; s.Phase != v1alpha1.StepSkipped {
		t.Errorf("the step after it is %s, want Skipped", s.Phase)
	}
}

func cancelRun(t *testing.T, we *v1alpha1.WorkflowExecution) {
	t.Helper()
	if err := shared.Client.Patch(t.Context(), we, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"cancel":true}}`))); err != nil {
		t.Fatal(err)
	}
	finish(t, we, time.Minute)
}

func running(t *testing.T, ns string) int {
	t.Helper()
	_, pods := jobs(t, ns)
	n := 0
	for _, p := range pods {
		if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp.IsZero() {
			n++
		}
	}
	return n
}

func newest(pods []corev1.Pod) string {
	name, at := "", time.Time{}
	for _, p := range pods {
		if p.CreationTimestamp.After(at) || name == "" {
			name, at = p.Name, p.CreationTimestamp.Time
		}
	}
	return name
}
