package sigstore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// Promises are what the log of certificates promises in the certificates that
// Fulcio issues: its signed certificate timestamps.
type Promises int

// Promises that Fulcio can be told to ask for.
const (
	// NoPromise, as where there is no such log.
	NoPromise Promises = iota
	// OnePromise of the log that Root lists.
	OnePromise
	// TwoPromises of that log.
	TwoPromises
	// StrangersPromise is of a log that Root does not list.
	StrangersPromise
	// PromiseOfAnother was made by the right log for another certificate.
	PromiseOfAnother
)

// Intermediate has Fulcio issue by an intermediate certificate that is valid at
// the given times alone. Root lists it, but for that it is not changed.
func (s *Services) Intermediate(t testing.TB, from, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "intermediate", Organization: []string{"sigstore.test"}}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, IsCA: true, BasicConstraintsValid: true,
	}, s.top, &key.PublicKey, s.topKey)
	if err != nil {
		t.Fatal(err)
	}
	if s.issuer, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	s.issuerKey = key
	if err := s.trust(); err != nil {
		t.Fatal(err)
	}
}

// Chain is what Fulcio's certificates hang on, the root last.
func (s *Services) Chain() []*x509.Certificate { return []*x509.Certificate{s.issuer, s.top} }

// leaf certifies a key for an e-mail address.
func (s *Services) leaf(email, issuer string, key crypto.PublicKey) (*x509.Certificate, error) {
	from := time.Now().Add(-s.Issued - time.Minute)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), EmailAddresses: []string{email}, NotBefore: from, NotAfter: from.Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte(issuer)}},
	}
	issue := func() (*x509.Certificate, error) {
		der, err := x509.CreateCertificate(rand.Reader, template, s.issuer, key, s.issuerKey)
		if err != nil {
			return nil, err
		}
		return x509.ParseCertificate(der)
	}
	bare, err := issue()
	if err != nil || s.Promises == NoPromise {
		return bare, err
	}
	promises, err := s.promises(bare)
	if err != nil {
		return nil, err
	}
	// What the log promised is the certificate without this last extension.
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: promises})
	return issue()
}

// promises are the list of RFC 6962, section 3.3, for a certificate without it.
func (s *Services) promises(bare *x509.Certificate) ([]byte, error) {
	log, said, count := s.certificateLog, bare.RawTBSCertificate, 1
	switch s.Promises {
	case TwoPromises:
		count = 2
	case StrangersPromise:
		var err error
		if log, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
	case PromiseOfAnother:
		said = s.issuer.RawTBSCertificate
	}
	var list []byte
	for range count {
		one, err := s.promise(log, said)
		if err != nil {
			return nil, err
		}
		list = append(binary.BigEndian.AppendUint16(list, uint16(len(one))), one...)
	}
	return asn1.Marshal(append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...))
}

// promise signs that a log knows what a certificate says.
func (s *Services) promise(log *ecdsa.PrivateKey, said []byte) ([]byte, error) {
	name, err := x509.MarshalPKIXPublicKey(&log.PublicKey)
	if err != nil {
		return nil, err
	}
	const version, certificateTimestamp = 0, 0
	const precertificate = uint16(1)
	id, issuer := sha256.Sum256(name), sha256.Sum256(s.issuer.RawSubjectPublicKeyInfo)
	when := uint64(time.Now().UnixMilli())
	var signed bytes.Buffer
	for _, part := range []any{[]byte{version, certificateTimestamp}, when, precertificate, issuer, []byte{byte(len(said) >> 16), byte(len(said) >> 8), byte(len(said))}, said, uint16(0)} {
		if err := binary.Write(&signed, binary.BigEndian, part); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(signed.Bytes())
	signature, err := ecdsa.SignASN1(rand.Reader, log, sum[:])
	if err != nil {
		return nil, err
	}
	const sha256WithECDSA = uint16(0x0403)
	var out bytes.Buffer
	for _, part := range []any{[]byte{version}, id, when, uint16(0), sha256WithECDSA, uint16(len(signature)), signature} {
		err = errors.Join(err, binary.Write(&out, binary.BigEndian, part))
	}
	return out.Bytes(), err
}

// certificateLogs is the log that Root lists.
func (s *Services) certificateLogs(from, until time.Time) (map[string]*root.TransparencyLog, error) {
	name, err := x509.MarshalPKIXPublicKey(&s.certificateLog.PublicKey)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(name)
	return map[string]*root.TransparencyLog{hex.EncodeToString(id[:]): {
		BaseURL: "https://ctfe.test", ID: id[:], ValidityPeriodStart: from, ValidityPeriodEnd: until,
		HashFunc: crypto.SHA256, PublicKey: &s.certificateLog.PublicKey, SignatureHashFunc: crypto.SHA256,
	}}, nil
}
