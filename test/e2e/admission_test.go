package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// A pod that somebody makes by hand, past our gate, meets the same policies at
// admission.
func TestPodByHandIsJudgedAtAdmission(t *testing.T) {
	const release = "release@example.com"
	ns := admitted(t)
	glob := shared.Registry + "/admission/keyless**"
	if err := shared.TrustRoot(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	if err := shared.KeylessPolicy(t.Context(), ns, glob, ns, release); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { forget(t, ns) })
	for name, c := range map[string]struct {
		repository string
		sign       func(verify.Image) error
		// refused is part of what the webhook says; empty if it lets the pod in.
		refused string
	}{
		"signed with the key":  {"e2e/actions/by-hand", byKey(t, policy.Legacy), ""},
		"unsigned":             {"e2e/actions/by-hand-unsigned", nil, "no signatures found"},
		"no policy":            {"admission/unknown", byKey(t, policy.Legacy), "no matching policies"},
		"keyless":              {"admission/keyless", byName(t, release, policy.Legacy), ""},
		"keyless, by another":  {"admission/keyless-other", byName(t, "somebody@example.com", policy.Legacy), "none of the expected identities matched"},
		"keyless but unsigned": {"admission/keyless-unsigned", nil, "no signatures found"},
		// It knows signatures in cosign's second format only where a policy asks
		// for them, and never with a key; our gate finds both.
		"signed with the key, as a bundle": {"e2e/actions/by-hand-bundle", byKey(t, policy.Bundle), "no signatures found"},
		"keyless, as a bundle":             {"admission/keyless-bundle", byName(t, release, policy.Bundle), "no signatures found"},
	} {
		t.Run(name, func(t *testing.T) {
			pushed, err := shared.Images.Push(t.Context(), shared.Registry+"/"+c.repository+":v1", image(t, strings.ReplaceAll(c.repository, "/", "-")))
			if err == nil && c.sign != nil {
				err = c.sign(pushed)
			}
			if err != nil {
				t.Fatal(err)
			}
			// A policy that was just written is not yet known.
			err = harness.Until(t.Context(), 15*time.Second, func(ctx context.Context) error { return byHand(ctx, ns, pushed.String(), c.refused) })
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// answer is an answer of the webhook that was not expected.
type answer struct{ got, want string }

func (a answer) Error() string { return "the pod is answered " + a.got + ", want " + a.want }

// byHand asks for a pod and wants it to be let in, or refused in certain words.
func byHand(ctx context.Context, ns, image, refused string) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "by-hand"},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: image}}},
	}
	err := shared.Client.Create(ctx, pod, client.DryRunAll)
	switch {
	case err == nil && refused != "":
		return answer{"yes", refused}
	case err != nil && (refused == "" || !strings.Contains(err.Error(), refused)):
		return answer{err.Error(), refused}
	}
	return nil
}

// admitted is a namespace whose pods the Policy Controller checks.
func admitted(t *testing.T) string {
	t.Helper()
	ns := namespace(t)
	patch := []byte(`{"metadata":{"labels":{"` + harness.Admitted + `":"true"}}}`)
	err := shared.Client.Patch(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, client.RawPatch(types.MergePatchType, patch))
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func byKey(t *testing.T, format policy.Format) func(verify.Image) error {
	return func(i verify.Image) error { return sign.Sign(t.Context(), shared.Images, i, shared.Signer, format) }
}

func byName(t *testing.T, email string, format policy.Format) func(verify.Image) error {
	return func(i verify.Image) error { return shared.SignKeyless(t.Context(), i, email, format) }
}

// forget removes a test's policy and root of trust.
func forget(t *testing.T, name string) {
	for kind, version := range map[string]string{"ClusterImagePolicy": "v1beta1", "TrustRoot": "v1alpha1"} {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(schema.GroupVersionKind{Group: "policy.sigstore.dev", Version: version, Kind: kind})
		o.SetName(name)
		if err := client.IgnoreNotFound(shared.Client.Delete(context.Background(), o)); err != nil {
			t.Error(err)
		}
	}
}
