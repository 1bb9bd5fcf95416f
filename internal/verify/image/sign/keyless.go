package sign

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

const (
	// patience bounds one call of a service; signing is done by people and
	// builds, which can wait, but not for ever.
	patience = 30 * time.Second
	// maxAnswer of Fulcio: a chain of three certificates has 4 KiB.
	maxAnswer = 1 << 20
	// renewal is how long before its end a certificate is not used any more: a
	// log and a timestamp authority answer within it.
	renewal = time.Minute
)

// errOnlyBundle says why a format cannot carry what a service answered.
var errOnlyBundle = errors.New("the legacy format has no place for entries of Rekor 2, and nobody could verify the signature without: " +
	"write a bundle, or ask a log of version 1")

// Services are asked while signing. Empty addresses are not asked.
type Services struct {
	// Fulcio issues a certificate for the identity in a token; its base address.
	Fulcio string
	// Rekor is the base address of a transparency log, RekorVersion 1 or 2.
	Rekor        string
	RekorVersion uint32
	// Timestamp is the full address of an RFC 3161 timestamp authority.
	Timestamp string
}

// With has the signer ask the services too; those of Fulcio are for Keyless only.
func (s *Signer) With(services Services) *Signer {
	return &Signer{key: s.key, public: s.public, fingerprint: s.fingerprint, services: services}
}

// Keyless returns a signer with a key of its own that lives as long as the
// process, and certificates that Fulcio issues for the token's identity. A
// signature lives longer than its certificate, so a log of version 1, or a log
// of version 2 with a timestamp authority, has to say when it was made.
func Keyless(token string, services Services) (*Signer, error) {
	switch {
	case strings.Count(token, ".") != 2:
		return nil, errors.New("the identity token is no JSON web token: want three parts with dots between them")
	case services.Fulcio == "":
		return nil, errors.New("a signature by identity needs the address of Fulcio, which issues the certificate")
	case services.Timestamp == "" && (services.Rekor == "" || services.RekorVersion == 2):
		return nil, errors.New("a signature by identity needs a time: give a timestamp authority, or a log of Rekor version 1")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	s, err := newSigner(key)
	if err != nil {
		return nil, err
	}
	s.services, s.token, s.seen = services, token, &witness{}
	return s, nil
}

func (s *Signer) keyless() bool { return s.token != "" }

// Can says whether signatures in this format could be verified: nil, or why not.
// It is asked before anything is sent.
func (s *Signer) Can(f policy.Format) error {
	if s.services.Rekor != "" && !s.loggable() {
		return errors.New("a log takes signatures by ECDSA P-256 and RSA keys alone: take such a key, or sign without --rekor")
	}
	if f != policy.Legacy {
		return nil
	}
	if s.services.Rekor != "" && s.services.RekorVersion == 2 {
		return errOnlyBundle
	}
	return nil
}

// loggable: a log hashes by the kind of key, for others in another way than
// signatures of images do, with SHA-256, and would refuse the entry.
func (s *Signer) loggable() bool {
	switch key := s.public.(type) {
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return true
	}
	return false
}

// bundle signs content and gathers what proves who did and when.
func (s *Signer) bundle(ctx context.Context, content sign.Content) (*protobundle.Bundle, error) {
	options := sign.BundleOptions{Context: ctx}
	if s.keyless() {
		options.CertificateProvider = s
		options.CertificateProviderOptions = &sign.CertificateProviderOptions{IDToken: s.token}
	}
	if s.services.Timestamp != "" {
		options.TimestampAuthorities = []*sign.TimestampAuthority{sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: s.services.Timestamp, Timeout: patience})}
	}
	if s.services.Rekor != "" {
		options.TransparencyLogs = []sign.Transparency{sign.NewRekor(&sign.RekorOptions{BaseURL: s.services.Rekor, Version: s.services.RekorVersion, Timeout: patience})}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	options.Context = ctx
	message, err := sign.Bundle(content, s, options)
	if err != nil {
		return nil, fmt.Errorf("make signature with %s: %w", s.asked(), err)
	}
	return message, nil
}

// asked names what a signature is made with, for errors.
func (s *Signer) asked() string {
	parts := []string{"key " + s.fingerprint}
	if s.keyless() {
		parts = []string{"a certificate of " + s.services.Fulcio}
	}
	if s.services.Timestamp != "" {
		parts = append(parts, "a timestamp of "+s.services.Timestamp)
	}
	if s.services.Rekor != "" {
		parts = append(parts, fmt.Sprintf("an entry in %s (Rekor version %d)", s.services.Rekor, s.services.RekorVersion))
	}
	return strings.Join(parts, ", ")
}

// witness keeps the certificates that Fulcio sent last.
type witness struct {
	mu    sync.Mutex
	chain [][]byte
	until time.Time
}

// GetCertificate is sign.CertificateProvider: it asks Fulcio once for all
// signatures of the certificate's ten minutes.
func (s *Signer) GetCertificate(ctx context.Context, key sign.Keypair, o *sign.CertificateProviderOptions) ([]byte, error) {
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if len(s.seen.chain) > 0 && time.Now().Before(s.seen.until) {
		block, _ := pem.Decode(s.seen.chain[0])
		return block.Bytes, nil
	}
	listen := &listener{}
	der, err := sign.NewFulcio(&sign.FulcioOptions{BaseURL: strings.TrimSuffix(s.services.Fulcio, "/"), Timeout: patience, Transport: listen}).GetCertificate(ctx, key, o)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate of Fulcio: %w", err)
	}
	s.seen.chain, s.seen.until = [][]byte{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, leaf.NotAfter.Add(-renewal)
	for _, text := range listen.certificates() {
		s.seen.chain = append(s.seen.chain, []byte(text))
	}
	return der, nil
}

// chain returns the certificate and those above it, in PEM form.
func (s *Signer) chain() (leaf, rest []byte) {
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	return s.seen.chain[0], bytes.Join(s.seen.chain[1:], nil)
}

// listener keeps Fulcio's answer, because the library returns the leaf only and
// the legacy format wants the chain.
type listener struct{ answer []byte }

// RoundTrip is http.RoundTripper.
func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if l.answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer)); err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(l.answer))
	return response, nil
}

// certificates above the leaf, each checked to be one.
func (l *listener) certificates() []string {
	type chain struct {
		Chain struct{ Certificates []string }
	}
	var answer struct{ SignedCertificateEmbeddedSct, SignedCertificateDetachedSct chain }
	if err := json.Unmarshal(l.answer, &answer); err != nil {
		return nil
	}
	all := append(answer.SignedCertificateEmbeddedSct.Chain.Certificates, answer.SignedCertificateDetachedSct.Chain.Certificates...)
	var out []string
	for _, text := range all[min(1, len(all)):] {
		if _, err := cryptoutils.UnmarshalCertificatesFromPEM([]byte(text)); err == nil {
			out = append(out, strings.TrimSpace(text)+"\n")
		}
	}
	return out
}

func digestOf(data []byte) v1.Hash {
	hash, _, _ := v1.SHA256(bytes.NewReader(data)) // memory can be read
	return hash
}

// String names the signer for people: its key, or the identity that its
// certificate has been issued for.
func (s *Signer) String() string {
	if !s.keyless() {
		return "key " + s.fingerprint
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if len(s.seen.chain) == 0 {
		return "an identity"
	}
	certificates, err := cryptoutils.UnmarshalCertificatesFromPEM(s.seen.chain[0])
	if err != nil {
		return "an identity"
	}
	return strings.Join(cryptoutils.GetSubjectAlternateNames(certificates[0]), ", ")
}
