package sigstore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// keys makes the authorities and writes what the services read.
func (s Sigstore) keys() (trust, error) {
	var t trust
	root, err := issue("fulcio-root", nil, authority(x509.ExtKeyUsageCodeSigning))
	if err != nil {
		return t, err
	}
	// One between them, as in the public Sigstore: a bundle has the leaf alone.
	fulcio, err := issue("fulcio", &root, authority(x509.ExtKeyUsageCodeSigning))
	if err != nil {
		return t, err
	}
	above, err := issue("tsa-root", nil, authority(x509.ExtKeyUsageTimeStamping))
	if err != nil {
		return t, err
	}
	tsa, err := issue("tsa", &above, stamping)
	if err != nil {
		return t, err
	}
	log, rekor, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return t, fmt.Errorf("make key of rekor: %w", err)
	}
	t = trust{fulcio: []*x509.Certificate{fulcio.cert, root.cert}, tsa: []*x509.Certificate{tsa.cert, above.cert}, rekor: log}
	for file, key := range map[string]crypto.PrivateKey{"fulcio.key": fulcio.key, "tsa.key": tsa.key, "rekor.key": rekor} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return t, fmt.Errorf("encode %s: %w", file, err)
		}
		if err := s.Place.Write("sigstore/"+file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			return t, err
		}
	}
	for file, chain := range map[string][]*x509.Certificate{"fulcio.pem": t.fulcio, "tsa.pem": t.tsa} {
		var out bytes.Buffer
		for _, c := range chain {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes everything
		}
		if err := s.Place.Write("sigstore/"+file, out.Bytes(), 0o644); err != nil {
			return t, err
		}
	}
	return t, nil
}

// authority makes a certificate one that signs others of the given use.
func authority(use x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, []x509.ExtKeyUsage{use}
	}
}

// stamping makes a certificate one that signs timestamps and nothing else. The
// use has to be critical (RFC 3161, 2.3), which crypto/x509 does not make it.
func stamping(c *x509.Certificate) {
	use, _ := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}) // never fails on constants
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: use}}
}

// issue makes a key and its certificate, signed by itself without a parent.
func issue(name string, parent *issued, become func(*x509.Certificate)) (issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return issued{}, fmt.Errorf("make key of %s: %w", name, err)
	}
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails since Go 1.24
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"kubernaut-lab"}, CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	become(c)
	if parent == nil {
		parent = &issued{cert: c, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent.cert, key.Public(), parent.key)
	if err != nil {
		return issued{}, fmt.Errorf("sign certificate of %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return issued{}, fmt.Errorf("read certificate of %s: %w", name, err)
	}
	return issued{cert: cert, key: key}, nil
}
