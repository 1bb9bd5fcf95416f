package forge_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/internal/run"
)

func TestTrusting(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, c := range map[string]struct {
		ca                []byte
		refused, answered bool
	}{
		"own authority":  {ca, false, true},
		"system's alone": {nil, false, false},
		"no certificate": {[]byte("x"), true, false},
	} {
		client, err := forge.Trusting(c.ca)
		if _, refused := run.AsRefusal(err); refused != c.refused {
			t.Errorf("%s: %v, want refused %v", name, err, c.refused)
		}
		if client == nil {
			continue
		}
		resp, err := forge.Client(client).Get(server.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != c.answered {
			t.Errorf("%s: %v, want an answer %v", name, err, c.answered)
		}
	}
}
