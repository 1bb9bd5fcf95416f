// Package forgeserver is a small real forge for tests that speaks the parts of GitHub's and Gitea's APIs that the product uses.
package forgeserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a forge with one repository, octo/app.
type Server struct {
	// URL is the address without a trailing slash. GitHub's API is at URL,
	// Gitea's at URL/api/v1.
	URL string

	token    string
	mu       sync.Mutex
	pulls    []*Pull
	labels   []string
	branches map[string]string
	requests []string
	faults   []fault
	clock    time.Time
}

// Pull is a pull request as the server keeps it.
type Pull struct {
	Number           int
	Title, Body      string
	Head, Base       string
	Labels, Comments []string
	Closed, Merged   bool
	// Fork says that the branch is in somebody's fork.
	Fork bool
	// HeadGone says that the branch was deleted.
	HeadGone bool
	updated  time.Time
}

type fault struct {
	method string
	status int
	header map[string]string
	late   bool
}

// New starts a server that ends with the test. It takes requests with this
// token only; the repository has the branches main, fix/one and fix/two.
func New(t testing.TB, token string) *Server {
	t.Helper()
	s := &Server{token: token, branches: map[string]string{}, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for i, b := range []string{"main", "fix/one", "fix/two"} {
		s.branches[b] = fmt.Sprintf("%040x", i+1)
	}
	mux := http.NewServeMux()
	s.github(mux)
	s.gitea(mux)
	server := httptest.NewServer(s.guard(mux))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// guard counts, authenticates and lets faults happen.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, r.Method+" "+r.URL.String())
		auth := r.Header.Get("Authorization")
		if auth != "Bearer "+s.token && auth != "token "+s.token {
			refuse(w, http.StatusUnauthorized, "Bad credentials")
			return
		}
		i := slices.IndexFunc(s.faults, func(f fault) bool { return f.method == r.Method })
		if i < 0 {
			next.ServeHTTP(w, r)
			return
		}
		f := s.faults[i]
		s.faults = slices.Delete(s.faults, i, i+1)
		if f.late {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		for k, v := range f.header {
			w.Header().Set(k, v)
		}
		refuse(w, f.status, "a fault for the test")
	})
}

// Fail makes the next request of a method fail with a status and headers.
func (s *Server) Fail(method string, status int, header map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{method: method, status: status, header: header})
}

// FailLate does the next request of a method and then tells that it failed,
// as a gateway does whose time is up.
func (s *Server) FailLate(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{method: method, status: http.StatusBadGateway, late: true})
}

// Branch adds a branch at a commit or moves it.
func (s *Server) Branch(name, sha string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.branches[name] = sha
}

// Label adds a label to the repository.
func (s *Server) Label(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.labels = append(s.labels, name)
}

// Labels returns the names of the repository's labels.
func (s *Server) Labels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.labels)
}

// Pulls returns copies of all pull requests.
func (s *Server) Pulls() []Pull {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Pull, len(s.pulls))
	for i, p := range s.pulls {
		out[i] = *p
	}
	return out
}

// Fork opens a pull request from a branch of somebody's fork, as anybody may.
func (s *Server) Fork(head, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Pull{Number: len(s.pulls) + 1, Title: "mine", Body: body, Head: head, Base: "main", Fork: true}
	s.touch(p)
	s.pulls = append(s.pulls, p)
}

// owner of the repository that the head branch is in.
func (p *Pull) owner() string {
	if p.Fork {
		return "eve"
	}
	return "octo"
}

// repository is the number of that repository.
func (p *Pull) repository() int {
	if p.Fork {
		return 2
	}
	return 1
}

// Merge merges a pull request and deletes its branch, as a person may.
func (s *Server) Merge(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pulls[number-1]
	p.Merged, p.Closed, p.HeadGone = true, true, true
	s.touch(p)
}

// Requests returns "METHOD URL" of every request so far and forgets them.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

func (s *Server) touch(p *Pull) {
	s.clock = s.clock.Add(time.Second)
	p.updated = s.clock
}

func (s *Server) state(p *Pull) string {
	if p.Closed {
		return "closed"
	}
	return "open"
}

// list returns the pull requests of a state, the last changed first.
func (s *Server) list(state string) []*Pull {
	var out []*Pull
	for _, p := range s.pulls {
		if state == "all" || state == s.state(p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *Pull) int { return b.updated.Compare(a.updated) })
	return out
}

// create opens a pull request; the text says why not.
func (s *Server) create(title, body, head, base string) (*Pull, string) {
	switch {
	case title == "" || head == base:
		return nil, "Validation Failed"
	case s.sha(head) == "" || s.sha(base) == "":
		return nil, "branch does not exist"
	}
	for _, p := range s.pulls {
		if !p.Closed && !p.Fork && p.Head == head && p.Base == base {
			return nil, "A pull request already exists"
		}
	}
	p := &Pull{Number: len(s.pulls) + 1, Title: title, Body: body, Head: head, Base: base}
	s.touch(p)
	s.pulls = append(s.pulls, p)
	return p, ""
}

// found calls f with the pull request that the path names.
func (s *Server) found(f func(http.ResponseWriter, *http.Request, *Pull)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("number"))
		if err != nil || n < 1 || n > len(s.pulls) {
			refuse(w, http.StatusNotFound, "Not Found")
			return
		}
		f(w, r, s.pulls[n-1])
	}
}

// change is the body of an edit in both APIs.
type change struct {
	Title, State string
	Body         *string
}

func (s *Server) edit(p *Pull, c change) {
	if c.Title != "" {
		p.Title = c.Title
	}
	if c.Body != nil {
		p.Body = *c.Body
	}
	if c.State != "" {
		p.Closed = c.State == "closed"
	}
	s.touch(p)
}

func (s *Server) comment(w http.ResponseWriter, r *http.Request, p *Pull) {
	var in struct{ Body string }
	if !read(w, r, &in) {
		return
	}
	p.Comments = append(p.Comments, in.Body)
	answer(w, http.StatusCreated, map[string]any{"id": len(p.Comments), "body": in.Body})
}

func (s *Server) sha(branch string) string {
	return s.branches[branch]
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, "Problems parsing JSON")
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"message": strings.TrimSpace(message)})
}
