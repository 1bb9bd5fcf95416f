package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/cli/install"
)

// both is an overlay of the policies that ship, for who signs without a key.
const both = `components: [%[1]s/image-policy, %[1]s/image-policy-attested]
patches:
  - target: {kind: ClusterImagePolicy, name: kubernaut-actions.*}
    patch: |
      - {op: replace, path: /spec/images/0/glob, value: "%[2]s/**"}
      - {op: remove, path: /spec/authorities/0/key}
      - op: add
        path: /spec/authorities/0/keyless
        value: {insecureIgnoreSCT: true, identities: [{issuer: "%[3]s", subject: "%[4]s"}]}
`

// release is the command line of somebody who releases actions by identity,
// from sources that are a clone, since a changed tree is at no commit.
type release struct {
	program, sources, token string
}

func newRelease(t *testing.T, email string) *release {
	t.Helper()
	program, err := shared.Build(t.Context(), shared.dir, "./cmd/kubernaut")
	if err != nil {
		t.Fatal(err)
	}
	token, err := shared.Sigstore.IdentityToken(t.Context(), email)
	if err != nil {
		t.Fatal(err)
	}
	r := &release{program: program, sources: filepath.Join(t.TempDir(), "sources"), token: filepath.Join(t.TempDir(), "token")}
	if err := os.WriteFile(r.token, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", "--shared", shared.Root, r.sources).CombinedOutput(); err != nil {
		t.Fatalf("clone the sources: %v: %s", err, out)
	}
	return r
}

// call runs the program in the sources and returns what it printed.
func (r *release) call(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var said strings.Builder
	cmd := exec.CommandContext(t.Context(), r.program, append(args, "--insecure-registries", shared.Registry)...)
	cmd.Dir, cmd.Stderr = r.sources, &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("kubernaut %s: %w: %s", args[0], err, said.String())
	}
	return string(out), err
}

// must is call where nothing may fail.
func (r *release) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.call(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// identified are the arguments of a verb that signs.
func (r *release) identified(verb string, images ...string) []string {
	s := shared.Sigstore
	return append([]string{"actions", verb, "--identity-token", r.token, "--fulcio", s.Fulcio, "--rekor", s.Rekor, "--timestamp-authority", s.TSA}, images...)
}

// The action images that the command line pushes, signs and attests by identity
// run under both policies that ship; one that is only signed does not.
func TestSignedAndAttestedActionsRun(t *testing.T) {
	const email = "builds@example.com"
	ns := namespace(t)
	registry := shared.Registry + "/" + ns
	r := newRelease(t, email)
	pushed := map[string]string{}
	for line := range strings.Lines(r.must(t, "actions", "push", "--registry", registry)) {
		digest := strings.TrimSpace(line)
		repository, _, _ := strings.Cut(digest, "@")
		pushed[repository[strings.LastIndex(repository, "/")+1:]] = digest
	}
	attested, signed := pushed["scale-deployment"], pushed["restart-pod"]
	r.must(t, r.identified("sign", attested, signed)...)
	r.must(t, r.identified("attest", attested)...)
	folder := trustReleases(t, registry, email)

	judge := []string{"verify", "--trusted-root", shared.Sigstore.TrustedRoot, "--policy", folder}
	if out := r.must(t, append(judge, attested)...); !strings.Contains(out, email) {
		t.Errorf("the report does not name who signed:\n%s", out)
	}
	if out, err := r.call(t, append(judge, signed)...); err == nil || !strings.Contains(out, "kubernaut-actions-attested") {
		t.Errorf("verify says of an image that is only signed: %v\n%s", err, out)
	}

	deployment(t, ns, "web")
	inputs := raw(map[string]any{"namespace": ns, "resource_name": "web", "replicas": 1})
	we := start(t, ns, "attested", v1alpha1.WorkflowStep{Name: "scale", Image: attested, Inputs: inputs})
	finish(t, we, time.Minute)
	if s := we.Status.Snapshot; we.Status.Phase != v1alpha1.ExecutionCompleted || len(s.Images) != 1 || len(s.Images[0].Policies) != 2 || !strings.Contains(s.Images[0].Signer, email) {
		t.Errorf("the attested image does not run as one of %s: %s", email, yamlOf(we.Status))
	}
	we = start(t, ns, "signed", v1alpha1.WorkflowStep{Name: "restart", Image: signed, Inputs: raw(map[string]any{"namespace": ns, "resource_name": "web"})})
	finish(t, we, time.Minute)
	if stalled := condition(we, v1alpha1.ConditionStalled); we.Status.Phase != v1alpha1.ExecutionFailed || !strings.Contains(stalled.Message, "kubernaut-actions-attested") {
		t.Errorf("an image that is only signed: phase %s, %s: %s", we.Status.Phase, stalled.Reason, stalled.Message)
	}
}

// trustReleases applies the two policies for a registry, and writes them to a
// folder for those who are in no cluster.
func trustReleases(t *testing.T, registry, email string) (folder string) {
	t.Helper()
	overlay, folder := t.TempDir(), t.TempDir()
	components, err := filepath.Rel(overlay, filepath.Join(shared.Root, "kustomize/components"))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(both, components, registry, shared.Sigstore.Issuer, email)
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, err := install.Build(overlay, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := os.WriteFile(filepath.Join(folder, o.GetName()+".yaml"), []byte(yamlOf(o.Object)), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := shared.Client.Delete(context.Background(), o); err != nil {
				t.Error(err)
			}
		})
		if err := shared.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("lab"), client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
