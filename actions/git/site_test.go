package git_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/gitops/forge/gitea"
	"github.com/kubernaut/kubernaut/test/gitserver"
)

const (
	user   = "bot"
	canary = "c4nary-t0ken/with+signs=and&more"
)

// site is a Git server and the forge in front of it.
type site struct {
	t          *testing.T
	git        *gitserver.Server
	repository *gitserver.Repository
	forge      *giteaServer
	// forges is what the program knows.
	forges git.Forges
}

const manifest = `# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
        - name: app
          image: example.com/app:1   # pinned
          resources:
            limits:
              memory: 256Mi
        - name: proxy
          resources:
            limits:
              memory: 64Mi
`

func newSite(t *testing.T) *site {
	s := &site{t: t, git: gitserver.New(t, user, canary), forges: openGitea}
	s.repository = s.git.Repository("shop/app")
	s.repository.Commit("main", "start", map[string]string{"web.yaml": manifest, "README.md": "hello\n"})
	s.forge = newGiteaServer(t, s.repository)
	return s
}

func openGitea(h git.Host) (forge.Forge, error) {
	return gitea.New(gitea.Options{APIURL: h.APIURL, Owner: h.Owner, Repo: h.Name, Username: h.Auth.Username(), Password: h.Auth.Token()})
}

// pod is the folders and variables that all steps of one run share.
type pod struct {
	site      *site
	workspace string
	vars      map[string]string
	ctx       context.Context
	// said is everything that left any step.
	said bytes.Buffer
}

// run starts a run in an empty workspace; runs of one uid are repetitions.
func (s *site) run(uid string) *pod {
	s.t.Helper()
	dir := s.t.TempDir()
	p := &pod{site: s, workspace: filepath.Join(dir, "workspace"), ctx: context.Background()}
	secret := filepath.Join(dir, "credentials", "git")
	for _, d := range []string{p.workspace, secret} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"username": user, "password": canary + "\n"} {
		if err := os.WriteFile(filepath.Join(secret, name), []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	p.vars = map[string]string{
		"KUBERNAUT_WORKSPACE": p.workspace, "KUBERNAUT_CREDENTIALS": filepath.Dir(secret),
		"ACTION_OUTPUTS_PATH": filepath.Join(dir, "outputs"),
		"KUBERNAUT_EXECUTION": "shop/fix-" + uid, "KUBERNAUT_EXECUTION_UID": uid, "KUBERNAUT_WORKFLOW": "raise-memory@v1.0.0",
		"KUBERNAUT_WORKFLOW_HASH": "sha256:abc", "KUBERNAUT_CATALOG_REVISION": "main@sha1:123", "KUBERNAUT_REASON": "web was OOMKilled three times",
		"KUBERNAUT_PROVENANCE": `[{"step":"clone","image":"registry.example.com/git-clone@sha256:` + strings.Repeat("a", 64) + `"}]`,
		"KUBERNAUT_STARTED_AT": fmt.Sprintf("2026-01-02T03:04:%02dZ", len(uid)),
	}
	return p
}

// step runs one action as its pod would and returns exit code and outputs.
func (p *pod) step(name string, inputs map[string]any) (int, map[string]any) {
	p.site.t.Helper()
	built, ok := actions.Find(p.site.forges, name)
	if !ok {
		p.site.t.Fatalf("no action %s", name)
	}
	raw, err := json.Marshal(inputs)
	if err != nil {
		p.site.t.Fatal(err)
	}
	var stdout bytes.Buffer
	vars := map[string]string{"ACTION_INPUTS": string(raw), "KUBERNAUT_STEP": name}
	code := entry.Main(p.ctx, built.Action, entry.Process{
		Getenv: func(n string) string { return vars[n] + p.vars[n] }, Stdout: &stdout, Stderr: &p.said,
	})
	p.said.Write(stdout.Bytes())
	var out map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		p.site.t.Fatalf("%s: stdout %q: %v", name, stdout.String(), err)
	}
	return code, out
}

// must is step for one that succeeds.
func (p *pod) must(name string, inputs map[string]any) map[string]any {
	p.site.t.Helper()
	code, out := p.step(name, inputs)
	if code != 0 {
		p.site.t.Fatalf("%s: exit %d\n%s", name, code, p.said.String())
	}
	return out
}

// refused is step for one that fails for good, and returns what it says.
func (p *pod) refused(name string, inputs map[string]any) string {
	p.site.t.Helper()
	code, out := p.step(name, inputs)
	if code == 0 || code == entry.ExitRetryable {
		p.site.t.Fatalf("%s: exit %d, %v", name, code, out)
	}
	return fmt.Sprint(out["error"])
}

func (p *pod) clone() map[string]any {
	p.site.t.Helper()
	return p.must("git-clone", map[string]any{"repository": p.site.repository.URL})
}

// raise sets the memory limit of one container.
func (p *pod) raise(container, memory string) map[string]any {
	p.site.t.Helper()
	path := "spec.template.spec.containers[name=" + container + "].resources.limits.memory"
	return p.must("yaml-patch", map[string]any{"file": "web.yaml", "set": map[string]any{path: memory}})
}

func (p *pod) commit() map[string]any {
	p.site.t.Helper()
	return p.must("git-commit", map[string]any{"message": "fix(web): raise memory\n\nIt was too small."})
}

func (p *pod) propose() map[string]any {
	p.site.t.Helper()
	return p.must("git-push-pr", p.proposal())
}

func (p *pod) proposal() map[string]any {
	return map[string]any{"title": "Raise memory of web", "apiURL": p.site.forge.URL, "provider": "gitea"}
}

// chain runs all four steps.
func (p *pod) chain(container, memory string) map[string]any {
	p.site.t.Helper()
	p.clone()
	p.raise(container, memory)
	p.commit()
	return p.propose()
}

// giteaServer is the part of Gitea's API that a pull request needs, in front of
// a real repository.
type giteaServer struct {
	*httptest.Server
	t          *testing.T
	repository *gitserver.Repository
	mu         sync.Mutex
	pulls      []*giteaPull
	writes     []string
	// before runs ahead of each answer.
	before func()
}

type giteaPull struct {
	Number int       `json:"number"`
	URL    string    `json:"html_url"`
	Title  string    `json:"title"`
	Body   string    `json:"body"`
	State  string    `json:"state"`
	Merged bool      `json:"merged"`
	Head   giteaHead `json:"head"`
	Base   giteaHead `json:"base"`
	Labels []int64   `json:"-"`
}

type giteaHead struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo int    `json:"repo_id"`
}

func newGiteaServer(t *testing.T, r *gitserver.Repository) *giteaServer {
	g := &giteaServer{t: t, repository: r, before: func() {}}
	const at = "/api/v1/repos/shop/app"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+at+"/pulls", g.list)
	mux.HandleFunc("POST "+at+"/pulls", g.open)
	mux.HandleFunc("GET "+at+"/pulls/{number}", g.get)
	mux.HandleFunc("PATCH "+at+"/pulls/{number}", g.edit)
	mux.HandleFunc("GET "+at+"/labels", func(w http.ResponseWriter, _ *http.Request) { g.answer(w, []any{}) })
	mux.HandleFunc("POST "+at+"/labels", func(w http.ResponseWriter, _ *http.Request) { g.answer(w, map[string]any{"id": 7, "name": "x"}) })
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != user || password != canary {
			http.Error(w, `{"message":"who are you"}`, http.StatusUnauthorized)
			return
		}
		g.before()
		g.mu.Lock()
		defer g.mu.Unlock()
		if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/labels") {
			g.writes = append(g.writes, r.Method+" "+strings.TrimPrefix(r.URL.String(), at))
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *giteaServer) answer(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		g.t.Error(err)
	}
}

func (g *giteaServer) list(w http.ResponseWriter, r *http.Request) {
	found := []*giteaPull{}
	for _, p := range slices.Backward(g.pulls) {
		if p.State == "open" {
			p.Head.SHA = g.repository.Tip(p.Head.Ref)
		}
		if p.State == r.URL.Query().Get("state") && r.URL.Query().Get("page") == "1" {
			found = append(found, p)
		}
	}
	g.answer(w, found)
}

// find returns the pull request that the path names, or answers that there is none.
func (g *giteaServer) find(w http.ResponseWriter, r *http.Request) *giteaPull {
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 1 || n > len(g.pulls) {
		http.NotFound(w, r)
		return nil
	}
	p := g.pulls[n-1]
	if p.State == "open" {
		p.Head.SHA = g.repository.Tip(p.Head.Ref)
	}
	return p
}

func (g *giteaServer) get(w http.ResponseWriter, r *http.Request) {
	if p := g.find(w, r); p != nil {
		g.answer(w, p)
	}
}

func (g *giteaServer) open(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Head, Base, Title, Body string
		Labels                  []int64
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		g.t.Error(err)
	}
	for _, p := range g.pulls {
		if p.State == "open" && p.Head.Ref == in.Head && p.Base.Ref == in.Base {
			http.Error(w, `{"message":"pull request already exists for these targets"}`, http.StatusConflict)
			return
		}
	}
	p := &giteaPull{Number: len(g.pulls) + 1, Title: in.Title, Body: in.Body, State: "open", Labels: in.Labels,
		Head: giteaHead{in.Head, g.repository.Tip(in.Head), 1}, Base: giteaHead{in.Base, "", 1}}
	p.URL = g.URL + "/shop/app/pulls/" + strconv.Itoa(p.Number)
	g.pulls = append(g.pulls, p)
	w.WriteHeader(http.StatusCreated)
	g.answer(w, p)
}

func (g *giteaServer) edit(w http.ResponseWriter, r *http.Request) {
	p := g.find(w, r)
	if p == nil {
		return
	}
	var in struct{ Title, Body string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		g.t.Error(err)
	}
	p.Title, p.Body = in.Title, in.Body
	w.WriteHeader(http.StatusCreated)
	g.answer(w, p)
}
