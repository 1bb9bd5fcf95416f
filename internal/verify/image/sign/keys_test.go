package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// plain loads a key that no passphrase protects.
func plain(t *testing.T, kind string, der []byte, err error) *Signer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadSigner(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// both trusts a key beside the services.
type both struct {
	root.TrustedMaterial
	key signature.Verifier
}

// PublicKeyVerifier is root.TrustedMaterial.
func (b both) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return root.NewExpiringKey(b.key, time.Time{}, time.Time{}), nil
}

// Keys that a log takes are entered in either version of it, and others are
// refused before anything is sent.
func TestKeysAndLogs(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, ecErr := x509.MarshalECPrivateKey(p256)
	large, largeErr := x509.MarshalPKCS8PrivateKey(p384)
	edwards, edErr := x509.MarshalPKCS8PrivateKey(ed)
	served := sigstore.New(t)
	_, img := pushed(t)
	for name, c := range map[string]struct {
		by  *Signer
		can bool
	}{
		"EC": {plain(t, "EC PRIVATE KEY", ec, ecErr), true}, "RSA": {plain(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(old), nil), true},
		"P-384": {plain(t, "PRIVATE KEY", large, largeErr), false}, "Ed25519": {plain(t, "PRIVATE KEY", edwards, edErr), false},
	} {
		for _, version := range []uint32{1, 2} {
			by := c.by.With(Services{Rekor: served.Rekor, RekorVersion: version})
			if err := by.Can(policy.Bundle); (err == nil) != c.can {
				t.Errorf("%s in a log of version %d: %v", name, version, err)
			}
			if !c.can {
				continue
			}
			data, err := Bundle(t.Context(), img, Claim{Predicate, struct{}{}}, by)
			if err != nil {
				t.Fatal(err)
			}
			if err := logged(served, by, data); err != nil {
				t.Errorf("%s in a log of version %d: %v", name, version, err)
			}
		}
	}
}

// logged verifies a bundle by key, with the log.
func logged(served *sigstore.Services, by *Signer, data []byte) error {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(data); err != nil {
		return err
	}
	key, err := signature.LoadVerifier(by.GetPublicKey(), crypto.SHA256)
	if err != nil {
		return err
	}
	verifier, err := sgverify.NewVerifier(both{served.Root, key}, sgverify.WithTransparencyLog(1), sgverify.WithNoObserverTimestamps())
	if err != nil {
		return err
	}
	_, err = verifier.Verify(b, sgverify.NewPolicy(sgverify.WithoutArtifactUnsafe(), sgverify.WithKey()))
	return err
}
