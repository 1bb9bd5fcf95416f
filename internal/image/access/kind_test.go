package access

import (
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/kubernaut/kubernaut/test/registry"
)

// Each request that a registry sees is told, and what it is for.
func TestRequestsAreTold(t *testing.T) {
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{}})
	var mu sync.Mutex
	var told []string
	n := NewNetwork(Options{Insecure: []string{served.Host()}, Tell: func(kind string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, kind)
	}})
	wantStatus(t, n.Client(logins{}), served, "actions/a", http.StatusNotFound)
	if len(told) != served.Requests() || !slices.Contains(told, "token") || told[len(told)-1] != "manifest" {
		t.Errorf("told %v; asked %v", told, served.Log())
	}
}

func TestKinds(t *testing.T) {
	for path, want := range map[string]string{
		"/v2/":                              "ping",
		"/v2/a/b/manifests/v1":              "manifest",
		"/v2/a/blobs/sha256:1":              "blob",
		"/v2/a/blobs/uploads/":              "blob",
		"/v2/a/b/c/referrers/sha256:1":      "referrers",
		"/v2/a/tags/list":                   "other",
		"/token":                            "other", // without the mark nobody knows
		"/store/v2/a/manifests/sha256:1":    "other",
		"/v2/referrers/manifests/sha256:1":  "manifest",
		"/v2/manifests/referrers/sha256:1":  "referrers",
		"/bucket/blobs/sha256/00/data?x=/y": "other",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.example.com"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := kindOf(req); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
		if got := kindOf(req.WithContext(forToken(t.Context()))); got != "token" {
			t.Errorf("%s for a token is %s", path, got)
		}
	}
}
