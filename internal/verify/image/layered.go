package image

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
)

// Annotations of a layer in the legacy format.
const (
	signatureAnnotation   = "dev.cosignproject.cosign/signature"
	certificateAnnotation = "dev.sigstore.cosign/certificate"
	chainAnnotation       = "dev.sigstore.cosign/chain"
	logAnnotation         = "dev.sigstore.cosign/bundle"
	timestampAnnotation   = "dev.sigstore.cosign/rfc3161timestamp"

	payloadHash = "SHA2_256"
	// maxChain of certificates that a signature brings along: path building takes
	// time with each, and two levels are usual.
	maxChain = 8
)

func hashPayload(text []byte) []byte {
	sum := sha256.Sum256(text)
	return sum[:]
}

// layered is a signature in the legacy format as sigstore-go sees signatures.
// Log entry and timestamp are parsed when they are asked for, so that they
// cannot spoil a signature for which they do not matter.
type layered struct {
	sgverify.BaseSignedEntity
	annotations map[string]string
	content     sgverify.SignatureContent
	material    sgverify.VerificationContent
}

func newLayered(annotations map[string]string, content sgverify.SignatureContent, payload []byte) (*evidence, error) {
	keyed := &layered{annotations: annotations, content: content, material: &bundle.PublicKey{}}
	if annotations[certificateAnnotation] == "" {
		return &evidence{entity: keyed, payload: payload}, nil
	}
	material, err := parseCertified(annotations)
	if err != nil {
		return nil, err
	}
	whole := *keyed
	whole.material = material
	return &evidence{entity: &whole, payload: payload, asKey: keyed}, nil
}

// leaf has a name of its own, since what it has as a method is called
// Certificate.
type leaf = bundle.Certificate

// certified is a certificate with the chain that came along; what the chain is
// worth is decided by the root of trust.
type certified struct {
	*leaf
	chain []*x509.Certificate
}

// Intermediates between the certificate and a root.
func (c *certified) Intermediates() []*x509.Certificate { return c.chain }

func parseCertified(annotations map[string]string) (*certified, error) {
	own, err := parseChain(annotations[certificateAnnotation])
	if err != nil {
		return nil, err
	}
	if len(own) != 1 {
		return nil, flawed("a signature has %d certificates of its own, one is read", len(own))
	}
	above, err := parseChain(annotations[chainAnnotation])
	if err != nil {
		return nil, err
	}
	c := &certified{leaf: bundle.NewCertificate(own[0])}
	for _, cert := range above {
		if cert.IsCA && cert.Subject.String() != cert.Issuer.String() {
			c.chain = append(c.chain, cert)
		}
	}
	return c, nil
}

func parseChain(text string) ([]*x509.Certificate, error) {
	if len(text) > maxAnnotation {
		return nil, flawed("a certificate chain has %d characters, at most %d are read", len(text), maxAnnotation)
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if len(chain) == maxChain {
			return nil, flawed("a certificate chain has more than %d certificates", maxChain)
		}
		cert, err := guarded(func() (*x509.Certificate, error) { return x509.ParseCertificate(block.Bytes) })
		if err != nil {
			return nil, flawed("a certificate is malformed: %v", err)
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return nil, flawed("a certificate has a key of %d bits, at most %d are used", key.N.BitLen(), maxRSA)
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

// Version makes keys of all kinds readable as they were at that format's time.
func (l *layered) Version() (string, error) { return "v0.1", nil }

// SignatureContent returns the signature and what it is over.
func (l *layered) SignatureContent() (sgverify.SignatureContent, error) { return l.content, nil }

// VerificationContent returns the certificate, or that there is a key.
func (l *layered) VerificationContent() (sgverify.VerificationContent, error) { return l.material, nil }

// HasInclusionPromise is what the log gave in this format.
func (l *layered) HasInclusionPromise() bool { return l.annotations[logAnnotation] != "" }

// recorded is a log's promise as cosign stores it.
type recorded struct {
	SignedEntryTimestamp []byte `json:"SignedEntryTimestamp"`
	Payload              struct {
		Body           string `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogIndex       int64  `json:"logIndex"`
		LogID          string `json:"logID"`
	} `json:"Payload"`
}

// TlogEntries parses the log's promise strictly: its body may be any JSON, and
// parsers that expected a text have crashed.
func (l *layered) TlogEntries() ([]*tlog.Entry, error) {
	text := l.annotations[logAnnotation]
	if text == "" {
		return nil, nil
	}
	if len(text) > maxAnnotation {
		return nil, flawed("a log entry has %d characters, at most %d are read", len(text), maxAnnotation)
	}
	var r recorded
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, flawed("a log entry is malformed: %v", err)
	}
	body, err := base64.StdEncoding.DecodeString(r.Payload.Body)
	if err != nil {
		return nil, flawed("a log entry's body is not base64: %v", err)
	}
	if len(body) > maxProof {
		return nil, flawed("a log entry has %d bytes, at most %d are read", len(body), maxProof)
	}
	id, err := hex.DecodeString(r.Payload.LogID)
	if err != nil {
		return nil, flawed("a log's name is not hexadecimal: %v", err)
	}
	var kind struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(body, &kind); err != nil {
		return nil, flawed("a log entry's body is malformed: %v", err)
	}
	entry, err := guarded(func() (*tlog.Entry, error) {
		return tlog.ParseTransparencyLogEntry(&protorekor.TransparencyLogEntry{
			LogIndex: r.Payload.LogIndex, LogId: &protocommon.LogId{KeyId: id}, IntegratedTime: r.Payload.IntegratedTime,
			KindVersion:      &protorekor.KindVersion{Kind: kind.Kind, Version: kind.Version},
			InclusionPromise: &protorekor.InclusionPromise{SignedEntryTimestamp: r.SignedEntryTimestamp}, CanonicalizedBody: body,
		})
	})
	if err != nil {
		return nil, flawed("a log entry is malformed: %v", err)
	}
	return []*tlog.Entry{entry}, nil
}

// Timestamps returns the countersignature of a timestamp authority.
func (l *layered) Timestamps() ([][]byte, error) {
	text := l.annotations[timestampAnnotation]
	if text == "" {
		return nil, nil
	}
	if len(text) > maxAnnotation {
		return nil, flawed("a timestamp has %d characters, at most %d are read", len(text), maxAnnotation)
	}
	var stamp struct {
		SignedRFC3161Timestamp []byte `json:"SignedRFC3161Timestamp"`
	}
	if err := json.Unmarshal([]byte(text), &stamp); err != nil {
		return nil, flawed("a timestamp is malformed: %v", err)
	}
	if len(stamp.SignedRFC3161Timestamp) > maxProof {
		return nil, flawed("a timestamp has %d bytes, at most %d are read", len(stamp.SignedRFC3161Timestamp), maxProof)
	}
	return [][]byte{stamp.SignedRFC3161Timestamp}, nil
}
