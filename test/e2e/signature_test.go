package e2e

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

func image(t *testing.T, name string) v1.Image {
	t.Helper()
	img, err := shared.Probe(t.Context(), shared.dir, name, "")
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func publish(t *testing.T, name string, img v1.Image, key *sign.Signer) string {
	t.Helper()
	pushed, err := shared.Publish(t.Context(), name, img, key, policy.Legacy)
	if err != nil {
		t.Fatal(err)
	}
	return pushed.String()
}

func stranger(t *testing.T) *sign.Signer {
	t.Helper()
	private, _, err := sign.GenerateKeyPair(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.LoadSigner(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// nothingRan asserts from outside that a namespace never saw a Job or a Pod.
func nothingRan(t *testing.T, ns string) {
	t.Helper()
	if j, p := jobs(t, ns); len(j)+len(p) > 0 {
		t.Errorf("%d Jobs and %d pods exist, want none", len(j), len(p))
	}
}

func TestNothingRunsUnverified(t *testing.T) {
	copied := publish(t, "copied-from", image(t, "copied-from"), shared.Signer)
	for name, c := range map[string]struct {
		image  func(t *testing.T) string
		reason string
	}{
		"unsigned":       {func(t *testing.T) string { return publish(t, "unsigned", image(t, "unsigned"), nil) }, v1alpha1.ReasonImageUnsigned},
		"another-key":    {func(t *testing.T) string { return publish(t, "another-key", image(t, "another-key"), stranger(t)) }, v1alpha1.ReasonSignatureInvalid},
		"copied":         {func(t *testing.T) string { return copySignature(t, copied) }, v1alpha1.ReasonSignatureInvalid},
		"no-policy":      {func(t *testing.T) string { return elsewhere(t) }, v1alpha1.ReasonNoMatchingPolicy},
		"does-not-exist": {func(*testing.T) string { return shared.Repository("never-pushed") + ":v1" }, v1alpha1.ReasonImageNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns, ref := namespace(t), c.image(t)
			we := start(t, ns, name, v1alpha1.WorkflowStep{Name: "probe", Image: ref})
			finish(t, we, 30*time.Second)
			stalled := condition(we, v1alpha1.ConditionStalled)
			if stalled.Reason != c.reason || !strings.Contains(stalled.Message, strings.Split(ref, "@")[0][:20]) {
				t.Errorf("stalled for %s: %q, want %s and the image's name", stalled.Reason, stalled.Message, c.reason)
			}
			if v := condition(we, v1alpha1.ConditionVerified); v.Status != metav1.ConditionFalse {
				t.Errorf("Verified = %s, want False", v.Status)
			}
			t.Log(stalled.Message)
			nothingRan(t, ns)
		})
	}
}

// copySignature places the signature of one image under the name of another.
func copySignature(t *testing.T, from string) string {
	t.Helper()
	to := publish(t, "copied-to", image(t, "copied-to"), nil)
	if err := shared.CopySignature(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	return to
}

// elsewhere is a signed image that no policy names.
func elsewhere(t *testing.T) string {
	t.Helper()
	pushed, err := shared.Images.Push(t.Context(), shared.Registry+"/elsewhere/probe:v1", image(t, "elsewhere"))
	if err == nil {
		err = sign.Sign(t.Context(), shared.Images, pushed, shared.Signer, policy.Bundle)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pushed.String()
}

// A tag that moves after the verification changes nothing: what was verified
// is what runs.
func TestMovedTag(t *testing.T) {
	ns := namespace(t)
	good := publish(t, "moving", image(t, "moving"), shared.Signer)
	hold := probe(t, "probe", "well", "")
	hold.Name = "first"
	we := start(t, ns, "moved", hold, v1alpha1.WorkflowStep{Name: "second", Image: shared.Repository("moving") + ":latest", RunAfter: []string{"first"}})
	reach(t, we, 30*time.Second, "a snapshot", func() bool { return we.Status.Snapshot != nil })
	publish(t, "moving", image(t, "moved"), nil)
	finish(t, we, time.Minute)
	if we.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Fatalf("phase %s: %s", we.Status.Phase, yamlOf(we.Status))
	}
	j, _ := jobs(t, ns)
	for _, job := range j {
		if job.Labels[v1alpha1.LabelStep] == "second" && job.Spec.Template.Spec.Containers[0].Image != good {
			t.Errorf("ran %s, verified %s", job.Spec.Template.Spec.Containers[0].Image, good)
		}
	}
}

// A policy that is deleted while a run goes on stops it before its next step.
func TestPolicyDeleted(t *testing.T) {
	ns := namespace(t)
	img := image(t, "own-policy")
	pushed, err := shared.Images.Push(t.Context(), shared.Registry+"/own/policy:v1", img)
	if err == nil {
		err = sign.Sign(t.Context(), shared.Images, pushed, shared.Signer, policy.Legacy)
	}
	if err == nil {
		err = shared.Policy(t.Context(), "own", shared.Registry+"/own/**", shared.PublicKey)
	}
	if err != nil {
		t.Fatal(err)
	}
	slow := v1alpha1.WorkflowStep{Name: "first", Image: pushed.String(), Inputs: raw(map[string]string{"mode": "well"})}
	we := start(t, ns, "orphaned", slow, v1alpha1.WorkflowStep{Name: "second", Image: pushed.String(), RunAfter: []string{"first"}})
	reach(t, we, 30*time.Second, "a started first step", func() bool { j, _ := jobs(t, ns); return len(j) == 1 })
	p := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": map[string]any{"name": "own"}}}
	if err := shared.Client.Delete(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	finish(t, we, time.Minute)
	if c := condition(we, v1alpha1.ConditionStalled); c.Reason != v1alpha1.ReasonNoMatchingPolicy {
		t.Errorf("stalled for %s: %q, want %s", c.Reason, c.Message, v1alpha1.ReasonNoMatchingPolicy)
	}
	if j, _ := jobs(t, ns); len(j) != 1 {
		t.Errorf("%d Jobs, want the first alone", len(j))
	}
}

// While the registry is away nothing runs; when it is back the run goes on by itself.
func TestRegistryAway(t *testing.T) {
	ns := namespace(t)
	step := probe(t, "away", "well", "")
	if err := shared.registry(t.Context(), "stop"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.registry(context.Background(), "start"); err != nil {
			t.Error(err)
		}
	})
	we := start(t, ns, "patient", step)
	reach(t, we, 30*time.Second, "the registry's absence", func() bool {
		return condition(we, v1alpha1.ConditionReady).Reason == v1alpha1.ReasonRegistryUnavailable
	})
	nothingRan(t, ns)
	if err := shared.registry(t.Context(), "start"); err != nil {
		t.Fatal(err)
	}
	finish(t, we, time.Minute)
	if we.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Errorf("phase %s, want Completed: %s", we.Status.Phase, yamlOf(we.Status))
	}
}

// registry opens or closes the lab's registry.
func (w *world) registry(ctx context.Context, command string) error {
	return harness.Until(ctx, time.Minute, func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, "go", "-C", w.Root+"/test/lab", "run", ".", command, "registry").CombinedOutput()
		if err != nil {
			return errors.New(string(out))
		}
		return nil
	})
}
