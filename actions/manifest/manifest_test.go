package manifest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/test/gitserver"
)

const (
	web = `# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2   # two
  template:
    spec:
      containers:
        - name: app
          image: example.com/app:1   # pinned
          args: [--fast]
`
	kustomization = "resources:\n  - web.yaml   # all\nimages:\n  - name: example.com/app\n    newTag: \"1\"  # now\n"
	values        = "# Values.\nreplicas: 2   # two\nimage: {tag: \"1\"}\n"
	schema        = `{"properties": {"replicas": {"type": "integer"}, "image": {"properties": {"tag": {"type": "string"}}}}}`
)

func files() map[string]string {
	return map[string]string{
		"apps/web.yaml": web, "apps/kustomization.yaml": kustomization, "kustomization.yaml": "resources: [apps]\n",
		"chart/values.yaml": values, "chart/values.schema.json": schema, "prod/values.yaml": "replicas: 3\n",
	}
}

// pod is the workspace that the steps of a run share.
type pod struct {
	t         *testing.T
	workspace string
	vars      map[string]string
}

// cloned is a run that has cloned the files.
func cloned(t *testing.T) *pod {
	t.Helper()
	server := gitserver.New(t, "bot", "token")
	repository := server.Repository("shop/app")
	repository.Commit("main", "start", files())
	dir := t.TempDir()
	p := &pod{t: t, workspace: filepath.Join(dir, "workspace")}
	secret := filepath.Join(dir, "credentials", "git")
	for _, d := range []string{p.workspace, secret} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"username": "bot", "password": "token"} {
		if err := os.WriteFile(filepath.Join(secret, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.vars = map[string]string{
		"KUBERNAUT_WORKSPACE": p.workspace, "KUBERNAUT_CREDENTIALS": filepath.Dir(secret), "ACTION_OUTPUTS_PATH": filepath.Join(dir, "outputs"),
		"KUBERNAUT_EXECUTION": "shop/fix", "KUBERNAUT_EXECUTION_UID": "u1", "KUBERNAUT_WORKFLOW": "fix@v1.0.0", "KUBERNAUT_STARTED_AT": "2026-01-02T03:04:05Z",
	}
	if code, out := p.step("git-clone", map[string]any{"repository": repository.URL}); code != 0 {
		t.Fatal(out)
	}
	return p
}

// step runs one action as its pod would and returns exit code and outputs.
func (p *pod) step(name string, inputs map[string]any) (int, map[string]any) {
	p.t.Helper()
	built, ok := actions.Find(nil, name)
	if !ok {
		p.t.Fatalf("no action %s", name)
	}
	raw, err := json.Marshal(inputs)
	if err != nil {
		p.t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	vars := map[string]string{"ACTION_INPUTS": string(raw), "KUBERNAUT_STEP": name}
	code := entry.Main(p.t.Context(), built.Action, entry.Process{
		Getenv: func(n string) string { return vars[n] + p.vars[n] }, Stdout: &stdout, Stderr: &stderr,
	})
	var out map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		p.t.Fatalf("%s: %v in %q\n%s", name, err, stdout.String(), stderr.String())
	}
	return code, out
}

func (p *pod) file(name string) string {
	p.t.Helper()
	content, err := os.ReadFile(filepath.Join(p.workspace, "repo", name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(content)
}

type call struct {
	action       string
	inputs       map[string]any
	file         string
	old, changed string // the only difference
}

func calls() map[string]call {
	selected := map[string]any{"kind": "Deployment", "name": "web"}
	container := func(fields map[string]any) map[string]any {
		fields["name"] = "app"
		return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{fields}}}}}
	}
	digest := "sha256:" + strings.Repeat("c", 64)
	return map[string]call{
		"set":    {"yaml-set", map[string]any{"file": "apps/web.yaml", "set": map[string]any{"spec.replicas": 3}}, "apps/web.yaml", "2   #", "3   #"},
		"append": {"yaml-set", map[string]any{"folder": "apps", "select": selected, "append": map[string]any{"spec.template.spec.containers[name=app].args": "--safe"}}, "apps/web.yaml", "[--fast]", "[--fast, --safe]"},
		"delete": {"yaml-set", map[string]any{"folder": ".", "select": selected, "delete": []any{"spec.replicas"}}, "apps/web.yaml", "  replicas: 2   # two\n", ""},
		"strategic merge": {"manifest-patch", map[string]any{"folder": "apps", "select": selected, "patch": container(map[string]any{"image": "example.com/app:2"})},
			"apps/web.yaml", "app:1", "app:2"},
		"strategic merge of the whole": {"manifest-patch", map[string]any{"file": "apps/web.yaml", "patch": container(map[string]any{"args": nil})},
			"apps/web.yaml", "          args: [--fast]\n", ""},
		"JSON patch": {"manifest-patch", map[string]any{"file": "apps/web.yaml", "operations": []any{
			map[string]any{"op": "test", "path": "/spec/replicas", "value": 2}, map[string]any{"op": "add", "path": "/spec/template/spec/containers/0/args/0", "value": "--first"}}},
			"apps/web.yaml", "[--fast]", "[--first, --fast]"},
		"image":             {"kustomize-set-image", map[string]any{"file": "apps/kustomization.yaml", "image": "example.com/app", "newTag": "2"}, "apps/kustomization.yaml", `"1"  #`, `"2"  #`},
		"image by digest":   {"kustomize-set-image", map[string]any{"image": "example.com/app", "digest": digest}, "kustomization.yaml", "[apps]\n", "[apps]\nimages:\n- name: example.com/app\n  digest: " + digest + "\n"},
		"replicas":          {"kustomize-set-replicas", map[string]any{"file": "apps/kustomization.yaml", "name": "web", "count": 4}, "apps/kustomization.yaml", "# now\n", "# now\nreplicas:\n  - name: web\n    count: 4\n"},
		"values":            {"helm-values-set", map[string]any{"file": "chart/values.yaml", "set": map[string]any{"image.tag": "2", "replicas": 3}}, "chart/values.yaml", "2   # two\nimage: {tag: \"1\"}", "3   # two\nimage: {tag: \"2\"}"},
		"values of another": {"helm-values-set", map[string]any{"file": "prod/values.yaml", "chart": "chart", "set": map[string]any{"image.tag": "2"}}, "prod/values.yaml", "replicas: 3\n", "replicas: 3\nimage:\n  tag: \"2\"\n"},
	}
}

// Each action changes what is asked for and nothing else, tells the same when
// it is repeated, and leaves a note that git-commit reads.
func TestActions(t *testing.T) {
	for name, c := range calls() {
		t.Run(name, func(t *testing.T) {
			p := cloned(t)
			code, out := p.step(c.action, c.inputs)
			if code != 0 || out["changed"] != true || out["file"] != c.file || !strings.Contains(fmt.Sprint(out["diff"]), "+++ b/"+c.file) {
				t.Fatalf("exit %d, %v", code, out)
			}
			want := strings.Replace(files()[c.file], c.old, c.changed, 1)
			if diff := cmp.Diff(want, p.file(c.file)); diff != "" {
				t.Error(diff)
			}
			if _, again := p.step(c.action, c.inputs); !cmp.Equal(out, again) {
				t.Errorf("the repetition tells something else: %s", cmp.Diff(out, again))
			}
			if diff := cmp.Diff(want, p.file(c.file)); diff != "" {
				t.Errorf("the repetition changed the file: %s", diff)
			}
			if code, out := p.step("git-commit", map[string]any{"message": "fix: it"}); code != 0 || out["changed"] != true {
				t.Errorf("commit: exit %d, %v", code, out)
			}
		})
	}
}

func TestActionsRefuse(t *testing.T) {
	p := cloned(t)
	set := map[string]any{"spec.replicas": 3}
	selected := map[string]any{"kind": "Deployment", "name": "web"}
	before := p.file("apps/web.yaml") + p.file("chart/values.yaml")
	for name, c := range map[string]struct {
		action string
		inputs map[string]any
		want   string
	}{
		"no file":             {"yaml-set", map[string]any{"set": set}, "either file or folder"},
		"file and folder":     {"yaml-set", map[string]any{"file": "apps/web.yaml", "folder": "apps", "set": set}, "either file or folder"},
		"nothing to do":       {"yaml-set", map[string]any{"file": "apps/web.yaml"}, "found no change"},
		"paths that are none": {"yaml-set", map[string]any{"file": "apps/web.yaml", "delete": []any{1}}, "inputs.delete"},
		"unknown selector":    {"yaml-set", map[string]any{"file": "apps/web.yaml", "select": map[string]any{"label": "x"}, "set": set}, "inputs.select.label"},
		"folder without name": {"yaml-set", map[string]any{"folder": "apps", "select": map[string]any{"kind": "Deployment"}, "set": set}, "kind and name"},
		"nobody in folder":    {"yaml-set", map[string]any{"folder": "chart", "select": selected, "set": set}, "EditTargetNotFound"},
		"folder outside":      {"yaml-set", map[string]any{"folder": "../..", "select": selected, "set": set}, "PathRefused"},
		"wrong type":          {"yaml-set", map[string]any{"file": "apps/web.yaml", "set": map[string]any{"spec.replicas": "3"}}, "EditSchemaViolated"},
		"outside":             {"yaml-set", map[string]any{"file": "../x.yaml", "set": set}, "PathRefused"},
		"no patch":            {"manifest-patch", map[string]any{"file": "apps/web.yaml"}, "either patch or operations"},
		"two patches":         {"manifest-patch", map[string]any{"file": "apps/web.yaml", "patch": map[string]any{}, "operations": []any{}}, "either patch or operations"},
		"failed test":         {"manifest-patch", map[string]any{"file": "apps/web.yaml", "operations": []any{map[string]any{"op": "test", "path": "/spec/replicas", "value": 3}}}, "EditTestFailed"},
		"no kustomization":    {"kustomize-set-image", map[string]any{"file": "apps/web.yaml", "image": "a", "newTag": "b"}, "no kustomization"},
		"tag and digest":      {"kustomize-set-image", map[string]any{"image": "a", "newTag": "b", "digest": "sha256:" + strings.Repeat("c", 64)}, "beside a digest"},
		"absent file":         {"kustomize-set-replicas", map[string]any{"file": "x/kustomization.yaml", "name": "web", "count": 1}, "PathRefused"},
		"against the schema":  {"helm-values-set", map[string]any{"file": "chart/values.yaml", "set": map[string]any{"replicas": "many"}}, "EditSchemaViolated"},
		"of another chart":    {"helm-values-set", map[string]any{"file": "prod/values.yaml", "chart": "chart", "set": map[string]any{"image.tag": 2}}, "EditSchemaViolated"},
	} {
		code, out := p.step(c.action, c.inputs)
		if code == 0 || code == entry.ExitRetryable || !strings.Contains(fmt.Sprint(out["error"]), c.want) {
			t.Errorf("%s: exit %d, %v, want %q", name, code, out, c.want)
		}
	}
	if p.file("apps/web.yaml")+p.file("chart/values.yaml") != before {
		t.Error("a refusal changed a file")
	}
}
