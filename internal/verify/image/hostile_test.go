package image

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

// Anybody who may push may write these; each must be refused and none may end
// the process. The last ones crash other verifiers in a goroutine of their own.
func TestAttack1_MalformedLegacySignatures(t *testing.T) {
	signature := base64.StdEncoding.EncodeToString([]byte("signature"))
	rekor := func(body string) map[string]string {
		return map[string]string{signatureAnnotation: signature, "dev.sigstore.cosign/bundle": body}
	}
	for name, l := range map[string]layer{
		"no signature":       {payload: "{}"},
		"empty signature":    {payload: "{}", annotations: map[string]string{signatureAnnotation: ""}},
		"huge signature":     {payload: "{}", annotations: map[string]string{signatureAnnotation: strings.Repeat("A", maxSignature+4)}},
		"not base64":         {payload: "{}", annotations: map[string]string{signatureAnnotation: "%"}},
		"other media type":   {payload: "{}", mediaType: types.OCILayer, annotations: map[string]string{signatureAnnotation: signature}},
		"empty payload":      {payload: "", annotations: map[string]string{signatureAnnotation: signature}},
		"huge payload":       {payload: strings.Repeat(" ", maxPayload+1), annotations: map[string]string{signatureAnnotation: signature}},
		"payload no JSON":    {payload: "\x00\xff", annotations: map[string]string{signatureAnnotation: signature}},
		"log body a number":  {payload: "{}", annotations: rekor(`{"SignedEntryTimestamp":"AA==","Payload":{"body":7}}`)},
		"log body an object": {payload: "{}", annotations: rekor(`{"Payload":{"body":{},"integratedTime":"x"}}`)},
		"log is null":        {payload: "{}", annotations: rekor(`null`)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registry.Options{})
			img := w.push("actions/a", "a")
			w.writeSig(img, l)
			refuse(t, w.verifier(), img, v1alpha1.ReasonSignatureInvalid, "legacy: 1 listed")
		})
	}
}

func TestMalformedManifests(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "<html>", "null": "null", "array": "[]", "layers a number": `{"layers":7}`, "null layer": `{"layers":[null]}`,
		"index": `{"manifests":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registry.Options{})
			img := w.push("actions/a", "a")
			w.served.Hook(func(rw http.ResponseWriter, req *http.Request) bool {
				if !strings.HasSuffix(req.URL.Path, ".sig") {
					return false
				}
				rw.Header().Set("Content-Type", string(types.OCIManifestSchema1))
				fmt.Fprint(rw, text)
				return true
			})
			_, err := w.verifier().Verify(context.Background(), img, verify.Subject{})
			if _, ok := run.AsRefusal(err); !ok {
				t.Fatalf("error is %v, want a refusal", err)
			}
			w.sign(img, w.trusted, policy.Bundle)
			w.pass(img, policy.Bundle)
		})
	}
}

func TestAttack1_MalformedBundles(t *testing.T) {
	certificate := `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":"AA=="}},
		"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AA=="}]}}`
	keyed := strings.Replace(certificate, `"certificate":{"rawBytes":"AA=="}`, `"publicKey":{"hint":"x"}`, 1)
	for name, c := range map[string]struct{ data, text string }{
		"no JSON":           {"x", "malformed"},
		"null":              {"null", "malformed"},
		"empty":             {"{}", "malformed"},
		"certificate":       {certificate, "one whose signer cannot be read"},
		"foreign signature": {keyed, "1 made by another key"},
		"no signature":      {strings.Replace(keyed, `{"sig":"AA=="}`, "", 1), "1 listed"},
		"null signature":    {strings.Replace(keyed, `{"sig":"AA=="}`, "null", 1), "1 listed"},
		"two signatures":    {strings.Replace(keyed, `{"sig":"AA=="}`, `{"sig":"AA=="},{"sig":"AQ=="}`, 1), "1 listed"},
		"future version":    {strings.Replace(keyed, "v0.3", "v9.9", 1), "malformed"},
		"log entry null":    {strings.Replace(keyed, `"publicKey"`, `"tlogEntries":[{}],"publicKey"`, 1), "malformed"},
		"huge":              {strings.Repeat(" ", maxBundle+1), "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registry.Options{})
			img := w.push("actions/a", "a")
			w.attach(img, []byte(c.data), signPredicate)
			refuse(t, w.verifier(), img, v1alpha1.ReasonSignatureInvalid, c.text)
			w.sign(img, w.trusted, policy.Bundle)
			w.pass(img, policy.Bundle)
		})
	}
}

// A signature over the bare digest, as for files, is no image signature.
func TestMessageSignatureBundle(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	desc, err := remote.Get(digestOf(t, img))
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := w.trusted.SignData(context.Background(), desc.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := v1.NewHash(img.Digest)
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 32)
	if _, err := fmt.Sscanf(hash.Hex, "%64x", &raw); err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	w.attach(img, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},
		"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"`+b64(raw)+`"},"signature":"`+b64(signed)+`"}}`), "")
	refuse(t, w.verifier(), img, v1alpha1.ReasonImageUnsigned, "bare bytes")
}

func TestAttack8_ManyForeignSignatures(t *testing.T) {
	const many = 1001
	foreign := base64.StdEncoding.EncodeToString([]byte("signature"))
	layers := make([]layer, many)
	for i := range layers {
		layers[i] = layer{payload: fmt.Sprint(i), annotations: map[string]string{signatureAnnotation: foreign}}
	}
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.writeSig(img, layers...)
	w.served.Reset()
	refuse(t, w.verifier(), img, v1alpha1.ReasonSignatureInvalid, "1001 listed", "100 made by another key", "only 100 of them were looked at")
	if n := w.served.Requests(); n > maxSignatures+5 {
		t.Errorf("%d requests", n)
	}
}

func TestAttack21_PagesWithoutEnd(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.served.Hook(func(rw http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/referrers/") {
			return false
		}
		// Pages without end.
		rw.Header().Set("Content-Type", string(types.OCIImageIndex))
		rw.Header().Set("Link", fmt.Sprintf(`<%s?n=%s1>; rel="next"`, req.URL.Path, req.URL.Query().Get("n")))
		fmt.Fprint(rw, `{"schemaVersion":2,"manifests":[]}`)
		return true
	})
	w.served.Reset()
	refuse(t, w.verifier(), img, v1alpha1.ReasonSignatureInvalid, "more than 20 pages")
	if n := w.served.Requests(); n > 25 {
		t.Errorf("%d requests", n)
	}
	w.sign(img, w.trusted, policy.Legacy)
	w.pass(img, policy.Legacy)
}

// The signature may be on any page; the registry library reads only the first.
func TestAttack21_SignatureBehindForeignReferrers(t *testing.T) {
	w := newWorld(t, registry.Options{PageSize: 2})
	img := w.push("actions/a", "a")
	for range 7 {
		w.attach(img, w.bundle(img, signPredicate, newSigner(t)), signPredicate)
	}
	w.sign(img, w.trusted, policy.Bundle)
	w.pass(img, policy.Bundle)
}

// The next page must not be fetched elsewhere with the credentials of here.
func TestAttack15_NextPageElsewhere(t *testing.T) {
	w := newWorld(t, registry.Options{})
	thief := registry.New(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.served.Hook(func(rw http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/referrers/") {
			return false
		}
		rw.Header().Set("Content-Type", string(types.OCIImageIndex))
		rw.Header().Set("Link", fmt.Sprintf(`<http://%s%s>; rel="next"`, thief.Host(), req.URL.Path))
		fmt.Fprint(rw, `{"schemaVersion":2,"manifests":[]}`)
		return true
	})
	retry(t, w.verifier(), img)
	if n := thief.Requests(); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// An outage is no verdict: neither for nor against.
func TestRegistryDown(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.sign(img, w.trusted, policy.Bundle)
	v := w.verifier()
	for _, status := range []int{registry.HangUp, 429, 500, 502, 503} {
		w.served.Down(status)
		retry(t, v, img)
		retry(t, New(fixed(object(t, "trusted", "**", w.trusted)), plain(w.served)), img)
	}
	w.served.Down(http.StatusForbidden)
	refuse(t, v, img, v1alpha1.ReasonAuthenticationFailed, "pull secret")
	w.served.Down(registry.Up)
	w.pass(img, policy.Bundle)
}

func TestOneEndpointDown(t *testing.T) {
	for _, part := range []string{"/referrers/", "/blobs/", ".sig"} {
		t.Run(part, func(t *testing.T) {
			w := newWorld(t, registry.Options{})
			img := w.push("actions/a", "a")
			w.sign(img, newSigner(t), policy.Legacy)
			w.sign(img, newSigner(t), policy.Bundle)
			w.served.Hook(func(rw http.ResponseWriter, req *http.Request) bool {
				if strings.Contains(req.URL.Path, part) {
					http.Error(rw, "no", http.StatusInternalServerError)
					return true
				}
				return false
			})
			retry(t, w.verifier(), img)
		})
	}
}

// A proxy's login page in place of the list means that there is no such API.
func TestAttack20_ReferrersAnswerHTML(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	html := func(rw http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/referrers/") {
			return false
		}
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprint(rw, "<html>")
		return true
	}
	w.served.Hook(html)
	refuse(t, w.verifier(), img, v1alpha1.ReasonImageUnsigned)
	w.sign(img, w.trusted, policy.Legacy)
	w.pass(img, policy.Legacy)
}

func TestAttack8_SlowRegistry(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.served.Hook(func(_ http.ResponseWriter, req *http.Request) bool {
		if strings.HasSuffix(req.URL.Path, ".sig") {
			<-req.Context().Done()
			return true
		}
		return false
	})
	impatient := New(fixed(object(t, "trusted", "**", w.trusted)), images.New(images.Options{Insecure: []string{w.served.Host()}, Timeout: 50 * time.Millisecond}))
	start := time.Now()
	retry(t, impatient, img)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// The bytes of a bundle manifest are bound to the digest in the list.
func TestAttack11_RegistryLiesAboutBytes(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img, other := w.push("actions/a", "a"), w.push("actions/a", "b")
	w.sign(img, w.trusted, policy.Bundle)
	w.sign(other, newSigner(t), policy.Bundle)
	index, err := remote.Referrers(digestOf(t, other))
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	foreign := list.Manifests[0].Digest.String()
	repository := digestOf(t, img).RepositoryStr()
	w.served.Hook(func(rw http.ResponseWriter, req *http.Request) bool {
		at := "/v2/" + repository + "/manifests/sha256:"
		if strings.HasPrefix(req.URL.Path, at) && !strings.HasSuffix(req.URL.Path, strings.TrimPrefix(foreign, "sha256:")) {
			req.URL.Path = "/v2/" + repository + "/manifests/" + foreign
		}
		return false
	})
	retry(t, w.verifier(), img)
}

func FuzzLegacySignature(f *testing.F) {
	key := newSigner(f)
	f.Add("c2ln", []byte(`{"critical":{}}`), int64(3), simpleSigning)
	f.Add("", []byte("null"), int64(-1), "")
	f.Fuzz(func(t *testing.T, annotation string, text []byte, size int64, kind string) {
		l := v1.Descriptor{MediaType: types.MediaType(kind), Size: size, Annotations: map[string]string{signatureAnnotation: annotation}}
		signed, err := parseSignature(l)
		if err != nil {
			return
		}
		nobody := verify.Image{Repository: "registry.example.com/a", Digest: "sha256:0"}
		hold := func(signed []byte) ruling {
			e, err := newLayered(l.Annotations, bundle.NewMessageSignature(hashPayload(text), payloadHash, signed), text)
			if err != nil {
				return ruling{}
			}
			return trusting(t, key).check(context.Background(), e, nobody)
		}
		if hold(signed).outcome == good {
			t.Error("bytes that nobody signed passed")
		}
		// The same payload, truly signed: only one with our digest may pass.
		signed, _, err = key.SignData(context.Background(), text)
		if err != nil {
			t.Fatal(err)
		}
		if hold(signed).outcome == good {
			t.Error("a malformed digest passed")
		}
	})
}

func FuzzBundle(f *testing.F) {
	key := newSigner(f)
	digest := "sha256:" + strings.Repeat("0", 64)
	ref := verify.Image{Repository: "registry.example.com/a", Digest: digest}
	genuine, err := sign.Bundle(context.Background(), ref, sign.Claim{Type: signPredicate, Predicate: struct{}{}}, key)
	if err != nil {
		f.Fatal(err)
	}
	stranger := newSigner(f)
	f.Add(genuine)
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseBundle(data)
		if err != nil {
			return
		}
		if trusting(t, stranger).check(context.Background(), e, ref).outcome == good {
			t.Error("a bundle passed with a key that signed nothing")
		}
	})
}
