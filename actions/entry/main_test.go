package entry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

const document = `
apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: probe, version: v1.0.0}
spec:
  description: Does what the test says.
  actionType: test/probe
  inputs:
    - {name: word, type: string, required: true}
    - {name: token, type: string, sensitive: true}
  outputs:
    - {name: changed, type: boolean}
    - {name: text, type: string}
  resources: {limits: {cpu: 100m, memory: 32Mi}}
`

type probe func(ctx context.Context, in contract.Values, env entry.Env) (contract.Values, error)

func (probe) Contract() contract.Contract { return contract.Must(document) }

func (p probe) Run(ctx context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	return p(ctx, in, env)
}

func echo(_ context.Context, in contract.Values, _ entry.Env) (contract.Values, error) {
	return contract.Values{"changed": true, "text": in.String("word")}, nil
}

// world is one process with its folders.
type world struct {
	vars           map[string]string
	stdin          string
	stdout, stderr bytes.Buffer
	dir            string
}

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	w := &world{dir: dir, vars: map[string]string{
		"ACTION_OUTPUTS_PATH":   filepath.Join(dir, "outputs"),
		"KUBERNAUT_WORKSPACE":   filepath.Join(dir, "workspace"),
		"KUBERNAUT_CREDENTIALS": filepath.Join(dir, "credentials"),
	}}
	w.mkdir(t, "workspace")
	return w
}

func (w *world) mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, name), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (w *world) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	w.mkdir(t, filepath.Dir(name))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *world) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (w *world) run(a entry.Action) int {
	p := entry.Process{Getenv: func(n string) string { return w.vars[n] }, Stdout: &w.stdout, Stderr: &w.stderr}
	if w.stdin != "" {
		p.Stdin = strings.NewReader(w.stdin)
	}
	return entry.Main(context.Background(), a, p)
}

func TestInputsInTheirOrder(t *testing.T) {
	for _, c := range []struct{ env, file, stdin, want string }{
		{"env", "file", "stdin", "env"},
		{"", "file", "stdin", "file"},
		{"", "", "stdin", "stdin"},
		{"", "", "", ""},
	} {
		w := newWorld(t)
		if c.env != "" {
			w.vars["ACTION_INPUTS"] = `{"word":"env"}`
		}
		if c.file != "" {
			w.vars["ACTION_INPUTS_FILE"] = w.write(t, "in.json", `{"word":"file"}`)
		}
		if c.stdin != "" {
			w.stdin = `{"word":"stdin"}`
		}
		code := w.run(probe(echo))
		if c.want == "" {
			if code != entry.ExitTerminal || !strings.Contains(w.read(t, "outputs"), "found nothing in ACTION_INPUTS") {
				t.Errorf("no inputs: exit %d, %s", code, w.read(t, "outputs"))
			}
			continue
		}
		want := fmt.Sprintf(`{"changed":true,"text":%q}`, c.want)
		if code != 0 || w.stdout.String() != want+"\n" || w.read(t, "outputs") != want {
			t.Errorf("%+v: exit %d, stdout %q, file %q, stderr %s", c, code, w.stdout.String(), w.read(t, "outputs"), w.stderr.String())
		}
	}
}

func TestEveryByteOfInputsArrives(t *testing.T) {
	word := "$(x) $$ \" \\ <a&b> \u2028 ünï \x01 ${HOME}"
	raw, err := json.Marshal(map[string]string{"word": word})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.vars["ACTION_INPUTS"] = string(raw)
	var got map[string]any
	if code := w.run(probe(echo)); code != 0 || json.Unmarshal(w.stdout.Bytes(), &got) != nil || got["text"] != word {
		t.Errorf("exit %d, got %q", code, got["text"])
	}
}

func TestBadInputsAreTerminal(t *testing.T) {
	for name, raw := range map[string]string{
		"undeclared": `{"word":"a","more":1}`, "missing": `{}`, "no json": `word`, "too large": `{"word":"` + strings.Repeat("x", contract.MaxInputs) + `"}`,
	} {
		w := newWorld(t)
		w.stdin = raw
		code := w.run(probe(func(context.Context, contract.Values, entry.Env) (contract.Values, error) {
			t.Errorf("%s: the action ran", name)
			return nil, nil
		}))
		if code != entry.ExitTerminal || !strings.Contains(w.read(t, "outputs"), `"reason":"InvalidParameters"`) {
			t.Errorf("%s: exit %d, %s", name, code, w.read(t, "outputs"))
		}
	}
}

func TestErrorsAndCodes(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   int
		reason string
	}{
		{errors.New("reset by peer"), 75, v1alpha1.ReasonTemporaryFailure},
		{fmt.Errorf("a: %w", run.WaitFor(v1alpha1.ReasonForgeUnavailable, time.Time{}, "later")), 75, v1alpha1.ReasonForgeUnavailable},
		{fmt.Errorf("a: %w", context.Canceled), 75, v1alpha1.ReasonCancelled},
		{context.DeadlineExceeded, 75, v1alpha1.ReasonTimeout},
		{fmt.Errorf("a: %w", run.Refuse(v1alpha1.ReasonPreconditionFailed, "no")), 66, v1alpha1.ReasonPreconditionFailed},
		{run.Refuse(v1alpha1.ReasonManagedElsewhere, "no"), 77, v1alpha1.ReasonManagedElsewhere},
		{run.Refuse(v1alpha1.ReasonPolicyDenied, "no"), 77, v1alpha1.ReasonPolicyDenied},
		{run.Refuse(v1alpha1.ReasonAuthenticationFailed, "no"), 65, v1alpha1.ReasonAuthenticationFailed},
	} {
		w := newWorld(t)
		w.stdin = `{"word":"a"}`
		code := w.run(probe(func(context.Context, contract.Values, entry.Env) (contract.Values, error) { return nil, c.err }))
		want := fmt.Sprintf(`{"error":{"message":%q,"reason":%q}}`, c.err.Error(), c.reason)
		if code != c.code || w.read(t, "outputs") != want || w.stdout.String() != want+"\n" || !strings.Contains(w.stderr.String(), c.err.Error()) {
			t.Errorf("%v: exit %d, file %s, stderr %s", c.err, code, w.read(t, "outputs"), w.stderr.String())
		}
	}
}

func TestLongErrorFitsStatus(t *testing.T) {
	w := newWorld(t)
	w.stdin = `{"word":"a"}`
	w.run(probe(func(context.Context, contract.Values, entry.Env) (contract.Values, error) {
		return nil, errors.New(strings.Repeat("ü\"", 4000))
	}))
	out := w.read(t, "outputs")
	if len(out) > entry.MaxStatusOutputs || len(out) < 1000 || !json.Valid([]byte(out)) {
		t.Errorf("%d bytes: %s", len(out), out)
	}
}

func TestPanicIsTerminal(t *testing.T) {
	w := newWorld(t)
	w.stdin = `{"word":"a","token":"canary-token"}`
	code := w.run(probe(func(_ context.Context, in contract.Values, _ entry.Env) (contract.Values, error) {
		panic("boom " + in.String("token"))
	}))
	if code != entry.ExitTerminal || !strings.Contains(w.stderr.String(), "main_test.go") || !strings.Contains(w.read(t, "outputs"), "ActionPanicked") {
		t.Errorf("exit %d, %s, %s", code, w.read(t, "outputs"), w.stderr.String())
	}
	if strings.Contains(w.stderr.String()+w.stdout.String()+w.read(t, "outputs"), "canary") {
		t.Error("the panic told the secret")
	}
}

func TestWrongOutputsAreRefused(t *testing.T) {
	for _, out := range []contract.Values{{"changed": true}, {"changed": "yes", "text": ""}, {"changed": true, "text": "", "more": 1}, nil} {
		w := newWorld(t)
		w.stdin = `{"word":"a"}`
		code := w.run(probe(func(context.Context, contract.Values, entry.Env) (contract.Values, error) { return out, nil }))
		if code != entry.ExitTerminal || !strings.Contains(w.read(t, "outputs"), "OutputsInvalid") {
			t.Errorf("%v: exit %d, %s", out, code, w.read(t, "outputs"))
		}
	}
}

func TestLargeOutputsGoToTheWorkspace(t *testing.T) {
	w := newWorld(t)
	w.stdin = `{"word":"` + strings.Repeat("x", 10_000) + `"}`
	w.vars["KUBERNAUT_STEP"] = "big"
	if code := w.run(probe(echo)); code != 0 {
		t.Fatal(w.stderr.String())
	}
	var small, whole map[string]any
	for text, into := range map[string]*map[string]any{w.read(t, "outputs"): &small, w.read(t, "workspace/.kubernaut/outputs/big.json"): &whole} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]any{"changed": true, "truncated": true, "outputsFile": filepath.Join(w.dir, "workspace/.kubernaut/outputs/big.json")}
	if diff := cmp.Diff(want, small); diff != "" {
		t.Error(diff)
	}
	if text, _ := whole["text"].(string); len(text) != 10_000 || w.stdout.Len() < 10_000 {
		t.Errorf("whole outputs have %d bytes, stdout %d", len(text), w.stdout.Len())
	}
}

func TestLargeOutputsWithoutWorkspace(t *testing.T) {
	w := newWorld(t)
	w.vars["KUBERNAUT_WORKSPACE"] = filepath.Join(w.dir, "nowhere")
	w.stdin = `{"word":"` + strings.Repeat("x", 3000) + `"}`
	if code := w.run(probe(echo)); code != 0 || w.read(t, "outputs") != `{"changed":true,"truncated":true}` {
		t.Errorf("exit %d, %s", code, w.read(t, "outputs"))
	}
}

// TestOutputsFileThatCannotBeReplaced stands for a mounted file: a link is
// followed and written in place.
func TestOutputsFileThatCannotBeReplaced(t *testing.T) {
	w := newWorld(t)
	w.stdin = `{"word":"a"}`
	target := w.write(t, "log", strings.Repeat("old", 100))
	if err := os.Symlink(target, w.vars["ACTION_OUTPUTS_PATH"]); err != nil {
		t.Fatal(err)
	}
	if code := w.run(probe(echo)); code != 0 || w.read(t, "log") != `{"changed":true,"text":"a"}` {
		t.Errorf("exit %d, %s", code, w.read(t, "log"))
	}
}

func TestUnwritableOutputsAreRetryable(t *testing.T) {
	w := newWorld(t)
	w.stdin = `{"word":"a"}`
	w.vars["ACTION_OUTPUTS_PATH"] = filepath.Join(w.dir, "no", "such", "folder")
	if code := w.run(probe(echo)); code != entry.ExitRetryable {
		t.Errorf("exit %d", code)
	}
}

func TestFactsReachTheAction(t *testing.T) {
	w := newWorld(t)
	w.stdin = `{"word":"a"}`
	for k, v := range map[string]string{
		"KUBERNAUT_EXECUTION": "shop/fix", "KUBERNAUT_EXECUTION_UID": "u", "KUBERNAUT_STEP": "s", "KUBERNAUT_WORKFLOW": "oom@v1.0.0",
		"KUBERNAUT_WORKFLOW_HASH": "h", "KUBERNAUT_CATALOG_REVISION": "main@sha1:1", "KUBERNAUT_REASON": "OOM",
		"KUBERNAUT_PROVENANCE": `[{"step":"s","image":"r@sha256:1"}]`, "KUBERNAUT_STARTED_AT": "2026-01-02T03:04:05Z",
	} {
		w.vars[k] = v
	}
	var got entry.Facts
	w.run(probe(func(_ context.Context, _ contract.Values, env entry.Env) (contract.Values, error) {
		got = env.Facts
		return contract.Values{"changed": false, "text": ""}, nil
	}))
	want := entry.Facts{Execution: "shop/fix", UID: "u", Step: "s", Workflow: "oom@v1.0.0", WorkflowHash: "h", Revision: "main@sha1:1", Reason: "OOM",
		Provenance: []entry.StepImage{{Step: "s", Image: "r@sha256:1"}}, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"KUBERNAUT_PROVENANCE", "KUBERNAUT_STARTED_AT"} {
		bad := newWorld(t)
		bad.stdin, bad.vars[name] = `{"word":"a"}`, "nonsense"
		if code := bad.run(probe(echo)); code != entry.ExitTerminal {
			t.Errorf("bad %s: exit %d", name, code)
		}
	}
}

// TestNoSecretLeaves lets an action say its secrets in every way it can.
func TestNoSecretLeaves(t *testing.T) {
	const canary, sensitive = "c4nary/t0ken+value==&x", "s3nsitive \"input\""
	key := "-----BEGIN KEY-----\nbGluZW9uZWxpbmVvbmU\nbGluZXR3b2xpbmV0d28\n-----END KEY-----\n"
	w := newWorld(t)
	w.write(t, "credentials/git/password", canary+"\n")
	w.write(t, "credentials/git/username", "git")
	w.write(t, "credentials/git/identity", key)
	raw, err := json.Marshal(map[string]string{"word": "a", "token": sensitive})
	if err != nil {
		t.Fatal(err)
	}
	w.stdin = string(raw)
	basic := base64.StdEncoding.EncodeToString([]byte("git:" + canary))
	code := w.run(probe(func(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
		env.Log.Info("push https://git:"+canary+"@example.com", "header", "Basic "+basic, "in", in)
		env.Log.Info(key, "sensitive", in.String("token"), "quoted", fmt.Sprintf("%q", in.String("token")))
		return contract.Values{"changed": true, "text": canary + sensitive + basic}, nil
	}))
	all := w.stdout.String() + w.stderr.String() + w.read(t, "outputs")
	if code != 0 || !strings.Contains(all, "[redacted]") || !strings.Contains(all, "https://git:") {
		t.Fatalf("exit %d: %s", code, all)
	}
	for _, secret := range []string{"c4nary", "s3nsitive", "bGluZW9uZWxpbmVvbmU", "bGluZXR3b2xpbmV0d28", basic[8 : len(basic)-8]} {
		if strings.Contains(all, secret) {
			t.Errorf("%q left the action:\n%s", secret, all)
		}
	}
}

func TestUnreadableCredentialStopsTheAction(t *testing.T) {
	w := newWorld(t)
	w.stdin = `{"word":"a"}`
	w.mkdir(t, "credentials/git/password")
	if code := w.run(probe(echo)); code != entry.ExitRetryable || strings.Contains(w.stdout.String(), "changed") {
		t.Errorf("exit %d, %s", code, w.stdout.String())
	}
}

func TestFail(t *testing.T) {
	w := newWorld(t)
	code := entry.Fail(entry.Process{Getenv: func(n string) string { return w.vars[n] }, Stdout: &w.stdout, Stderr: &w.stderr},
		run.Refuse(v1alpha1.ReasonInvalidParameters, "no such action"))
	if code != entry.ExitTerminal || !strings.Contains(w.read(t, "outputs"), "no such action") {
		t.Errorf("exit %d, %s", code, w.read(t, "outputs"))
	}
}
