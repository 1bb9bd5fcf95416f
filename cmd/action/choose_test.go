package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/internal/run"
)

func TestChoose(t *testing.T) {
	built, ok := actions.Find(nil, "scale-deployment")
	if !ok {
		t.Fatal("no scale-deployment")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own, other, broken := write("own", built.Document), write("other", built.Document+"\n"), write("broken", "kind: X")
	for name, c := range map[string]struct {
		args     []string
		contract string
		want     string
	}{
		"by name":           {[]string{"scale-deployment"}, "/none", ""},
		"by type":           {[]string{"kubernetes/scale-deployment"}, "/none", ""},
		"by old type":       {[]string{"kubernetes/scale_deployment"}, "/none", ""},
		"by name in image":  {[]string{"scale-deployment"}, own, ""},
		"by contract":       {nil, own, ""},
		"unknown":           {[]string{"launch-rocket"}, "/none", "wanted one of"},
		"nothing":           {nil, "/none", "wanted one argument"},
		"too much":          {[]string{"scale-deployment", "x"}, own, "wanted one argument"},
		"another contract":  {[]string{"scale-deployment"}, other, "rebuild the image"},
		"another action":    {[]string{"restart-pod"}, own, "rebuild the image"},
		"broken contract":   {nil, broken, "invalid action contract"},
		"contract is a dir": {[]string{"scale-deployment"}, dir, "read contract"},
	} {
		got, err := choose(c.args, c.contract)
		if c.want == "" {
			if err != nil || got.Document != built.Document {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var refusal *run.Refusal
		if err == nil || !strings.Contains(err.Error(), c.want) || (name != "contract is a dir" && !errors.As(err, &refusal)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
