package image

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/image/access"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

func TestGeneratedKeySignsAndCosignReadsIt(t *testing.T) {
	private, public, err := sign.GenerateKeyPair([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cosign.LoadPrivateKey(private, []byte("secret"), nil); err != nil {
		t.Errorf("cosign cannot read the key: %v", err)
	}
	if _, err := sign.LoadSigner(private, []byte("wrong")); err == nil || !strings.Contains(err.Error(), "passphrase") {
		t.Errorf("wrong passphrase: error is %v", err)
	}
	signer, err := sign.LoadSigner(private, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := policy.ParseKeys(public)
	if err != nil || keys[0].Fingerprint != signer.Fingerprint() {
		t.Errorf("keys %v, error %v; want %s", keys, err, signer.Fingerprint())
	}
}

func TestKeysThatSign(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{"P-384": p384, "Ed25519": ed, "RSA": rsaKey} {
		t.Run(name, func(t *testing.T) {
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, registry.Options{})
			if w.trusted, err = sign.LoadSigner(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil); err != nil {
				t.Fatal(err)
			}
			for _, f := range formats() {
				img := w.push("actions/"+string(f), "a")
				w.sign(img, w.trusted, f)
				w.pass(img, f)
			}
		})
	}
	for name, text := range map[string]string{
		"no PEM": "x", "public key": "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n",
		"broken": "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "broken EC": "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n",
	} {
		if _, err := sign.LoadSigner([]byte(text), nil); err == nil {
			t.Errorf("%s was loaded", name)
		}
	}
}

// TestCosignAcceptsOurSignatures compares with the library that users have.
func TestCosignAcceptsOurSignatures(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	for _, f := range formats() {
		w.sign(img, w.trusted, f)
	}
	options := &cosign.CheckOpts{SigVerifier: checker(t, w.trusted), ClaimVerifier: cosign.SimpleClaimVerifier, IgnoreTlog: true, Offline: true}
	signatures, _, err := cosign.VerifyImageSignatures(context.Background(), digestOf(t, img), options)
	if err != nil || len(signatures) != 1 {
		t.Errorf("legacy: %d signatures, error %v", len(signatures), err)
	}
	options.NewBundleFormat, options.TrustedMaterial = true, root.TrustedMaterialCollection{}
	options.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
	bundles, _, err := cosign.VerifyImageAttestations(context.Background(), digestOf(t, img), options)
	if err != nil || len(bundles) != 1 {
		t.Errorf("bundle: %d signatures, error %v", len(bundles), err)
	}
}

func TestSignTwiceWritesOnce(t *testing.T) {
	for _, o := range []registry.Options{{}, {NoReferrers: true}} {
		w := newWorld(t, o)
		img := w.push("actions/a", "a")
		keys := []*sign.Signer{w.trusted, newSigner(t)}
		w.signAll(img, keys)
		w.served.Reset()
		w.signAll(img, keys)
		for _, line := range w.served.Log() {
			if !strings.HasPrefix(line, "GET ") && !strings.HasPrefix(line, "HEAD ") {
				t.Errorf("signing again sent %s", line)
			}
		}
		w.wantSignatures(img, len(keys))
	}
}

func (w *world) signAll(img verify.Image, keys []*sign.Signer) {
	w.Helper()
	for _, f := range formats() {
		for _, key := range keys {
			w.sign(img, key, f)
		}
	}
}

// wantSignatures counts what is in the registry, in each format.
func (w *world) wantSignatures(img verify.Image, want int) {
	w.Helper()
	sig, err := remote.Image(sigTag(w, img))
	if err != nil {
		w.Fatal(err)
	}
	if layers, err := sig.Layers(); err != nil || len(layers) != want {
		w.Errorf("%d legacy signatures, error %v", len(layers), err)
	}
	index, err := remote.Referrers(digestOf(w, img))
	if err != nil {
		w.Fatal(err)
	}
	if list, err := index.IndexManifest(); err != nil || len(list.Manifests) != want {
		w.Errorf("referrers %+v, error %v", list, err)
	}
}

func TestSignWhatIsNotThere(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	img.Digest = "sha256:" + strings.Repeat("0", 64)
	err := sign.Sign(context.Background(), w.reader, img, w.trusted, policy.Bundle)
	if refusal, ok := run.AsRefusal(err); !ok || refusal.Reason != v1alpha1.ReasonImageNotFound {
		t.Errorf("error is %v", err)
	}
	if err := sign.Sign(context.Background(), w.reader, w.push("actions/a", "a"), w.trusted, "paper"); err == nil {
		t.Error("signed in a format that does not exist")
	}
}

// TestRequests fixes what an image costs: the look for the other format, if any, then
// the signature; and nothing at all when the answer is remembered.
func TestRequests(t *testing.T) {
	for f, want := range map[policy.Format][3]int{policy.Legacy: {3, 3, 0}, policy.Bundle: {3, 3, 0}} {
		w := newWorld(t, registry.Options{})
		first, second := w.push("actions/a", "a"), w.push("actions/a", "b")
		w.sign(first, w.trusted, f)
		w.sign(second, w.trusted, f)
		w.reader = plain(w.served)
		v := verify.Cached(w.verifier(), verify.CacheOptions{})
		got := [3]int{}
		for i, img := range []verify.Image{first, second, second} {
			w.served.Reset()
			if _, err := v.Verify(context.Background(), img, verify.Subject{}); err != nil {
				t.Fatal(err)
			}
			got[i] = w.served.Requests()
		}
		t.Logf("%s: %d requests for the first image of a repository, %d for the next, %d again", f, got[0], got[1], got[2])
		if got != want {
			t.Errorf("%s: requests %v, want %v", f, got, want)
		}
	}
}

// The writers of signatures go through our door: tokens, HTTPS under a private
// authority and stores elsewhere make no difference.
func TestSignAtAPrivateRegistry(t *testing.T) {
	for _, f := range formats() {
		served := registry.New(t, registry.Options{TLS: true, Tokens: &registry.Tokens{Users: map[string]string{"writer": "secret"}}, Store: true})
		roots, err := access.Roots(served.CA())
		if err != nil {
			t.Fatal(err)
		}
		login := fmt.Appendf(nil, `{"auths":{%q:{"username":"writer","password":"secret"}}}`, served.Host())
		w := &world{T: t, served: served, trusted: newSigner(t), reader: images.New(images.Options{Roots: roots, Config: func() ([]byte, error) { return login, nil }})}
		img := w.push("actions/a", "a")
		w.sign(img, w.trusted, f)
		w.pass(img, f)
	}
}
