// Package gitserver is a real smart-HTTP Git server for tests, made of the git binary.
package gitserver

import (
	"crypto/subtle"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Server serves bare repositories from a temporary directory.
type Server struct {
	// URL is the address without a trailing slash.
	URL string
	// Root holds the bare repositories.
	Root string

	t                testing.TB
	user, password   string
	mu               sync.Mutex
	requests         []string
	beforeEachAnswer func(*http.Request)
}

// New starts a server that ends with the test; a non-empty user demands basic
// authentication. The test is skipped where git is not installed.
func New(t testing.TB, user, password string) *Server {
	t.Helper()
	binary, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	s := &Server{t: t, Root: t.TempDir(), user: user, password: password}
	backend := &cgi.Handler{
		Path: binary, Args: []string{"http-backend"},
		Env: append(quietGit(), "GIT_PROJECT_ROOT="+s.Root, "GIT_HTTP_EXPORT_ALL=1"),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.allowed(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "authentication required", http.StatusUnauthorized)
			return
		}
		if r.Header.Get("Authorization") != "" {
			// http-backend takes pushes from known users only.
			backendWithUser := *backend
			backendWithUser.Env = append(backendWithUser.Env[:len(backend.Env):len(backend.Env)], "REMOTE_USER="+s.user)
			backendWithUser.ServeHTTP(w, r)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func quietGit() []string {
	return []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "HOME=/nonexistent"}
}

func (s *Server) allowed(r *http.Request) bool {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.String())
	hook := s.beforeEachAnswer
	s.mu.Unlock()
	if hook != nil {
		hook(r)
	}
	if s.user == "" {
		return true
	}
	user, password, _ := r.BasicAuth()
	return subtle.ConstantTimeCompare([]byte(user+"\n"+password), []byte(s.user+"\n"+s.password)) == 1
}

// Before calls f before each request is answered, to let the world change at
// that very moment.
func (s *Server) Before(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beforeEachAnswer = f
}

// Requests returns "METHOD URL" of every request so far and forgets them.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

// Repository creates a bare repository with the branch main and no commit.
func (s *Server) Repository(name string) *Repository {
	s.t.Helper()
	r := &Repository{Path: filepath.Join(s.Root, name+".git"), URL: s.URL + "/" + name + ".git", t: s.t}
	if err := os.MkdirAll(r.Path, 0o755); err != nil {
		s.t.Fatal(err)
	}
	r.Git("init", "-q", "--bare", "-b", "main")
	r.Git("config", "http.receivepack", "true")
	return r
}

// Repository is one bare repository on the server.
type Repository struct {
	// Path is its directory, URL its address.
	Path, URL string
	t         testing.TB
}

// Git runs git in the bare repository and returns its trimmed output.
func (r *Repository) Git(args ...string) string {
	r.t.Helper()
	return r.run("", args...)
}

func (r *Repository) run(stdin string, args ...string) string {
	r.t.Helper()
	return r.runEnv(stdin, nil, args...)
}

func (r *Repository) runEnv(stdin string, env []string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.Path
	cmd.Env = append(append(os.Environ(), quietGit()...), env...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Commit puts files on top of a branch, creating it if need be, and returns
// the commit. Empty content deletes a file; a path that ends in "@" becomes a
// symbolic link to the content.
func (r *Repository) Commit(branch, message string, files map[string]string) string {
	r.t.Helper()
	index := filepath.Join(r.t.TempDir(), "index")
	env := []string{"GIT_INDEX_FILE=" + index}
	parent := r.Tip(branch)
	if parent != "" {
		r.runEnv("", env, "read-tree", parent)
	}
	for name, content := range files {
		mode := "100644"
		if link, is := strings.CutSuffix(name, "@"); is {
			name, mode = link, "120000"
		}
		if content == "" {
			r.runEnv("", env, "update-index", "--force-remove", "--", name)
			continue
		}
		blob := r.run(content, "hash-object", "-w", "--stdin")
		r.runEnv("", env, "update-index", "--add", "--cacheinfo", mode+","+blob+","+name)
	}
	tree := r.runEnv("", env, "write-tree")
	args := []string{"-c", "user.name=A Person", "-c", "user.email=person@example.com", "commit-tree", "-m", message, tree}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	commit := r.Git(args...)
	r.Git("update-ref", "refs/heads/"+branch, commit)
	return commit
}

// Tip returns the commit of a branch, empty if there is none.
func (r *Repository) Tip(branch string) string {
	r.t.Helper()
	return r.Git("for-each-ref", "--format=%(objectname)", "refs/heads/"+branch)
}

// File returns a file's content at a revision.
func (r *Repository) File(revision, name string) string {
	r.t.Helper()
	cmd := exec.Command("git", "show", revision+":"+name)
	cmd.Dir = r.Path
	cmd.Env = append(os.Environ(), quietGit()...)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git show %s:%s: %v", revision, name, err)
	}
	return string(out)
}
