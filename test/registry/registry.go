// Package registry is a small real container registry for tests, which counts
// its requests and fails on demand.
package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	real "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options of a Registry.
type Options struct {
	// NoReferrers leaves out the referrers API, as older registries do.
	NoReferrers bool
	// PageSize of lists of referrers; zero means one page.
	PageSize int
}

// HangUp and Up are states for Down besides HTTP status codes.
const (
	// HangUp closes every connection without an answer.
	HangUp = 0
	// Up ends an outage.
	Up = -1
)

// Registry serves plain HTTP on a loopback port, in memory.
type Registry struct {
	server  *httptest.Server
	next    http.Handler
	options Options

	mu   sync.Mutex
	log  []string
	down int
	hook func(http.ResponseWriter, *http.Request) bool
}

// New starts a registry that ends with the test.
func New(t testing.TB, o Options) *Registry {
	t.Helper()
	r := &Registry{
		next:    real.New(real.Logger(log.New(io.Discard, "", 0)), real.WithReferrersSupport(!o.NoReferrers)),
		options: o,
		down:    Up,
	}
	r.server = httptest.NewServer(r)
	t.Cleanup(func() {
		// Requests that hang in a hook would hold up Close.
		r.server.CloseClientConnections()
		r.server.Close()
	})
	return r
}

// Host returns the registry's "host:port".
func (r *Registry) Host() string { return r.server.Listener.Addr().String() }

// Image returns the full name of a repository.
func (r *Registry) Image(repository string) string { return r.Host() + "/" + repository }

// Requests counts what was asked since the start or the last Reset.
func (r *Registry) Requests() int { return len(r.Log()) }

// Log lists the requests as "METHOD path".
func (r *Registry) Log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// Reset forgets the log.
func (r *Registry) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = nil
}

// Down makes every request answer this HTTP status, or HangUp, until Up.
func (r *Registry) Down(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = status
}

// Hook is asked before each request; if it returns true, it has answered. Nil
// removes it.
func (r *Registry) Hook(h func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = h
}

// ServeHTTP answers one request.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.log = append(r.log, req.Method+" "+req.URL.RequestURI())
	down, hook := r.down, r.hook
	r.mu.Unlock()
	switch {
	case down == HangUp:
		panic(http.ErrAbortHandler)
	case down != Up:
		http.Error(w, "the test wants this outage", down)
	case hook != nil && hook(w, req):
	case r.options.PageSize > 0 && strings.Contains(req.URL.Path, "/referrers/"):
		r.page(w, req)
	default:
		r.next.ServeHTTP(w, req)
	}
}

// page cuts the list of referrers into pages with Link headers.
func (r *Registry) page(w http.ResponseWriter, req *http.Request) {
	answer := httptest.NewRecorder()
	r.next.ServeHTTP(answer, req)
	index := v1.IndexManifest{}
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &index) != nil {
		http.Error(w, answer.Body.String(), answer.Code)
		return
	}
	// The registry lists in random order; pages need a steady one.
	slices.SortFunc(index.Manifests, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.Hex, b.Digest.Hex) })
	start, _ := strconv.Atoi(req.URL.Query().Get("last"))
	start = min(start, len(index.Manifests))
	end := min(start+r.options.PageSize, len(index.Manifests))
	if end < len(index.Manifests) {
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=%d>; rel="next"`, req.URL.Path, end))
	}
	index.Manifests = index.Manifests[start:end]
	w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
	// The client going away is no business of the registry.
	_ = json.NewEncoder(w).Encode(index)
}
