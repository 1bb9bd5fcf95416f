package repo

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/gitserver"
)

const marker = "Kubernaut-Cause: abc"

func bot() CommitOptions {
	return CommitOptions{Message: "change\n\n" + marker + "\n", Author: Person{"Kubernaut", "bot@example.com"},
		When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func push() PushOptions { return PushOptions{Branch: "kubernaut/x-1", Marker: marker} }

// site is a repository with one commit and a clone of it.
type site struct {
	server *gitserver.Server
	repo   *gitserver.Repository
	remote Remote
	dir    string
	base   string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{server: gitserver.New(t, "bot", canary), dir: filepath.Join(t.TempDir(), "clone")}
	s.repo = s.server.Repository("team/app")
	s.repo.Commit("main", "first", map[string]string{"app/a.yaml": "a: 0\n"})
	s.base = s.repo.Commit("main", "second", map[string]string{"app/a.yaml": "a: 1\n", "b.txt": "b\n", "link@": "app/a.yaml", "outside@": "../../etc", "app/dir/x": "x"})
	s.remote = Remote{URL: s.repo.URL, Auth: secret(t, "username", "bot", "password", canary)}
	return s
}

func (s *site) clone(t *testing.T) *Worktree {
	t.Helper()
	w, err := Clone(context.Background(), s.remote, s.dir, CloneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func commit(t *testing.T, w *Worktree, content string) string {
	t.Helper()
	if err := w.WriteFile("app/a.yaml", []byte(content)); err != nil {
		t.Fatal(err)
	}
	sha, err := w.CommitPaths([]string{"app/a.yaml"}, bot())
	if err != nil {
		t.Fatal(err)
	}
	return sha
}

func TestChainReachesTheRemote(t *testing.T) {
	s := newSite(t)
	s.clone(t)
	w, err := OpenWorktree(s.dir) // as the next step's process does
	if err != nil {
		t.Fatal(err)
	}
	if want := (Base{URL: s.repo.URL, Branch: "main", SHA: s.base}); w.Base() != want {
		t.Errorf("base %+v, want %+v", w.Base(), want)
	}
	if err = os.WriteFile(filepath.Join(s.dir, "b.txt"), []byte("not asked for"), 0o600); err != nil {
		t.Fatal(err)
	}
	sha := commit(t, w, "a: 2\n")
	got, err := w.DiffBase()
	want := Diff{Base: s.base, Head: sha, Files: []FileDiff{{"app/a.yaml", "Modified", "--- a/app/a.yaml\n+++ b/app/a.yaml\n@@ -1 +1 @@\n-a: 1\n+a: 2\n"}}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("difference: %v\n%s", err, cmp.Diff(want, got))
	}
	for _, updated := range []bool{true, false} {
		p, err := w.Push(context.Background(), s.remote, push())
		if err != nil || p != (Pushed{Branch: "kubernaut/x-1", SHA: sha, Updated: updated, BaseSHA: s.base}) {
			t.Fatalf("push: %+v, %v", p, err)
		}
	}
	if tip := s.repo.Tip("kubernaut/x-1"); tip != sha || s.repo.Tip("main") != s.base {
		t.Errorf("tip %s, want %s", tip, sha)
	}
	if n := s.repo.Git("rev-list", "--count", "main..kubernaut/x-1"); n != "1" {
		t.Errorf("%s commits on the branch, want 1", n)
	}
	s.repo.Git("fsck", "--strict")
}

func TestNoCredentialIsLeftBehind(t *testing.T) {
	s := newSite(t)
	w := s.clone(t)
	commit(t, w, "a: 2\n")
	if _, err := w.Push(context.Background(), s.remote, push()); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(canary)) {
			t.Errorf("%s holds the credential", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(s.server.Requests(), "\n"); strings.Contains(text, canary) {
		t.Errorf("a URL holds the credential:\n%s", text)
	}
}

func TestCommitIsRepeatable(t *testing.T) {
	s := newSite(t)
	w := s.clone(t)
	if _, err := w.CommitPaths([]string{"app/a.yaml"}, bot()); !errors.Is(err, ErrNoChange) {
		t.Fatalf("want ErrNoChange, got %v", err)
	}
	if _, err := w.Push(context.Background(), s.remote, push()); !errors.Is(err, ErrNoChange) {
		t.Fatalf("want ErrNoChange, got %v", err)
	}
	first := commit(t, w, "a: 2\n")
	if again := commit(t, w, "a: 2\n"); again != first {
		t.Errorf("retry made %s after %s", again, first)
	}
	if fresh := commit(t, s.clone(t), "a: 2\n"); fresh != first {
		t.Errorf("same change on a fresh clone is %s, want %s", fresh, first)
	}
}

func TestCommitDeletes(t *testing.T) {
	s := newSite(t)
	w := s.clone(t)
	if err := os.Remove(filepath.Join(s.dir, "b.txt")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CommitPaths([]string{"b.txt"}, bot()); err != nil {
		t.Fatal(err)
	}
	d, err := w.DiffBase()
	if err != nil || len(d.Files) != 1 || d.Files[0].Status != "Deleted" || !strings.Contains(d.Unified(), "+++ /dev/null") {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestPathsAreContained(t *testing.T) {
	s := newSite(t)
	w := s.clone(t)
	for _, name := range []string{"", ".", "/etc/passwd", "../x", "app/../../x", ".git/config", "app/.GIT/config", "a\\b", "link", "outside/passwd",
		"app/dir", "none.yaml", "app//a.yaml", "app/a.yaml/x"} {
		_, err := w.ReadFile(name)
		wantRefusal(t, err, v1alpha1.ReasonPathRefused)
		wantRefusal(t, w.WriteFile(name, nil), v1alpha1.ReasonPathRefused)
		_, err = w.CommitPaths([]string{name}, bot())
		wantRefusal(t, err, v1alpha1.ReasonPathRefused)
	}
}

func TestWriteKeepsTheMode(t *testing.T) {
	w := newSite(t).clone(t)
	file := filepath.Join(w.Dir(), "b.txt")
	if err := os.Chmod(file, 0o751); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteFile("b.txt", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o751 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestSubmodulesAreNotCommittedInto(t *testing.T) {
	s := newSite(t)
	s.repo.Git("update-ref", "refs/heads/main", submoduleCommit(s.repo))
	w := s.clone(t)
	if err := os.WriteFile(filepath.Join(s.dir, "sub/f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := w.CommitPaths([]string{"sub/f"}, bot())
	wantRefusal(t, err, v1alpha1.ReasonPathRefused)
}

func submoduleCommit(r *gitserver.Repository) string {
	r.Git("read-tree", "main")
	r.Git("update-index", "--add", "--cacheinfo", "160000,"+r.Tip("main")+",sub")
	return r.Git("-c", "user.name=A", "-c", "user.email=a@example.com", "commit-tree", "-m", "sub", "-p", "main", r.Git("write-tree"))
}

func TestPushReplacesOnlyOurOwnCommit(t *testing.T) {
	s := newSite(t)
	commit(t, s.clone(t), "a: 2\n")
	w, _ := OpenWorktree(s.dir)
	if _, err := w.Push(context.Background(), s.remote, push()); err != nil {
		t.Fatal(err)
	}
	moved := s.repo.Commit("main", "somebody moves the base", map[string]string{"c": "c\n"})
	w = s.clone(t)
	second := commit(t, w, "a: 3\n")
	p, err := w.Push(context.Background(), s.remote, push())
	if err != nil || !p.Updated || p.BaseMoved || s.repo.Tip("kubernaut/x-1") != second || p.BaseSHA != moved {
		t.Fatalf("own earlier commit was not replaced: %+v, %v", p, err)
	}
	human := s.repo.Commit("kubernaut/x-1", "a fix by hand", map[string]string{"d": "d\n"})
	w = s.clone(t)
	commit(t, w, "a: 4\n")
	_, err = w.Push(context.Background(), s.remote, push())
	wantRefusal(t, err, v1alpha1.ReasonHumanCommitsOnBranch)
	if s.repo.Tip("kubernaut/x-1") != human {
		t.Error("a person's commit was overwritten")
	}
}

func TestPushKnowsThatTheBaseMoved(t *testing.T) {
	s := newSite(t)
	w := s.clone(t)
	commit(t, w, "a: 2\n")
	moved := s.repo.Commit("main", "somebody moves the base", map[string]string{"c": "c\n"})
	p, err := w.Push(context.Background(), s.remote, push())
	if err != nil || !p.BaseMoved || p.BaseSHA != moved {
		t.Fatalf("%+v, %v", p, err)
	}
}

func TestPushLosesARaceSafely(t *testing.T) {
	s := newSite(t)
	w := s.clone(t)
	commit(t, w, "a: 2\n")
	// Somebody creates the branch after it was looked at and before it is written.
	var human string
	s.server.Before(func(r *http.Request) {
		if human == "" && r.URL.Query().Get("service") == "git-receive-pack" {
			human = s.repo.Commit("kubernaut/x-1", "first", map[string]string{"d": "d\n"})
		}
	})
	_, err := w.Push(context.Background(), s.remote, push())
	wantRefusal(t, err, v1alpha1.ReasonHumanCommitsOnBranch)
	if s.repo.Tip("kubernaut/x-1") != human {
		t.Error("a person's commit was overwritten")
	}
	// And a branch that moves each time is given up.
	s.repo.Git("update-ref", "refs/heads/kubernaut/x-1", s.base)
	n := 0
	ours := func() string {
		n++
		return s.repo.Git("-c", "user.name=Kubernaut", "-c", "user.email=bot@example.com", "commit-tree", "-m", marker+"\n"+strings.Repeat("x", n), "-p", "main", s.base+"^{tree}")
	}
	s.repo.Git("update-ref", "refs/heads/kubernaut/x-1", ours())
	s.server.Before(func(r *http.Request) {
		if r.URL.Query().Get("service") == "git-receive-pack" {
			s.repo.Git("update-ref", "refs/heads/kubernaut/x-1", ours())
		}
	})
	if _, err = w.Push(context.Background(), s.remote, push()); !errors.Is(err, ErrStaleBase) {
		t.Errorf("want ErrStaleBase, got %v", err)
	}
}

func TestPushRefuses(t *testing.T) {
	s := newSite(t)
	other := s.server.Repository("other")
	w := s.clone(t)
	commit(t, w, "a: 2\n")
	ctx := context.Background()
	_, err := w.Push(ctx, Remote{URL: other.URL, Auth: s.remote.Auth}, push())
	wantRefusal(t, err, v1alpha1.ReasonWorktreeInvalid)
	_, err = w.Push(ctx, s.remote, PushOptions{Branch: "main", Marker: marker})
	wantRefusal(t, err, v1alpha1.ReasonBranchProtected)
	_, err = w.Push(ctx, s.remote, PushOptions{Branch: "a..b", Marker: marker})
	wantRefusal(t, err, v1alpha1.ReasonInvalid)
	_, err = w.Push(ctx, s.remote, PushOptions{Branch: "x", Marker: "other"})
	wantRefusal(t, err, v1alpha1.ReasonInvalid)
	hook := filepath.Join(s.repo.Path, "hooks", "pre-receive")
	if err = os.WriteFile(hook, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = w.Push(ctx, s.remote, push())
	wantRefusal(t, err, v1alpha1.ReasonBranchProtected)
	_, err = w.Push(ctx, Remote{URL: s.remote.URL}, push())
	wantRefusal(t, err, v1alpha1.ReasonAuthenticationFailed)
}

func TestCloneRefuses(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	_, err := Clone(ctx, s.remote, s.dir, CloneOptions{MaxBytes: 1000})
	wantRefusal(t, err, v1alpha1.ReasonRepositoryTooLarge)
	if left, _ := os.ReadDir(filepath.Dir(s.dir)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	_, err = Clone(ctx, s.remote, s.dir, CloneOptions{Branch: "none"})
	wantRefusal(t, err, v1alpha1.ReasonReferenceNotFound)
	if err = os.MkdirAll(filepath.Join(s.dir, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = Clone(ctx, s.remote, s.dir, CloneOptions{})
	wantRefusal(t, err, v1alpha1.ReasonWorktreeInvalid)
	_, err = OpenWorktree(s.dir)
	wantRefusal(t, err, v1alpha1.ReasonWorktreeInvalid)
}
