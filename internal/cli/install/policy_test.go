package install

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/internal/verify/rule"
)

const (
	publicKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+BBGXmNvscUBOvPeQorEa+yfZj0y
/1XhkgITQaUkcAKLq70mYY/AY3OKB+uE8Bki5fCFFKzFqhMuMRwKkWY27A==
-----END PUBLIC KEY-----
`
	digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// blocks returns what a page shows as YAML.
func blocks(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i, part := range strings.Split(string(text), "```") {
		if block, ok := strings.CutPrefix(part, "yaml\n"); ok && i%2 == 1 {
			all = append(all, block)
		}
	}
	return all
}

// compiled builds an overlay that stands beside those that ship, and compiles
// its policies with its Secrets.
func compiled(t *testing.T, overlay string) *policy.Set {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../../kustomize")); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "overlays", "mine")
	if err := errors.Join(os.Mkdir(mine, 0o755), os.WriteFile(filepath.Join(mine, "kustomization.yaml"), []byte(overlay), 0o644),
		os.WriteFile(filepath.Join(mine, "cosign.pub"), []byte(publicKey), 0o644)); err != nil {
		t.Fatal(err)
	}
	objects, err := Build(mine, "")
	if err != nil {
		t.Fatal(err)
	}
	in := policy.Inputs{Public: &policy.Root{Public: true}, Rules: rule.Compile}
	secrets := map[string]map[string][]byte{}
	for _, o := range objects {
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		switch o.GetKind() {
		case "ClusterImagePolicy":
			in.Policies = append(in.Policies, text)
		case "Secret":
			var s corev1.Secret
			if err := json.Unmarshal(text, &s); err != nil {
				t.Fatal(err)
			}
			if s.Namespace != "kubernaut-system" {
				t.Errorf("Secret %s is in namespace %q", s.Name, s.Namespace)
			}
			secrets[s.Name] = s.Data
		}
	}
	in.Secrets = func(_, name string) (map[string][]byte, error) {
		if secrets[name] == nil {
			return nil, errors.New("not found")
		}
		return secrets[name], nil
	}
	return policy.Compile(in)
}

func guard(t *testing.T, set *policy.Set, repository string) policy.Compiled {
	t.Helper()
	matched := set.Match(repository, digest, policy.Object{Kind: "Job", Group: "batch", Version: "v1"})
	if len(matched) != 1 {
		t.Fatalf("%d policies name %s", len(matched), repository)
	}
	return matched[0]
}

// The policy that ships is made one's own as the how-to says.
func TestImagePolicyThatShips(t *testing.T) {
	shown := blocks(t, "../../../docs/howto/say-whose-signatures-count.md")
	if len(shown) != 2 {
		t.Fatalf("the how-to shows %d pieces of YAML", len(shown))
	}
	c := guard(t, compiled(t, shown[0]), "ghcr.io/my-team/kubernaut/scale-deployment")
	if c.Closed != "" || len(c.Authorities) != 1 || len(c.Authorities[0].Keys) != 1 {
		t.Errorf("by key: %+v", c)
	}
	c = guard(t, compiled(t, patched(t, shown[0], shown[1])), "ghcr.io/my-team/kubernaut/scale-deployment")
	if c.Closed != "" || len(c.Authorities) != 1 || c.Authorities[0].Keyless == nil || c.Authorities[0].Log == nil {
		t.Errorf("keyless: %+v", c)
	}
}

// patched adds operations to the patch of an overlay, which then needs no key.
func patched(t *testing.T, overlay, more string) string {
	t.Helper()
	var all struct {
		Patches    []map[string]any `json:"patches"`
		Resources  any              `json:"resources"`
		Components any              `json:"components"`
	}
	var first, second []any
	if err := errors.Join(yaml.Unmarshal([]byte(overlay), &all), yaml.Unmarshal([]byte(more), &second)); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(all.Patches[0]["patch"].(string)), &first); err != nil {
		t.Fatal(err)
	}
	both, err := json.Marshal(append(first, second...))
	if err != nil {
		t.Fatal(err)
	}
	all.Patches[0]["patch"] = string(both)
	text, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Who forgets to fill it in has no policy that lets anything run.
func TestImagePolicyThatShipsIsClosedAtFirst(t *testing.T) {
	set := compiled(t, "resources: [../default]\ncomponents: [../../components/image-policy]\n")
	if c := guard(t, set, "registry.example.com/kubernaut/scale-deployment"); !strings.Contains(c.Closed, `read Secret "kubernaut-image-keys": not found`) {
		t.Errorf("closed with %q", c.Closed)
	}
	if matched := set.Match("ghcr.io/my-team/kubernaut/scale-deployment", digest, policy.Object{}); len(matched) > 0 {
		t.Errorf("it names %v", matched)
	}
}

func TestImagePolicyOfTheSpec(t *testing.T) {
	for _, text := range blocks(t, "../../../docs/spec/imagepolicy.md") {
		object, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		set := policy.Compile(policy.Inputs{Policies: [][]byte{object}, Public: &policy.Root{Public: true}})
		if c := guard(t, set, "registry.example.com/kubernaut/scale-deployment"); c.Closed != "" || len(c.Authorities[0].Keyless.Identities) != 1 {
			t.Errorf("%+v", c)
		}
	}
}
