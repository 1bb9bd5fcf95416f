package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

func TestForgesTrustTheAuthorityInTheSecret(t *testing.T) {
	for _, provider := range []string{"github", "gitea"} {
		var requests atomic.Int32
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			http.NotFound(w, r)
		}))
		defer server.Close()
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		ask := func(secret map[string][]byte) int32 {
			f, err := forges(provider, server.URL+"/octo/app", secret)
			if err != nil {
				t.Fatal(err)
			}
			before := requests.Load()
			if _, err := f.Get(t.Context(), 7); err == nil {
				t.Errorf("%s: a pull request where there is none", provider)
			}
			return requests.Load() - before
		}
		if n := ask(map[string][]byte{"bearerToken": []byte("t")}); n != 0 {
			t.Errorf("%s: %d requests to a server that nothing vouches for", provider, n)
		}
		if n := ask(map[string][]byte{"bearerToken": []byte("t"), "ca.crt": ca}); n == 0 {
			t.Errorf("%s: ca.crt of the Secret is not trusted", provider)
		}
	}
}
