package git_test

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChain(t *testing.T) {
	s := newSite(t)
	base := s.repository.Tip("main")
	p := s.run("u1")
	cloned := p.clone()
	if cloned["commitSHA"] != base || cloned["destination"] != "repo" || cloned["repository"] != s.repository.URL {
		t.Errorf("clone: %v", cloned)
	}
	edit := p.raise("app", "512Mi")
	if edit["changed"] != true || !strings.Contains(edit["diff"].(string), "+              memory: 512Mi") {
		t.Errorf("edit: %v", edit)
	}
	done := p.commit()
	out := p.propose()
	branch, _ := out["branch"].(string)
	want := map[string]any{"changed": true, "state": "Open", "prNumber": 1.0, "prURL": s.forge.URL + "/shop/app/pulls/1", "repository": s.repository.URL,
		"provider": "gitea", "base": "main", "branch": branch, "causeKey": done["causeKey"], "headSHA": done["commitSHA"]}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(branch, "kubernaut/raise-memory-") || s.repository.Tip(branch) != done["commitSHA"] || s.repository.Tip("main") != base {
		t.Errorf("branch %s at %s, main at %s", branch, s.repository.Tip(branch), s.repository.Tip("main"))
	}
	if got := s.repository.File(branch, "web.yaml"); got != strings.Replace(manifest, "256Mi", "512Mi", 1) {
		t.Errorf("other bytes changed:\n%s", got)
	}
}

func TestCommitAndPullRequestTellTheStory(t *testing.T) {
	s := newSite(t)
	out := s.run("u1").chain("app", "512Mi")
	sha, _ := out["headSHA"].(string)
	cause, _ := out["causeKey"].(string)
	holds(t, s.repository.Git("log", "-1", "--format=%an <%ae>|%cn|%P|%aI|%B", sha), "Kubernaut <", "|Kubernaut|"+s.repository.Tip("main"),
		"2026-01-02T03:04:02", "fix(web): raise memory\n\nIt was too small.", "Kubernaut-Cause: "+cause, "Kubernaut-Execution: shop/fix-u1",
		"Kubernaut-Workflow: raise-memory@v1.0.0")
	pull := s.forge.pulls[0]
	holds(t, pull.Body, "web was OOMKilled three times", "memory: 512Mi", "raise-memory", "main@sha1:123", "sha256:"+strings.Repeat("a", 64), "fix-u1", sha, "revert")
	if pull.Title != "Raise memory of web" || pull.Base.Ref != "main" || len(pull.Labels) != 2 {
		t.Errorf("pull request %+v", pull)
	}
}

func holds(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

// TestEveryStepTwice: a step that is repeated in the same workspace tells the
// same and writes nothing new.
func TestEveryStepTwice(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.clone()
	p.clone()
	for name, step := range map[string]func() map[string]any{"edit": func() map[string]any { return p.raise("app", "512Mi") }} {
		if diff := cmp.Diff(step(), step()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	first := p.commit()
	if diff := cmp.Diff(first, p.commit()); diff != "" {
		t.Errorf("commit: %s", diff)
	}
	opened := p.propose()
	writes := len(s.forge.writes)
	s.git.Requests()
	if diff := cmp.Diff(opened, p.propose()); diff != "" {
		t.Errorf("propose: %s", diff)
	}
	if len(s.forge.writes) != writes || len(s.forge.pulls) != 1 || pushes(s.git.Requests()) != 0 {
		t.Errorf("the repetition wrote: %v", s.forge.writes[writes:])
	}
}

func pushes(requests []string) int {
	n := 0
	for _, r := range requests {
		if strings.HasPrefix(r, http.MethodPost) && strings.HasSuffix(r, "git-receive-pack") {
			n++
		}
	}
	return n
}

// TestRunAgainFromTheStart stands for a crash after which nothing but the
// remote is left.
func TestRunAgainFromTheStart(t *testing.T) {
	s := newSite(t)
	first := s.run("u1").chain("app", "512Mi")
	writes := len(s.forge.writes)
	s.git.Requests()
	if diff := cmp.Diff(first, s.run("u1").chain("app", "512Mi")); diff != "" {
		t.Error(diff)
	}
	if pushes(s.git.Requests()) != 0 || len(s.forge.writes) != writes {
		t.Errorf("the repetition wrote: %v", s.forge.writes)
	}
}

// TestCrashBetweenPushAndPullRequest loses the answer of the forge.
func TestCrashBetweenPushAndPullRequest(t *testing.T) {
	s := newSite(t)
	first := s.run("u1").chain("app", "512Mi")
	s.forge.pulls = nil
	s.git.Requests()
	again := s.run("u1").chain("app", "512Mi")
	if again["headSHA"] != first["headSHA"] || again["branch"] != first["branch"] || len(s.forge.pulls) != 1 || pushes(s.git.Requests()) != 0 {
		t.Errorf("%v, %d pull requests", again, len(s.forge.pulls))
	}
}

func TestEditSurvivesACrash(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.clone()
	first := p.raise("app", "512Mi")
	// Killed after the note was written and before the file was.
	if err := os.WriteFile(filepath.Join(p.workspace, "repo", "web.yaml"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, p.raise("app", "512Mi")); diff != "" {
		t.Error(diff)
	}
	if out := p.commit(); out["changed"] != true {
		t.Errorf("commit: %v", out)
	}
}

func TestAnotherRunWantsTheSame(t *testing.T) {
	s := newSite(t)
	first := s.run("u1").chain("app", "512Mi")
	s.git.Requests()
	second := s.run("u-2").chain("app", "512Mi")
	if second["changed"] != false || second["state"] != "Open" || second["prNumber"] != first["prNumber"] || second["headSHA"] != first["headSHA"] {
		t.Errorf("%v", second)
	}
	if pushes(s.git.Requests()) != 0 || len(s.forge.writes) != 1 {
		t.Errorf("the second run wrote: %v", s.forge.writes)
	}
}

func TestAnotherRunWantsAnotherValue(t *testing.T) {
	s := newSite(t)
	first := s.run("u1").chain("app", "512Mi")
	second := s.run("u-2").chain("app", "768Mi")
	if second["changed"] != true || second["prNumber"] != first["prNumber"] || second["branch"] != first["branch"] || second["headSHA"] == first["headSHA"] {
		t.Errorf("%v", second)
	}
	branch := second["branch"].(string)
	if got := s.repository.File(branch, "web.yaml"); got != strings.Replace(manifest, "256Mi", "768Mi", 1) {
		t.Error(got)
	}
	if n := s.repository.Git("rev-list", "--count", "main.."+branch); n != "1" {
		t.Errorf("%s commits on the branch", n)
	}
	if body := s.forge.pulls[0].Body; !strings.Contains(body, "768Mi") || strings.Contains(body, "512Mi") {
		t.Error(body)
	}
}

func TestTwoRunsAtOnce(t *testing.T) {
	s := newSite(t)
	runs := []*pod{s.run("u1"), s.run("u-2")}
	var group sync.WaitGroup
	outs := make([]map[string]any, 2)
	for i, container := range []string{"app", "proxy"} {
		group.Go(func() { outs[i] = runs[i].chain(container, "512Mi") })
	}
	group.Wait()
	if len(s.forge.pulls) != 2 || outs[0]["branch"] == outs[1]["branch"] {
		t.Fatalf("%v", outs)
	}
	for i, old := range []string{"256Mi", "64Mi"} {
		if got := s.repository.File(outs[i]["branch"].(string), "web.yaml"); got != strings.Replace(manifest, old, "512Mi", 1) {
			t.Errorf("run %d:\n%s", i, got)
		}
	}
}

func TestNoChange(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	base := p.clone()["commitSHA"]
	s.git.Requests()
	if out := p.raise("app", "256Mi"); out["changed"] != false || out["diff"] != "" {
		t.Errorf("edit: %v", out)
	}
	if diff := cmp.Diff(map[string]any{"changed": false, "commitSHA": base, "causeKey": ""}, p.commit()); diff != "" {
		t.Error(diff)
	}
	out := p.propose()
	if out["changed"] != false || out["state"] != "NoChange" || out["prNumber"] != 0.0 || out["prURL"] != "" || out["headSHA"] != base {
		t.Errorf("propose: %v", out)
	}
	if len(s.git.Requests()) != 0 || len(s.forge.writes) != 0 {
		t.Error("a run without a change asked for something")
	}
}

func TestOnlyOurFilesAreCommitted(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.clone()
	p.raise("app", "512Mi")
	for name, text := range map[string]string{"README.md": "changed by somebody\n", "new.txt": "new"} {
		if err := os.WriteFile(filepath.Join(p.workspace, "repo", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.commit()
	branch := p.propose()["branch"].(string)
	if got := s.repository.Git("diff", "--name-only", "main", branch); got != "web.yaml" {
		t.Errorf("committed %q", got)
	}
}

func TestMergedIsUnchanged(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	first := p.chain("app", "512Mi")
	s.forge.pulls[0].State, s.forge.pulls[0].Merged = "closed", true
	s.repository.Git("update-ref", "-d", "refs/heads/"+first["branch"].(string))
	out := p.propose()
	if out["state"] != "Merged" || out["changed"] != false || out["prNumber"] != 1.0 || s.repository.Tip(first["branch"].(string)) != "" {
		t.Errorf("%v", out)
	}
}

// TestNoSecretInAnything looks for the token in every byte that the chain left.
func TestNoSecretInAnything(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.chain("app", "512Mi")
	p.refused("git-clone", map[string]any{"repository": s.git.URL + "/shop/none.git"})
	left := map[string]string{"output": p.said.String(), "pull request": fmt.Sprintf("%+v", s.forge.pulls[0]),
		"requests": strings.Join(append(s.git.Requests(), s.forge.writes...), "\n"), "commits": s.repository.Git("log", "--all", "-p", "--format=fuller")}
	for _, root := range []string{p.workspace, s.git.Root, p.vars["ACTION_OUTPUTS_PATH"]} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			left[path] = string(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(left) < 20 || !strings.Contains(left[filepath.Join(p.workspace, "repo/.git/config")], "[core]") {
		t.Fatalf("only %d places were searched", len(left))
	}
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + canary))
	for where, text := range left {
		for _, secret := range []string{canary, "c4nary", basic[8:40], base64.StdEncoding.EncodeToString([]byte(canary))[:24]} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the token as %q", where, secret)
			}
		}
	}
}
