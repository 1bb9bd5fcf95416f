package git_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestCrashAtEveryRequest ends a run in the middle of its n-th request, which
// the server still carries out, and repeats it: from the step that failed or,
// as after the loss of the workspace, from the start. It ends as if nothing
// had happened.
func TestCrashAtEveryRequest(t *testing.T) {
	s := newSite(t)
	var requests atomic.Int64
	count := func() { requests.Add(1) }
	s.git.Before(func(*http.Request) { count() })
	s.forge.before = count
	want := s.run("u1").chain("app", "512Mi")
	all := int(requests.Load())
	if all < 10 {
		t.Fatalf("only %d requests were seen", all)
	}
	for n := 1; n <= all; n++ {
		again := newSite(t)
		p := again.run("u1")
		again.interrupt(p, n)
		done := p.steps(0)
		p.ctx = context.Background()
		if n%2 == 0 {
			p, done = again.run("u1"), 0
		}
		if p.steps(done) != 4 {
			t.Fatalf("request %d: the repetition failed:\n%s", n, p.said.String())
		}
		branch, _ := want["branch"].(string)
		branch = again.onlyBranch(branch)
		if len(again.forge.pulls) != 1 || again.repository.Git("rev-list", "--count", "main.."+branch) != "1" {
			t.Errorf("request %d: %d pull requests", n, len(again.forge.pulls))
		}
		if got := again.repository.File(branch, "web.yaml"); got != strings.Replace(manifest, "256Mi", "512Mi", 1) {
			t.Errorf("request %d:\n%s", n, got)
		}
		if body := again.forge.pulls[0].Body; !strings.Contains(body, again.repository.Tip(branch)) {
			t.Errorf("request %d: the body tells of another commit", n)
		}
	}
}

// interrupt ends the pod's context at the n-th request from now.
func (s *site) interrupt(p *pod, n int) {
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	p.ctx = ctx
	var seen atomic.Int64
	tick := func() {
		if seen.Add(1) == int64(n) {
			cancel()
		}
	}
	s.git.Before(func(*http.Request) { tick() })
	s.forge.before = tick
}

// steps runs the chain from a step on and returns how many steps are done.
func (p *pod) steps(from int) int {
	p.site.t.Helper()
	set := map[string]any{"spec.template.spec.containers[name=app].resources.limits.memory": "512Mi"}
	chain := []struct {
		name   string
		inputs map[string]any
	}{
		{"git-clone", map[string]any{"repository": p.site.repository.URL}},
		{"yaml-patch", map[string]any{"file": "web.yaml", "set": set}},
		{"git-commit", map[string]any{"message": "fix(web): raise memory"}},
		{"git-push-pr", p.proposal()},
	}
	for i := from; i < len(chain); i++ {
		if code, _ := p.step(chain[i].name, chain[i].inputs); code != 0 {
			return i
		}
	}
	return len(chain)
}

// onlyBranch is the one branch besides main; its name depends on the server's address.
func (s *site) onlyBranch(like string) string {
	s.t.Helper()
	names := strings.Fields(s.repository.Git("for-each-ref", "--format=%(refname:short)", "refs/heads/kubernaut"))
	if len(names) != 1 || len(names[0]) != len(like) {
		s.t.Fatalf("branches %v, wanted one like %s", names, like)
	}
	return names[0]
}
