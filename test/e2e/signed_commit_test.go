package e2e

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// armored writes one half of a key.
func armored(t *testing.T, kind string, write func(*bytes.Buffer) error) string {
	t.Helper()
	var raw, out bytes.Buffer
	if err := write(&raw); err != nil {
		t.Fatal(err)
	}
	w, err := armor.Encode(&out, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// signingKey makes a key of the forge's user, whom it tells the public half, and
// a Secret with the private one.
func signingKey(t *testing.T, ns string) (mail string) {
	t.Helper()
	mail, err := shared.Mail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, err := openpgp.NewEntity("Repair Bot", "", mail, nil)
	if err != nil {
		t.Fatal(err)
	}
	forget, err := shared.Signs(t.Context(), armored(t, openpgp.PublicKeyType, func(b *bytes.Buffer) error { return key.Serialize(b) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := forget(context.Background()); err != nil {
			t.Error(err)
		}
	})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bot-signing"}, StringData: map[string]string{
		"git.asc":   armored(t, openpgp.PrivateKeyType, func(b *bytes.Buffer) error { return key.SerializePrivate(b, nil) }),
		"committer": "Repair Bot <" + mail + ">",
	}}
	if err := shared.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	return mail
}

// chainOf is a run of our actions, each after the one before.
func chainOf(steps ...v1alpha1.WorkflowStep) []v1alpha1.WorkflowStep {
	for i := range steps {
		steps[i].Image, steps[i].UsesWorkspace = shared.Repository(steps[i].Name)+":latest", true
		if i > 0 {
			steps[i].RunAfter = []string{steps[i-1].Name}
		}
	}
	return steps
}

func credential(name, secret string) []v1alpha1.Credential {
	return []v1alpha1.Credential{{Name: name, SecretRef: v1alpha1.LocalReference{Name: secret}}}
}

// The forge shows the commit of a remediation as verified, and the pull request
// has the lines of a step that looks for its file in a folder.
func TestCommitIsVerifiedByTheForge(t *testing.T) {
	s := newSetting(t)
	mail := signingKey(t, s.namespace)
	we := start(t, s.namespace, "signed", chainOf(
		v1alpha1.WorkflowStep{Name: "git-clone", ActionType: "git/clone", Inputs: raw(map[string]any{"repository": shared.CloneURL(s.app)}), Credentials: credential("git", "git-credentials")},
		v1alpha1.WorkflowStep{Name: "yaml-set", ActionType: "git/yaml-set", Inputs: raw(map[string]any{
			"folder": "deploy", "select": map[string]string{"kind": "Deployment", "name": "shop"},
			"set": map[string]any{"spec.template.spec.containers[name=shop].resources.limits.memory": "128Mi"},
		})},
		v1alpha1.WorkflowStep{Name: "git-commit", ActionType: "git/commit", Inputs: raw(map[string]any{"message": "fix(shop): raise the memory limit"}), Credentials: credential("signing", "bot-signing")},
		v1alpha1.WorkflowStep{Name: "git-push-pr", ActionType: "git/create-pr", Inputs: raw(map[string]any{"title": "Raise the memory limit of shop"}), Credentials: credential("git", "git-credentials")},
	)...)
	finish(t, we, 2*time.Minute)
	if we.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Fatalf("phase %s: %s", we.Status.Phase, yamlOf(we.Status))
	}
	pull := s.onePull(t)
	s.intended(t, pull, "-              memory: 64Mi # raised twice already\n", "+              memory: 128Mi # raised twice already\n")
	v, err := shared.Verification(t.Context(), s.app, pull.Head.Ref)
	if err != nil || !v.Verified || v.Signer.Email != mail {
		t.Errorf("the forge says of the commit: verified %t (%s) by %q, want it verified by %s; error %v", v.Verified, v.Reason, v.Signer.Email, mail, err)
	}
}
