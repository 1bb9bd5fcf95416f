package sigstore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// get reads an address into v, if there is one, and returns the status.
func get(t *testing.T, url string, v any) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && v != nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", url, err, body)
	}
	return resp.StatusCode
}

func issuerOf(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	handler, err := Issuer(url)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	return url
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	out, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The way of a client and of Fulcio: discovery, a token, keys, and the token is
// signed by the key that it names.
func TestIssuer(t *testing.T) {
	url := issuerOf(t)
	var found struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
		Token  string `json:"token_endpoint"`
	}
	get(t, url+discovery, &found)
	var keys struct{ Keys []struct{ Kid, X, Y string } }
	get(t, found.Keys, &keys)
	var made struct {
		Token string `json:"id_token"`
	}
	get(t, found.Token+"?email=a@example.com", &made)
	parts := strings.Split(made.Token, ".")
	if found.Issuer != url || len(keys.Keys) != 1 || len(parts) != 3 {
		t.Fatalf("discovery %+v, keys %+v, token %q", found, keys, made.Token)
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(decode(t, parts[0]), &header); err != nil || header.Kid != keys.Keys[0].Kid {
		t.Errorf("the token names key %q (%v), there is %q", header.Kid, err, keys.Keys[0].Kid)
	}
	claim(t, url, decode(t, parts[1]))
	number := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
	key := ecdsa.PublicKey{Curve: elliptic.P256(), X: number(decode(t, keys.Keys[0].X)), Y: number(decode(t, keys.Keys[0].Y))}
	sum, signature := sha256.Sum256([]byte(parts[0]+"."+parts[1])), decode(t, parts[2])
	if len(signature) != 64 || !ecdsa.Verify(&key, sum[:], number(signature[:32]), number(signature[32:])) {
		t.Error("the token's signature is not that of the issuer's key")
	}
}

// claim wants what Fulcio wants of a token.
func claim(t *testing.T, url string, body []byte) {
	t.Helper()
	var claims struct {
		Iss, Aud, Email string
		Verified        bool `json:"email_verified"`
	}
	if err := json.Unmarshal(body, &claims); err != nil || claims.Iss != url || claims.Aud != "sigstore" || claims.Email != "a@example.com" || !claims.Verified {
		t.Errorf("claims %+v, %v", claims, err)
	}
}

func TestIssuerRefuses(t *testing.T) {
	url := issuerOf(t)
	for _, query := range []string{"", "?email=", "?email=nobody", "?email=A%20%3Ca@example.com%3E"} {
		if code := get(t, url+"/token"+query, nil); code != http.StatusBadRequest {
			t.Errorf("%q is answered %d", query, code)
		}
	}
}

func TestConfigure(t *testing.T) {
	s := Sigstore{Place: &place.Place{State: t.TempDir()}}
	if err := s.Configure(); err != nil {
		t.Fatal(err)
	}
	for file, use := range map[string]x509.ExtKeyUsage{"fulcio.pem": x509.ExtKeyUsageCodeSigning, "tsa.pem": x509.ExtKeyUsageTimeStamping} {
		certs := chainOf(t, s.Place.Path("sigstore", file))
		roots := x509.NewCertPool()
		roots.AddCert(certs[len(certs)-1])
		if _, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	first, err := os.ReadFile(s.Place.Path("sigstore", "trusted_root.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Configure(); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(s.Place.Path("sigstore", "trusted_root.json")); err != nil || !bytes.Equal(first, second) {
		t.Errorf("a second time made new keys (%v)", err)
	}
}

func chainOf(t *testing.T, path string) []*x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	if len(out) < 2 {
		t.Fatalf("%s has %d certificates", path, len(out))
	}
	return out
}
