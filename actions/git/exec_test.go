package git_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// binaries builds the programs that are in every action image.
func binaries(t *testing.T) (action, launch string) {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir+"/", "../../cmd/action", "../../cmd/launch").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "action"), filepath.Join(dir, "launch")
}

// TestRealBinary uses the programs as the pods do, once with the inputs in a
// variable and once fed to stdin by the launcher.
func TestRealBinary(t *testing.T) {
	action, launch := binaries(t)
	for mode, command := range map[string][]string{"env": {action}, "stdin": {launch, "--", action}} {
		t.Run(mode+"/chain", func(t *testing.T) { wholeChain(t, command) })
		t.Run(mode+"/signal", func(t *testing.T) { endBySignal(t, command) })
	}
}

func wholeChain(t *testing.T, command []string) {
	s := newSite(t)
	p := s.run("u1")
	var said bytes.Buffer
	run := func(name string, inputs map[string]any) (int, map[string]any) {
		return p.execute(append(slices.Clone(command), name), inputs, &said)
	}
	set := map[string]any{"spec.template.spec.containers[name=app].resources.limits.memory": "512Mi"}
	var out map[string]any
	for _, step := range []struct {
		name   string
		inputs map[string]any
	}{
		{"git-clone", map[string]any{"repository": s.repository.URL}},
		{"yaml-patch", map[string]any{"file": "web.yaml", "set": set}},
		{"git-commit", map[string]any{"message": "fix: $(raise) $$memory\n\n\"quoted\""}},
		{"git-push-pr", p.proposal()},
	} {
		var code int
		if code, out = run(step.name, step.inputs); code != 0 {
			t.Fatalf("%s: exit %d\n%s", step.name, code, said.String())
		}
	}
	branch, _ := out["branch"].(string)
	if out["prNumber"] != 1.0 || s.repository.File(branch, "web.yaml") != strings.Replace(manifest, "256Mi", "512Mi", 1) {
		t.Errorf("%v", out)
	}
	if text := s.repository.Git("log", "-1", "--format=%B", branch); !strings.HasPrefix(text, "fix: $(raise) $$memory\n\n\"quoted\"") {
		t.Errorf("message %q", text)
	}
	code, out := run("git-clone", map[string]any{"repository": s.repository.URL, "bogus": 1})
	if failed, _ := out["error"].(map[string]any); code != 65 || failed["reason"] != "InvalidParameters" {
		t.Errorf("exit %d, %v", code, out)
	}
	if strings.Contains(said.String(), "c4nary") {
		t.Errorf("the token left a program:\n%s", said.String())
	}
}

// endBySignal asks the program to end while it waits for a server.
func endBySignal(t *testing.T, command []string) {
	outputs := filepath.Join(t.TempDir(), "outputs")
	asked := make(chan struct{}, 16)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	cmd := exec.Command(command[0], append(slices.Clone(command[1:]), "git-clone")...)
	cmd.Env = []string{"ACTION_INPUTS={\"repository\":\"" + server.URL + "/a/b\"}", "ACTION_OUTPUTS_PATH=" + outputs, "KUBERNAUT_WORKSPACE=" + t.TempDir()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	text, readErr := os.ReadFile(outputs)
	if cmd.ProcessState.ExitCode() != 75 || readErr != nil || !strings.Contains(string(text), "Cancelled") {
		t.Errorf("%v, outputs %s", err, text)
	}
}

// execute starts a program as a container would and returns its exit code and
// what it left in the outputs file.
func (p *pod) execute(command []string, inputs map[string]any, said *bytes.Buffer) (int, map[string]any) {
	p.site.t.Helper()
	raw, err := json.Marshal(inputs)
	if err != nil {
		p.site.t.Fatal(err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"ACTION_INPUTS=" + string(raw), "KUBERNAUT_STEP=" + command[len(command)-1], "TMPDIR=" + p.site.t.TempDir()}
	for name, value := range p.vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var stdout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, said
	if err := cmd.Run(); cmd.ProcessState == nil {
		p.site.t.Fatal(err)
	}
	said.Write(stdout.Bytes())
	small, err := os.ReadFile(p.vars["ACTION_OUTPUTS_PATH"])
	if err != nil {
		p.site.t.Fatal(err)
	}
	if !bytes.Equal(bytes.TrimSpace(stdout.Bytes()), small) {
		p.site.t.Errorf("stdout %s and outputs file %s differ", stdout.String(), small)
	}
	var out map[string]any
	if err := json.Unmarshal(small, &out); err != nil {
		p.site.t.Fatalf("outputs %s: %v", small, err)
	}
	return cmd.ProcessState.ExitCode(), out
}
