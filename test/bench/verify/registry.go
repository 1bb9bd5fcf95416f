package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// place is what a registry is like.
type place struct {
	delay     time.Duration
	referrers bool
	token     bool
}

func (p place) String() string {
	text := fmt.Sprintf("%d ms", p.delay.Milliseconds())
	if !p.referrers {
		text += ", no referrers API"
	}
	if p.token {
		text += ", tokens"
	}
	return text
}

// served is a real registry that answers late and counts what it is asked.
type served struct {
	place    place
	next     http.Handler
	server   *httptest.Server
	requests atomic.Int64
	open     atomic.Bool
}

func serve(p place) *served {
	s := &served{place: p, next: registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(p.referrers))}
	s.server = httptest.NewServer(s)
	return s
}

func (s *served) host() string { return s.server.Listener.Addr().String() }

// filled starts the delays and the tokens, which filling does without.
func (s *served) filled() { s.open.Store(true) }

// ServeHTTP asks for a token as registries do: for each repository, which the
// token then names.
func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.open.Load() {
		s.next.ServeHTTP(w, r)
		return
	}
	s.requests.Add(1)
	select {
	case <-time.After(s.place.delay):
	case <-r.Context().Done():
		return
	}
	if r.URL.Path == "/token" {
		w.Header().Set("Content-Type", "application/json")
		// A token is one word, whatever it allows.
		scopes := strings.Join(r.URL.Query()["scope"], " ")
		fmt.Fprintf(w, `{"token": %q, "expires_in": 300}`, base64.RawURLEncoding.EncodeToString([]byte(scopes)))
		return
	}
	if s.place.token && !allowed(r) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="bench"`, s.host()))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.next.ServeHTTP(w, r)
}

func allowed(r *http.Request) bool {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	scopes, err := base64.RawURLEncoding.DecodeString(token)
	found = found && err == nil
	if r.URL.Path == "/v2/" {
		return found
	}
	repository := strings.TrimPrefix(r.URL.Path, "/v2/")
	for _, end := range []string{"/manifests/", "/blobs/", "/referrers/"} {
		repository, _, _ = strings.Cut(repository, end)
	}
	for _, scope := range strings.Fields(string(scopes)) {
		if strings.HasPrefix(scope, "repository:"+repository+":") {
			return true
		}
	}
	return false
}
