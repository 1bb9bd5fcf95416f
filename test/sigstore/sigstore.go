// Package sigstore serves, inside a test, what signing by identity asks: Fulcio,
// a Rekor of version 1 and one of version 2, and a timestamp authority, over HTTP
// and with real keys.
package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

// Issuer is who made the tokens.
const Issuer = "https://accounts.example.com"

// Services are addresses and what vouches for them.
type Services struct {
	Fulcio, Rekor, Timestamp string
	// Root vouches for all of them; as file it is RootJSON.
	Root *root.TrustedRoot
	// Certificates counts what Fulcio issued.
	Certificates atomic.Int64
	// Promises in the certificates that Fulcio issues next; none at first.
	Promises Promises
	// Issued and Entered are how long ago Fulcio and the Rekor of version 1 take
	// the present to be; the timestamp authority knows the time.
	Issued, Entered time.Duration

	logged              *ca.VirtualSigstore
	second              *tree
	issuer, stamps      *x509.Certificate
	issuerKey, stampKey *ecdsa.PrivateKey
	stampers, top       *x509.Certificate
	topKey              *ecdsa.PrivateKey
	certificateLog      *ecdsa.PrivateKey
}

// New starts the services; they end with the test.
func New(t testing.TB) *Services {
	t.Helper()
	s := &Services{}
	if err := s.keys(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/signingCert", answer(s.certify))
	mux.HandleFunc("POST /api/v1/log/entries", s.enter)
	mux.HandleFunc("POST /api/v2/log/entries", s.second.enter)
	mux.HandleFunc("POST /api/v1/timestamp", answer(s.stamp))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.Fulcio, s.Rekor, s.Timestamp = server.URL, server.URL, server.URL+"/api/v1/timestamp"
	return s
}

// RootJSON is the root of trust in the form of trusted_root.json.
func (s *Services) RootJSON(t testing.TB) []byte {
	t.Helper()
	data, err := s.Root.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Token says who somebody is. Nothing signs it, and this Fulcio believes it.
func Token(email string) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"iss":%q,"sub":%q,"email":%q,"email_verified":true}`, Issuer, email, email)) + "." + part("x")
}

func (s *Services) keys() error {
	var err error
	if s.top, s.topKey, err = ca.GenerateRootCa(); err != nil {
		return err
	}
	if s.issuer, s.issuerKey, err = ca.GenerateFulcioIntermediate(s.top, s.topKey); err != nil {
		return err
	}
	middle, middleKey, err := ca.GenerateTSAIntermediate(s.top, s.topKey)
	if err != nil {
		return err
	}
	s.stampers = middle
	if s.stampKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if s.stamps, err = ca.GenerateTSALeafCert(time.Now().Add(-time.Minute), s.stampKey, middle, middleKey); err != nil {
		return err
	}
	if s.certificateLog, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if s.logged, err = ca.NewVirtualSigstore(); err != nil {
		return err
	}
	if s.second, err = newTree(); err != nil {
		return err
	}
	return s.trust()
}

// trust lists in Root all that there is now.
func (s *Services) trust() error {
	from, until := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	logs, err := s.certificateLogs(from, until)
	if err != nil {
		return err
	}
	s.Root, err = root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: s.top, Intermediates: []*x509.Certificate{s.issuer}, ValidityPeriodStart: from, ValidityPeriodEnd: until, URI: "https://fulcio.test"}},
		logs,
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{Root: s.top, Intermediates: []*x509.Certificate{s.stampers}, Leaf: s.stamps, ValidityPeriodStart: from, ValidityPeriodEnd: until, URI: "https://tsa.test"}},
		s.second.trust(s.logged.RekorLogs()))
	return err
}

func answer(f func(io.Reader, *http.Request) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		data, err := f(io.LimitReader(r.Body, 1<<20), r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(data) // who went away reads nothing
	}
}

// certify issues a certificate for the e-mail address in a token to who has the key.
func (s *Services) certify(body io.Reader, r *http.Request) ([]byte, error) {
	var asked struct {
		PublicKeyRequest struct {
			PublicKey         struct{ Content string }
			ProofOfPossession []byte
		}
	}
	if err := json.NewDecoder(body).Decode(&asked); err != nil {
		return nil, err
	}
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("no token")
	}
	var claims struct{ Email, Iss string }
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		return nil, err
	}
	key, err := cryptoutils.UnmarshalPEMToPublicKey([]byte(asked.PublicKeyRequest.PublicKey.Content))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(claims.Email))
	if public, ok := key.(*ecdsa.PublicKey); !ok || !ecdsa.VerifyASN1(public, sum[:], asked.PublicKeyRequest.ProofOfPossession) {
		return nil, fmt.Errorf("the key is not yours")
	}
	leaf, err := s.leaf(claims.Email, claims.Iss, key)
	if err != nil {
		return nil, err
	}
	s.Certificates.Add(1)
	var chain []string
	for _, c := range append([]*x509.Certificate{leaf}, s.Chain()...) {
		chain = append(chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	return json.Marshal(map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}}})
}

// enter logs an entry. Written again with sorted keys it is in its canonical form.
func (s *Services) enter(w http.ResponseWriter, r *http.Request) {
	id, data, err := s.entry(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("ETag", id)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(data) // who went away reads nothing
}

func (s *Services) entry(body io.Reader) (id string, data []byte, err error) {
	var proposed map[string]any
	if err := json.NewDecoder(body).Decode(&proposed); err != nil {
		return "", nil, err
	}
	canonical, err := json.Marshal(proposed)
	if err != nil {
		return "", nil, err
	}
	log, err := s.logged.RekorLogID()
	if err != nil {
		return "", nil, err
	}
	payload := tlog.RekorPayload{LogID: log, IntegratedTime: time.Now().Add(-s.Entered).Unix(), LogIndex: 1000, Body: base64.StdEncoding.EncodeToString(canonical)}
	promise, err := s.logged.RekorSignPayload(payload)
	if err != nil {
		return "", nil, err
	}
	proof, err := s.logged.GetInclusionProof(canonical)
	if err != nil {
		return "", nil, err
	}
	id = fmt.Sprintf("%x", sha256.Sum256(canonical))
	data, err = json.Marshal(map[string]any{id: map[string]any{
		"body": payload.Body, "integratedTime": payload.IntegratedTime, "logID": log, "logIndex": payload.LogIndex,
		"verification": map[string]any{"signedEntryTimestamp": promise, "inclusionProof": proof},
	}})
	return id, data, err
}

func (s *Services) stamp(body io.Reader, _ *http.Request) ([]byte, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	asked, err := timestamp.ParseRequest(data)
	if err != nil {
		return nil, err
	}
	made := timestamp.Timestamp{
		HashAlgorithm: asked.HashAlgorithm, HashedMessage: asked.HashedMessage, Time: time.Now(),
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, ExtraExtensions: asked.Extensions,
	}
	return made.CreateResponseWithOpts(s.stamps, s.stampKey, crypto.SHA256)
}
