package image

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/registry"
)

// everywhere is a network on which each host is the one registry. It notes which
// host is shown which Authorization.
type everywhere struct {
	served *registry.Registry

	mu    sync.Mutex
	shown map[string][]string
}

// RoundTrip is http.RoundTripper.
func (e *everywhere) RoundTrip(req *http.Request) (*http.Response, error) {
	if said := req.Header.Get("Authorization"); said != "" {
		e.mu.Lock()
		e.shown[req.URL.Host] = append(e.shown[req.URL.Host], said)
		e.mu.Unlock()
	}
	to := req.Clone(req.Context())
	to.Host, to.URL.Scheme, to.URL.Host = req.URL.Host, "http", e.served.Host()
	return http.DefaultTransport.RoundTrip(to)
}

// A registry whose name only looks like the one that there is a login for sees
// neither the login nor a token that was given for it, and no token server is
// shown the login in its name, not even the true one.
func TestAttack16_LookAlikesAreShownNothing(t *testing.T) {
	const genuine = "x.azurecr.io"
	tokens := &registry.Tokens{}
	served := registry.New(t, registry.Options{Tokens: tokens})
	img := pushed(t, served, "actions/a", "a")
	tokens.Users = map[string]string{"puller": "secret"}
	for _, host := range []string{genuine, genuine + ".evil.test", genuine + ".evil.test:8443", "xazurecr.io", "y.x.azurecr.io", "x.azurecr.io.", genuine + ":8443", "azurecr.io.evil.test", "x-azurecr.io"} {
		for _, realm := range []string{host, genuine} {
			tokens.Revoke()
			tokens.Realm = "https://" + realm + "/token"
			net := &everywhere{served: served, shown: map[string][]string{}}
			login := dockerConfig("*.azurecr.io", "puller", "secret")
			r := New(Options{Transport: net, Config: func() ([]byte, error) { return login, nil },
				Credentials: func(context.Context, verify.Subject) ([][]byte, error) { return [][]byte{login}, nil }})
			at := verify.Image{Repository: host + "/actions/a", Digest: img.Digest}
			if got := reads(t, r, at); got != (host == genuine) {
				t.Errorf("%s is read: %t", host, got)
			}
			if host != genuine && len(net.shown) > 0 {
				t.Errorf("for %s, which sends to %s, is shown: %v", host, realm, net.shown)
			}
			if host == genuine && !strings.HasPrefix(strings.Join(net.shown[genuine], " "), "Basic ") {
				t.Errorf("%s is shown %v", host, net.shown)
			}
		}
	}
}

// reads reports whether tag, contract and list of signatures are all given out;
// it is an error if only some are.
func reads(t *testing.T, r *Registry, img verify.Image) bool {
	t.Helper()
	_, tag := r.Resolve(t.Context(), img.Repository+":v1", nobody())
	_, file := r.ReadFile(t.Context(), img, ContractPath, nobody())
	_, list := bundles(t.Context(), r, img)
	if (tag == nil) != (file == nil) || (tag == nil) != (list == nil) {
		t.Errorf("%s: tag %v, contract %v, list %v", img, tag, file, list)
	}
	return tag == nil
}
