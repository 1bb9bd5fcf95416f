package image

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	cstatic "github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/sigstore/pkg/signature"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/image/trust"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

// world is a registry, a reader for it and a key that policies trust.
type world struct {
	*testing.T
	served  *registry.Registry
	reader  *images.Registry
	trusted *sign.Signer
}

// plain reads a registry of a test, which speaks plain HTTP.
func plain(served *registry.Registry) *images.Registry {
	return images.New(images.Options{Insecure: []string{served.Host()}})
}

func newWorld(t *testing.T, o registry.Options) *world {
	t.Helper()
	served := registry.New(t, o)
	return &world{T: t, served: served, reader: plain(served), trusted: newSigner(t)}
}

// newSigner makes a plain key, because encrypting one takes a second by design.
func newSigner(t testing.TB) *sign.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.LoadSigner(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checker is the public half of a key.
func checker(t testing.TB, key *sign.Signer) signature.Verifier {
	t.Helper()
	v, err := signature.LoadVerifier(key.GetPublicKey(), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// trusting asks for a signature by the key.
func trusting(t testing.TB, key *sign.Signer) *demand {
	t.Helper()
	d, err := newDemand(context.Background(), trust.New(trust.Options{}), policy.Authority{Keys: []policy.Key{{Public: key.GetPublicKey(), Hash: crypto.SHA256}}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// push makes an image whose digest depends on content.
func (w *world) push(repository, content string) verify.Image {
	w.Helper()
	img, err := images.Build(images.Spec{Files: []images.File{{Path: "/action", Content: []byte(content)}}})
	if err != nil {
		w.Fatal(err)
	}
	pushed, err := w.reader.Push(context.Background(), w.served.Image(repository)+":v1", img)
	if err != nil {
		w.Fatal(err)
	}
	return pushed
}

func (w *world) sign(img verify.Image, key *sign.Signer, f policy.Format) {
	w.Helper()
	if err := sign.Sign(context.Background(), w.reader, img, key, f); err != nil {
		w.Fatal(err)
	}
}

// object is a ClusterImagePolicy that trusts keys for a glob.
func object(t testing.TB, name, glob string, keys ...*sign.Signer) []byte {
	t.Helper()
	authorities := []any{}
	for _, k := range keys {
		text, err := k.GetPublicKeyPem()
		if err != nil {
			t.Fatal(err)
		}
		authorities = append(authorities, map[string]any{"key": map[string]any{"data": text}})
	}
	data, err := json.Marshal(map[string]any{
		"apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy",
		"metadata": map[string]any{"name": name},
		"spec":     map[string]any{"images": []any{map[string]any{"glob": glob}}, "authorities": authorities},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func fixed(objects ...[]byte) Policies {
	set := policy.Compile(policy.Inputs{Policies: objects})
	return func(context.Context) (*policy.Set, error) { return set, nil }
}

// verifier trusts w.trusted for everything.
func (w *world) verifier() *Verifier {
	return New(fixed(object(w, "trusted", "**", w.trusted)), w.reader)
}

func (w *world) pass(img verify.Image, format policy.Format) verify.Result {
	w.Helper()
	got, err := w.verifier().Verify(context.Background(), img, verify.Subject{})
	if err != nil {
		w.Fatalf("refused: %v", err)
	}
	if got.Format != string(format) {
		w.Errorf("format is %q, want %q", got.Format, format)
	}
	return got
}

// refuse wants a final refusal that names the image and says each of the texts.
func refuse(t testing.TB, v verify.Verifier, img verify.Image, reason run.Reason, texts ...string) {
	t.Helper()
	result, err := v.Verify(context.Background(), img, verify.Subject{})
	refusal, ok := run.AsRefusal(err)
	if !ok {
		t.Fatalf("result %+v, error %v; want a refusal", result, err)
	}
	if refusal.Reason != reason {
		t.Errorf("reason is %s, want %s: %s", refusal.Reason, reason, refusal.Message)
	}
	for _, text := range append(texts, img.Repository) {
		if !strings.Contains(refusal.Message, text) {
			t.Errorf("message lacks %q: %s", text, refusal.Message)
		}
	}
}

// retry wants an error that is no refusal and names the image.
func retry(t testing.TB, v verify.Verifier, img verify.Image) {
	t.Helper()
	_, err := v.Verify(context.Background(), img, verify.Subject{})
	var refusal *run.Refusal
	if err == nil || errors.As(err, &refusal) {
		t.Fatalf("error is %v, want one that is worth a retry", err)
	}
	if !strings.Contains(err.Error(), img.Digest) {
		t.Errorf("error does not name the image: %v", err)
	}
}

func digestOf(t testing.TB, img verify.Image) name.Digest {
	t.Helper()
	d, err := name.NewDigest(img.String())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func sigTag(t testing.TB, img verify.Image) name.Tag {
	t.Helper()
	return digestOf(t, img).Tag(strings.Replace(img.Digest, ":", "-", 1) + ".sig")
}

// layer is one layer of a hand-made signature manifest.
type layer struct {
	payload     string
	mediaType   types.MediaType
	annotations map[string]string
}

func (w *world) writeSig(img verify.Image, layers ...layer) {
	w.Helper()
	w.writeLayers(sigTag(w, img), layers...)
}

func (w *world) writeLayers(at name.Tag, layers ...layer) {
	w.Helper()
	var parts []mutate.Addendum
	for _, l := range layers {
		kind := cmp.Or(l.mediaType, simpleSigning)
		parts = append(parts, mutate.Addendum{Layer: cstatic.NewLayer([]byte(l.payload), kind), Annotations: l.annotations})
	}
	sig, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), parts...)
	if err != nil {
		w.Fatal(err)
	}
	if err := remote.Write(at, sig); err != nil {
		w.Fatal(err)
	}
}

// attach writes any bytes as a bundle that refers to img.
func (w *world) attach(img verify.Image, data []byte, predicate string) {
	w.Helper()
	if err := ociremote.WriteAttestationNewBundleFormat(digestOf(w, img), data, predicate); err != nil {
		w.Fatal(err)
	}
}

func (w *world) bundle(img verify.Image, predicate string, key *sign.Signer) []byte {
	w.Helper()
	data, err := sign.Bundle(context.Background(), img, sign.Claim{Type: predicate, Predicate: struct{}{}}, key)
	if err != nil {
		w.Fatal(err)
	}
	return data
}
