package sigstore

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/mail"
	"strings"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

const (
	// audience is whom the tokens are for: the name by which clients of
	// Sigstore call themselves.
	audience  = "sigstore"
	discovery = "/.well-known/openid-configuration"
	// lifetime of a token: as long as the certificates of Fulcio.
	lifetime = 10 * time.Minute
)

// Serve gives anybody a token for any email address until it is told to end.
func Serve(ctx context.Context) error {
	handler, err := Issuer(place.IssuerURL)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	at, err := net.Listen("tcp", strings.TrimPrefix(place.IssuerURL, "http://"))
	if err != nil {
		return fmt.Errorf("listen for tokens: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // callers ask again
	if err := server.Serve(at); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve tokens: %w", err)
	}
	return nil
}

// issuer signs tokens with a key that lives as long as the process. A verifier
// that meets a new name of a key reads the keys again.
type issuer struct {
	url, name string
	key       *ecdsa.PrivateKey
}

// Issuer is an OpenID provider with what Fulcio needs of one: discovery, keys,
// and POST or GET /token?email=… that answers {"id_token": "…"}.
func Issuer(url string) (http.Handler, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of the issuer: %w", err)
	}
	i := &issuer{url: url, name: place.Random(8), key: key}
	keys, err := i.keys()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+discovery, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": url, "jwks_uri": url + "/keys", "token_endpoint": url + "/token", "authorization_endpoint": url + "/token",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { answer(w, keys) })
	mux.HandleFunc("/token", i.token)
	return mux, nil
}

func (i *issuer) keys() (map[string]any, error) {
	point, err := i.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, fmt.Errorf("encode key of the issuer: %w", err)
	}
	return map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": i.name, "x": base64url(point[1:33]), "y": base64url(point[33:]),
	}}}, nil
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	email := r.FormValue("email")
	if at, err := mail.ParseAddress(email); err != nil || at.Address != email {
		http.Error(w, fmt.Sprintf("email=%q is no email address: ask for %s/token?email=somebody@example.com", email, i.url), http.StatusBadRequest)
		return
	}
	now := time.Now()
	token, err := i.sign(map[string]any{
		"iss": i.url, "aud": audience, "sub": email, "email": email, "email_verified": true,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(lifetime).Unix(),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"id_token": token, "access_token": token, "token_type": "Bearer", "expires_in": int(lifetime.Seconds())})
}

// sign makes a token of claims (RFC 7515, with ES256).
func (i *issuer) sign(claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "ES256", "typ": "JWT", "kid": i.name})
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	text := base64url(header) + "." + base64url(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64url(signature[:]), nil
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone
}
