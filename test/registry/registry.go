// Package registry is a small real container registry for tests, which counts
// its requests, wants tokens, takes its time and fails on demand.
package registry

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	real "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options of a Registry.
type Options struct {
	// NoReferrers leaves out the referrers API, as older registries do.
	NoReferrers bool
	// PageSize of lists of referrers; zero means one page.
	PageSize int
	// Filters keeps to the artifact type that a list of referrers is asked for.
	Filters bool
	// TLS serves HTTPS instead of plain HTTP; see CA.
	TLS bool
	// Listener to serve on; nil means a loopback port.
	Listener net.Listener
	// Delay before each answer.
	Delay time.Duration
	// Tokens makes the registry want a token for each repository.
	Tokens *Tokens
	// Store answers blobs at another port, to which the registry redirects.
	Store bool
}

// HangUp and Up are states for Down besides HTTP status codes.
const (
	// HangUp closes every connection without an answer.
	HangUp = 0
	// Up ends an outage.
	Up = -1
)

// Registry keeps images in memory.
type Registry struct {
	server, store *httptest.Server
	next          http.Handler
	options       Options

	mu    sync.Mutex
	log   []string
	shown []string
	down  int
	hook  func(http.ResponseWriter, *http.Request) bool
}

// New starts a registry that ends with the test.
func New(t testing.TB, o Options) *Registry {
	t.Helper()
	r := &Registry{
		next:    real.New(real.Logger(log.New(io.Discard, "", 0)), real.WithReferrersSupport(!o.NoReferrers)),
		options: o,
		down:    Up,
	}
	r.server = start(t, r, o.Listener, o.TLS)
	if o.Store {
		r.store = start(t, http.HandlerFunc(r.serveStore), nil, o.TLS)
	}
	return r
}

// start serves until the test ends.
func start(t testing.TB, h http.Handler, l net.Listener, secure bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if l != nil {
		server.Listener.Close()
		server.Listener = l
	}
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		// Requests that hang in a hook would hold up Close.
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// CA returns the certificate, as PEM, under which TLS is served.
func (r *Registry) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
}

// StoreHost returns the "host:port" to which blobs are redirected.
func (r *Registry) StoreHost() string { return r.store.Listener.Addr().String() }

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

// Shown lists the Authorization headers in the order of Log, "" where there was
// none.
func (r *Registry) Shown() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.shown)
}

// Reset forgets the log.
func (r *Registry) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log, r.shown = nil, nil
}

// Hurry ends the delay, or starts one.
func (r *Registry) Hurry(delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.options.Delay = delay
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
	down, hook := r.note(req)
	switch {
	case down == HangUp:
		panic(http.ErrAbortHandler)
	case down != Up:
		http.Error(w, "the test wants this outage", down)
	case hook != nil && hook(w, req):
	case r.options.Tokens != nil && !r.options.Tokens.admits(w, req):
	case r.store != nil && req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/blobs/"):
		http.Redirect(w, req, r.store.URL+req.URL.RequestURI(), http.StatusTemporaryRedirect)
	case r.shapes() && strings.Contains(req.URL.Path, "/referrers/"):
		r.page(w, req)
	default:
		r.next.ServeHTTP(w, req)
	}
}

// shapes reports whether lists of referrers are not sent as they are.
func (r *Registry) shapes() bool { return r.options.PageSize > 0 || r.options.Filters }

// serveStore answers like the registry's own blobs, and wants no login.
func (r *Registry) serveStore(w http.ResponseWriter, req *http.Request) {
	down, hook := r.note(req)
	if down == Up && (hook == nil || !hook(w, req)) {
		r.next.ServeHTTP(w, req)
	}
}

// note logs a request and lets the delay pass.
func (r *Registry) note(req *http.Request) (down int, hook func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	r.log = append(r.log, req.Method+" "+req.URL.RequestURI())
	r.shown = append(r.shown, req.Header.Get("Authorization"))
	down, hook = r.down, r.hook
	delay := r.options.Delay
	r.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-req.Context().Done():
		}
	}
	return down, hook
}

// page filters the list of referrers and cuts it into pages with Link headers.
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
	query := req.URL.Query()
	if kind := query.Get("artifactType"); r.options.Filters && kind != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
		index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool { return d.ArtifactType != kind })
	}
	start, _ := strconv.Atoi(query.Get("last"))
	start, end := min(start, len(index.Manifests)), len(index.Manifests)
	if r.options.PageSize > 0 && start+r.options.PageSize < end {
		end = start + r.options.PageSize
		query.Set("last", strconv.Itoa(end))
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, req.URL.Path, query.Encode()))
	}
	index.Manifests = index.Manifests[start:end]
	w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
	// The client going away is no business of the registry.
	_ = json.NewEncoder(w).Encode(index)
}
