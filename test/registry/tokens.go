package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Tokens is a token server that lives beside its registry, at /token. The zero
// value gives everybody a token to pull.
type Tokens struct {
	// Users are the passwords of those who get tokens; nil means everybody.
	Users map[string]string
	// Rights are the repositories that a user may pull and push; nil means all.
	// The name of nobody is "".
	Rights map[string][]string
	// First grants only the first scope that is asked for, as some servers do.
	First bool
	// Strict refuses the whole request if one scope may not be granted.
	Strict bool
	// ExpiresIn is what the server says, in seconds; zero leaves it out.
	ExpiresIn int
	// Realm replaces the address of the token server, Service the registry's name.
	Realm, Service string

	mu     sync.Mutex
	issued map[string][]string
}

// Revoke makes all tokens invalid.
func (t *Tokens) Revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.issued = nil
}

// admits answers requests for tokens and those without the right one.
func (t *Tokens) admits(w http.ResponseWriter, req *http.Request) bool {
	if req.URL.Path == "/token" {
		t.issue(w, req)
		return false
	}
	scope, known := need(req)
	t.mu.Lock()
	granted, valid := t.issued[strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")]
	t.mu.Unlock()
	if known && slices.Contains(granted, scope) {
		return true
	}
	scheme := "http"
	if req.TLS != nil {
		scheme = "https"
	}
	realm := t.Realm
	if realm == "" {
		realm = scheme + "://" + req.Host + "/token"
	}
	challenge := fmt.Sprintf(`Bearer realm=%q,service=%q`, realm, t.Service)
	if known {
		challenge += fmt.Sprintf(`,scope=%q`, scope)
	}
	switch {
	case valid:
		challenge += `,error="insufficient_scope"`
	case req.Header.Get("Authorization") != "":
		challenge += `,error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	// The client going away is no business of the registry.
	_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`))
	return false
}

// need is the scope of a request; the ping has none.
func need(req *http.Request) (string, bool) {
	path := strings.TrimPrefix(req.URL.Path, "/v2/")
	for _, kind := range []string{"/manifests/", "/blobs/", "/referrers/", "/tags/"} {
		if repository, _, found := strings.Cut(path, kind); found {
			if req.Method == http.MethodGet || req.Method == http.MethodHead {
				return "repository:" + repository + ":pull", true
			}
			return "repository:" + repository + ":pull,push", true
		}
	}
	return "", false
}

// issue grants what was asked for and may be had.
func (t *Tokens) issue(w http.ResponseWriter, req *http.Request) {
	user, password, _ := req.BasicAuth()
	if t.Users != nil && (user == "" || t.Users[user] != password) {
		http.Error(w, "wrong name or password", http.StatusUnauthorized)
		return
	}
	asked := req.URL.Query()["scope"]
	if t.First {
		asked = asked[:min(1, len(asked))]
	}
	granted := t.grant(user, asked)
	if t.Strict && len(granted) < 2*len(asked) {
		http.Error(w, "one of the scopes is denied", http.StatusForbidden)
		return
	}
	t.mu.Lock()
	if t.issued == nil {
		t.issued = map[string][]string{}
	}
	token := fmt.Sprintf("token-%d-%s", len(t.issued)+1, user)
	t.issued[token] = granted
	t.mu.Unlock()
	answer := map[string]any{"token": token}
	if t.ExpiresIn != 0 {
		answer["expires_in"] = t.ExpiresIn
	}
	w.Header().Set("Content-Type", "application/json")
	// The client going away is no business of the registry.
	_ = json.NewEncoder(w).Encode(answer)
}

// grant leaves out what the user may not have.
func (t *Tokens) grant(user string, asked []string) (granted []string) {
	for _, scope := range asked {
		parts := strings.Split(scope, ":")
		if len(parts) == 3 && (t.Rights == nil || slices.Contains(t.Rights[user], parts[1])) {
			granted = append(granted, "repository:"+parts[1]+":pull", scope)
		}
	}
	return granted
}
