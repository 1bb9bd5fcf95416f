package image

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// hugeKey has a modulus of so many bytes. Nobody has its other half, and none is
// needed: it is the check that costs.
func hugeKey(t *testing.T, size int) *rsa.PublicKey {
	t.Helper()
	n := make([]byte, size)
	if _, err := rand.Read(n); err != nil {
		t.Fatal(err)
	}
	n[0] |= 0x80
	n[size-1] |= 1
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 1<<31 - 1}
}

// hugeEntry is the body of a log entry whose signature is checked with the key in
// it when it is parsed.
func hugeEntry(t *testing.T, size int) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(hugeKey(t, size))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": strings.Repeat("ab", 32)}},
		"signature": map[string]any{"content": make([]byte, size), "publicKey": map[string]any{"content": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// quick wants a refusal within a second or so, however busy the machine is.
func (w *world) quick(v verify.Verifier, img verify.Image, texts ...string) {
	w.Helper()
	start := time.Now()
	w.closed(v, img, texts...)
	if took := time.Since(start); took > 5*time.Second {
		w.Errorf("it took %s", took)
	}
}

// A check with a key of half a million bits takes ten seconds, whatever comes of
// it, and each signature beside an image could bring some.
func TestAttack9_HugeKeys(t *testing.T) {
	s := sigstore.New(t)
	const size = 12 << 10 // in each place all that fits
	t.Run("in a certificate above", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		w.signKeyless(img, ways(s)["first log"], policy.Legacy)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		middle := &x509.Certificate{SerialNumber: big.NewInt(5), Subject: s.Chain()[0].Subject, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, middle, &x509.Certificate{Subject: pkix.Name{CommonName: "top"}}, hugeKey(t, size), key)
		if err != nil {
			t.Fatal(err)
		}
		w.changed(img, map[string]string{chainAnnotation: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))})
		w.quick(w.demanding(s, person(me, "")), img, "key of 98304 bits")
	})
	t.Run("in a log entry", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		w.signKeyless(img, ways(s)["first log"], policy.Legacy)
		entry, err := json.Marshal(map[string]any{"SignedEntryTimestamp": "AA==", "Payload": map[string]any{"body": base64.StdEncoding.EncodeToString(hugeEntry(t, size)), "integratedTime": 1, "logIndex": 1, "logID": "00"}})
		if err != nil {
			t.Fatal(err)
		}
		w.changed(img, map[string]string{logAnnotation: string(entry)})
		w.quick(w.demanding(s, person(me, "")), img, "a log entry has")
	})
	t.Run("in a log entry of a bundle", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		b := w.identifiedAs(img, ways(s)["first log"])
		b.material()["tlogEntries"].([]any)[0].(map[string]any)["canonicalizedBody"] = hugeEntry(t, size)
		w.attach(img, b.text(), signPredicate)
		w.quick(w.demanding(s, person(me, "")), img, "a log entry or timestamp has")
	})
	t.Run("as many as fit", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		b := w.identifiedAs(img, ways(s)["first log"])
		one := b.material()["tlogEntries"].([]any)[0].(map[string]any)
		one["canonicalizedBody"] = hugeEntry(t, 5000)
		b.material()["tlogEntries"] = []any{one, one, one}
		w.attach(img, b.text(), signPredicate)
		w.quick(w.demanding(s, person(me, "")), img, "verification error")
	})
}

// A timestamp may bring the certificate that it is checked with.
func TestAttack9_HugeTimestamps(t *testing.T) {
	s := sigstore.New(t)
	t.Run("bundle", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		b := w.identifiedAs(img, ways(s)["first log and timestamp"])
		b.material()["timestampVerificationData"] = map[string]any{"rfc3161Timestamps": []any{map[string]any{"signedTimestamp": nested(20 << 10)}}}
		w.attach(img, b.text(), signPredicate)
		w.quick(w.demanding(s, person(me, "")), img, "a log entry or timestamp has")
	})
	t.Run("legacy", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		w.signKeyless(img, ways(s)["timestamp"], policy.Legacy)
		w.changed(img, map[string]string{timestampAnnotation: `{"SignedRFC3161Timestamp":"` + base64.StdEncoding.EncodeToString(nested(20<<10)) + `"}`})
		w.quick(w.demanding(s, person(me, "")), img)
	})
}
