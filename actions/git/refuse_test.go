package git_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/actions/entry"
)

func TestDestinationsAsEarlyWorkflowsWroteThem(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.must("git-clone", map[string]any{"repository": s.repository.URL, "destination": p.workspace})
	out := p.must("yaml-patch", map[string]any{"file": filepath.Join(p.workspace, "web.yaml"), "destination": p.workspace,
		"patch": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "app", "resources": map[string]any{"limits": map[string]any{"memory": "512Mi"}}}}}}}}})
	if out["changed"] != true || out["file"] != "web.yaml" {
		t.Errorf("%v", out)
	}
	again := p.must("yaml-patch", map[string]any{"file": filepath.Join(p.workspace, "repo/web.yaml"),
		"set": map[string]any{"spec.template.spec.containers[name=proxy].resources.limits.memory": "96Mi"}})
	if again["changed"] != true || again["file"] != "web.yaml" {
		t.Errorf("%v", again)
	}
	want := strings.NewReplacer("256Mi", "512Mi", "64Mi", "96Mi").Replace(manifest)
	if data, err := os.ReadFile(filepath.Join(p.workspace, "repo/web.yaml")); err != nil || string(data) != want {
		t.Errorf("%v\n%s", err, data)
	}
	for _, destination := range []string{"/etc", p.workspace + "/a/b", p.workspace + "/.kubernaut", p.workspace + "/../x"} {
		if text := p.refused("git-clone", map[string]any{"repository": s.repository.URL, "destination": destination}); !strings.Contains(text, "one folder name") {
			t.Errorf("%s: %s", destination, text)
		}
	}
}

func TestModifyFileRefuses(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.clone()
	set := map[string]any{"spec.replicas": 3}
	for name, c := range map[string]struct {
		inputs map[string]any
		want   string
	}{
		"nothing to do":    {map[string]any{"file": "web.yaml"}, "found no change"},
		"unknown selector": {map[string]any{"file": "web.yaml", "set": set, "select": map[string]any{"label": "x"}}, "inputs.select.label"},
		"wrong selector":   {map[string]any{"file": "web.yaml", "set": set, "select": map[string]any{"name": 3}}, "inputs.select.name"},
		"other document":   {map[string]any{"file": "web.yaml", "set": set, "select": map[string]any{"kind": "Service"}}, "EditTarget"},
		"outside":          {map[string]any{"file": "../.kubernaut/x", "set": set}, "PathRefused"},
		"outside, full":    {map[string]any{"file": "/etc/passwd", "set": set}, "PathRefused"},
		"git's own":        {map[string]any{"file": ".git/config", "set": set}, "PathRefused"},
		"no clone":         {map[string]any{"file": "web.yaml", "set": set, "destination": "other"}, "WorktreeInvalid"},
	} {
		if text := p.refused("yaml-patch", c.inputs); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if out := p.commit(); out["changed"] != false {
		t.Errorf("a refused edit was committed: %v", out)
	}
}

func TestProposeRefuses(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.clone()
	p.raise("app", "512Mi")
	p.commit()
	s.git.Requests()
	for name, c := range map[string]struct {
		key   string
		value any
		want  string
	}{
		"other repository": {"repository", s.git.URL + "/shop/other", "wanted"},
		"other base":       {"base", "release", `wanted "main"`},
		"other cause":      {"causeKey", "mine", "as before in this run"},
		"foreign API":      {"apiURL", "http://forge.example.com", "on the repository's host"},
		"label":            {"labels", []any{"a", 3}, "labels[1]"},
		"onto the base":    {"branch", "main", "BranchProtected"},
	} {
		inputs := p.proposal()
		inputs[c.key] = c.value
		if text := p.refused("git-push-pr", inputs); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if len(s.forge.writes) != 0 || pushes(s.git.Requests()) != 0 {
		t.Errorf("a refused proposal wrote: %v", s.forge.writes)
	}
}

func TestClosedByAPersonStaysClosed(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.chain("app", "512Mi")
	s.forge.pulls[0].State = "closed"
	if text := p.refused("git-push-pr", p.proposal()); !strings.Contains(text, "closed by a person") || len(s.forge.pulls) != 1 {
		t.Error(text)
	}
	// A later run with another value is another proposal.
	if out := s.run("u-2").chain("app", "1Gi"); out["prNumber"] != 2.0 {
		t.Errorf("%v", out)
	}
}

func TestHumanCommitsAreKept(t *testing.T) {
	s := newSite(t)
	branch := s.run("u1").chain("app", "512Mi")["branch"].(string)
	tip := s.repository.Commit(branch, "by hand", map[string]string{"README.md": "better\n"})
	p := s.run("u-2")
	p.clone()
	p.raise("app", "768Mi")
	p.commit()
	if text := p.refused("git-push-pr", p.proposal()); !strings.Contains(text, "HumanCommitsOnBranch") || s.repository.Tip(branch) != tip {
		t.Error(text)
	}
}

func TestNoWorkspace(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.vars["KUBERNAUT_WORKSPACE"] = filepath.Join(p.workspace, "none")
	for name, inputs := range map[string]map[string]any{
		"git-clone": {"repository": s.repository.URL}, "git-commit": {"message": "x"}, "git-push-pr": {},
		"yaml-patch": {"file": "a.yaml", "set": map[string]any{"a": 1}},
	} {
		if text := p.refused(name, inputs); !strings.Contains(text, "usesWorkspace") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestWrongPassword(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	secret := filepath.Join(p.vars["KUBERNAUT_CREDENTIALS"], "git", "password")
	if err := os.WriteFile(secret, []byte("wr0ng-password"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := p.refused("git-clone", map[string]any{"repository": s.repository.URL})
	if !strings.Contains(text, "AuthenticationFailed") || strings.Contains(p.said.String(), "wr0ng") {
		t.Error(text)
	}
}

func TestCauseKeyIsTheAuthors(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.clone()
	p.raise("app", "512Mi")
	p.must("git-commit", map[string]any{"message": "a", "causeKey": "payments/oom", "author": "Ann Example <ann@example.com>"})
	inputs := p.proposal()
	inputs["causeKey"], inputs["branch"] = "payments/oom", "fix/oom"
	out := p.must("git-push-pr", inputs)
	if out["causeKey"] != "payments/oom" || out["branch"] != "fix/oom" {
		t.Errorf("%v", out)
	}
	if got := s.repository.Git("log", "-1", "--format=%an <%ae> %cn", "fix/oom"); got != "Ann Example <ann@example.com> Kubernaut" {
		t.Error(got)
	}
}

func TestWithoutForges(t *testing.T) {
	s := newSite(t)
	s.forges = nil
	p := s.run("u1")
	p.clone()
	p.raise("app", "512Mi")
	p.commit()
	s.git.Requests()
	if text := p.refused("git-push-pr", p.proposal()); !strings.Contains(text, "knows no forge") || len(s.git.Requests()) != 0 {
		t.Error(text)
	}
}

func TestForgeThatIsDownIsRetried(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.clone()
	p.raise("app", "512Mi")
	p.commit()
	inputs := p.proposal()
	s.forge.Close()
	if code, out := p.step("git-push-pr", inputs); code != entry.ExitRetryable || len(s.forge.writes) != 0 {
		t.Errorf("exit %d, %v", code, out)
	}
}
