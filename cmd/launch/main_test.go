package main_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "launch")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

func code(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// show prints what the child gets: first the variables, then stdin.
const show = `printf '%s' "${ACTION_INPUTS-}${ACTION_INPUTS_B64-}${ACTION_INPUTS_FILE-}"; printf '%s|' "$KEPT"; cat`

func TestLaunch(t *testing.T) {
	binary := build(t)
	inputs := "{\"word\":\"$(x) $$ ünï \\u0001\",\"n\":\"" + strings.Repeat("y", 80_000) + "\"}"
	file := filepath.Join(t.TempDir(), "in.json")
	if err := os.WriteFile(file, []byte(inputs), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(large, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := []string{"--", "/bin/sh", "-c"}
	for name, c := range map[string]struct {
		env    string
		args   []string
		stdout string
		code   int
	}{
		"variable":      {env: "ACTION_INPUTS=" + inputs, args: append(sh, show), stdout: "kept|" + inputs},
		"base64":        {env: "ACTION_INPUTS_B64=" + base64.StdEncoding.EncodeToString([]byte(inputs)), args: append(sh, show), stdout: "kept|" + inputs},
		"file":          {env: "ACTION_INPUTS_FILE=" + file, args: append(sh, show), stdout: "kept|" + inputs},
		"exit code":     {env: "ACTION_INPUTS={}", args: append(sh, "exit 77"), code: 77},
		"unread inputs": {env: "ACTION_INPUTS=" + inputs, args: append(sh, "exit 0")},
		"signalled":     {env: "ACTION_INPUTS={}", args: append(sh, "kill -9 $$"), code: 137},
		"no inputs":     {env: "OTHER=1", args: append(sh, "echo ran"), code: 65},
		"bad base64":    {env: "ACTION_INPUTS_B64=!", args: append(sh, "echo ran"), code: 65},
		"no file":       {env: "ACTION_INPUTS_FILE=/does/not/exist", args: append(sh, "echo ran"), code: 65},
		"too large":     {env: "ACTION_INPUTS_FILE=" + large, args: append(sh, "echo ran"), code: 65},
		"no command":    {env: "ACTION_INPUTS={}", args: []string{"--"}, code: 65},
		"no dashes":     {env: "ACTION_INPUTS={}", args: []string{"/bin/sh", "-c", "echo ran"}, code: 65},
		"not found":     {env: "ACTION_INPUTS={}", args: []string{"--", "/does/not/exist"}, code: 127},
		"no program":    {env: "ACTION_INPUTS={}", args: []string{"--", file}, code: 126},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(binary, c.args...)
			cmd.Env = []string{c.env, "KEPT=kept", "PATH=/usr/bin:/bin"}
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if got := code(cmd.Run()); got != c.code || stdout.String() != c.stdout {
				t.Errorf("exit %d, stdout %.200q, stderr %s", got, stdout.String(), stderr.String())
			}
		})
	}
}

func TestLaunchForwardsSignals(t *testing.T) {
	cmd := exec.Command(build(t), "--", "/bin/sh", "-c", `trap 'echo got; exit 42' TERM; echo ready; cat >/dev/null; while :; do :; done`)
	cmd.Env = []string{"ACTION_INPUTS={}", "PATH=/usr/bin:/bin"}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the child said %q", lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "got" {
		t.Errorf("the child said %q", lines.Text())
	}
	if got := code(cmd.Wait()); got != 42 {
		t.Errorf("exit %d", got)
	}
}
