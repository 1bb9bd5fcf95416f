package image

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

const spdx = "https://spdx.dev/Document"

func formats() []policy.Format { return []policy.Format{policy.Legacy, policy.Bundle} }

func TestSignedImagePasses(t *testing.T) {
	for _, o := range []registry.Options{{}, {NoReferrers: true}, {PageSize: 1}} {
		for _, f := range formats() {
			w := newWorld(t, o)
			img := w.push("actions/a", "a")
			w.sign(img, w.trusted, f)
			got := w.pass(img, f)
			if want := "key " + w.trusted.Fingerprint(); got.Signer != want {
				t.Errorf("signer is %q, want %q", got.Signer, want)
			}
			if len(got.Policies) != 1 || got.Policies[0] != "trusted" || got.PolicySet == "" {
				t.Errorf("result is %+v", got)
			}
		}
	}
}

func TestUnsignedImage(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	refuse(t, w.verifier(), img, v1alpha1.ReasonImageUnsigned, `"trusted"`, w.trusted.Fingerprint(), "legacy: nothing", "bundle: nothing")
}

func TestOtherKey(t *testing.T) {
	for _, f := range formats() {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		w.sign(img, newSigner(t), f)
		refuse(t, w.verifier(), img, v1alpha1.ReasonSignatureInvalid, string(f)+": 1 listed, 1 made by another key")
		w.sign(img, w.trusted, f)
		w.pass(img, f)
	}
}

// A signature says for which digest it was made; who can push can copy it.
func TestAttack6_SignatureOfAnotherImage(t *testing.T) {
	t.Run("legacy", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		signed, evil := w.push("actions/a", "signed"), w.push("actions/a", "evil")
		w.sign(signed, w.trusted, policy.Legacy)
		copied, err := remote.Image(sigTag(t, signed))
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(sigTag(t, evil), copied); err != nil {
			t.Fatal(err)
		}
		refuse(t, w.verifier(), evil, v1alpha1.ReasonSignatureInvalid, "is for "+signed.Digest)
	})
	t.Run("bundle", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		signed, evil := w.push("actions/a", "signed"), w.push("actions/a", "evil")
		w.attach(evil, w.bundle(signed, signPredicate, w.trusted), signPredicate)
		refuse(t, w.verifier(), evil, v1alpha1.ReasonSignatureInvalid, "is for "+signed.Digest)
	})
}

// What was verified is a digest; a tag may point anywhere afterwards.
func TestAttack10_TagMoved(t *testing.T) {
	w := newWorld(t, registry.Options{})
	ctx := context.Background()
	w.sign(w.push("actions/a", "signed"), w.trusted, policy.Bundle)
	before, err := w.reader.Resolve(ctx, w.served.Image("actions/a")+":v1", verify.Subject{})
	if err != nil {
		t.Fatal(err)
	}
	w.push("actions/a", "evil")
	w.pass(before, policy.Bundle)
	after, err := w.reader.Resolve(ctx, w.served.Image("actions/a")+":v1", verify.Subject{})
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, w.verifier(), after, v1alpha1.ReasonImageUnsigned)
	_, err = w.verifier().Verify(ctx, verify.Image{Repository: before.Repository, Digest: "v1"}, verify.Subject{})
	if err == nil {
		t.Error("an image without digest was judged")
	}
}

func TestAttack5_AttestationIsNoSignature(t *testing.T) {
	for name, annotation := range map[string]string{"annotated": spdx, "not annotated": "", "annotation lies": signPredicate} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registry.Options{})
			img := w.push("actions/a", "a")
			w.attach(img, w.bundle(img, spdx, w.trusted), annotation)
			refuse(t, w.verifier(), img, v1alpha1.ReasonImageUnsigned, spdx, "no signature")
		})
	}
}

func TestAttack20_OneBrokenFormatHidesNotTheOther(t *testing.T) {
	w := newWorld(t, registry.Options{})
	good := w.push("actions/a", "good legacy")
	w.sign(good, w.trusted, policy.Legacy)
	w.attach(good, []byte(`{"mediaType":`), signPredicate)
	w.pass(good, policy.Legacy)

	good = w.push("actions/a", "good bundle")
	w.sign(good, w.trusted, policy.Bundle)
	w.writeSig(good, layer{payload: "{}", annotations: map[string]string{signatureAnnotation: "%%%"}})
	w.pass(good, policy.Bundle)

	bad := w.push("actions/a", "both bad")
	w.writeSig(bad, layer{payload: "{}", annotations: map[string]string{signatureAnnotation: "%%%"}})
	w.attach(bad, []byte(`{"mediaType":`), signPredicate)
	refuse(t, w.verifier(), bad, v1alpha1.ReasonSignatureInvalid, "not base64", "a bundle is malformed")
}

func TestSeveralPolicies(t *testing.T) {
	w := newWorld(t, registry.Options{})
	other := newSigner(t)
	img := w.push("actions/a", "a")
	all := New(fixed(object(t, "one", "**", w.trusted), object(t, "two", w.served.Host()+"/actions/*@*", other)), w.reader)
	w.sign(img, w.trusted, policy.Legacy)
	refuse(t, all, img, v1alpha1.ReasonSignatureInvalid, `"two" wants a signature by key `+other.Fingerprint(), "1 made by another key")
	w.sign(img, other, policy.Bundle)
	got, err := all.Verify(context.Background(), img, verify.Subject{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Policies) != 2 || !strings.Contains(got.Signer, other.Fingerprint()) || !strings.Contains(got.Signer, w.trusted.Fingerprint()) {
		t.Errorf("result is %+v", got)
	}
	// Of several authorities in one policy any will do.
	third := w.push("actions/b", "b")
	w.sign(third, other, policy.Bundle)
	if _, err := New(fixed(object(t, "any", "**", w.trusted, other)), w.reader).Verify(context.Background(), third, verify.Subject{}); err != nil {
		t.Error(err)
	}
}

func TestSignatureFormatOfAuthority(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.sign(img, w.trusted, policy.Legacy)
	wants := strings.Replace(string(object(t, "bundles", "**", w.trusted)), `{"key"`, `{"signatureFormat":"bundle","key"`, 1)
	refuse(t, New(fixed([]byte(wants)), w.reader), img, v1alpha1.ReasonImageUnsigned, "in format bundle")
}

func TestPoliciesThatNoSignatureSatisfies(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.sign(img, w.trusted, policy.Legacy)
	trusted := object(t, "trusted", "**", w.trusted)
	with := func(from, to string) []byte {
		changed := strings.Replace(string(object(t, "second", "**", w.trusted)), from, to, 1)
		if from != "" && !strings.Contains(string(trusted), from) {
			t.Fatalf("policy has no %s", from)
		}
		return []byte(changed)
	}
	fail := []byte(`{"apiVersion":"policy.sigstore.dev/v1alpha1","kind":"ClusterImagePolicy","metadata":{"name":"second"},
		"spec":{"images":[{"glob":"**"}],"authorities":[{"static":{"action":"fail","message":"not in this cluster"}}]}}`)
	w.served.Reset()
	for name, c := range map[string]struct {
		objects [][]byte
		reason  string
		text    string
	}{
		"no policy":       {nil, v1alpha1.ReasonNoMatchingPolicy, "named by no ClusterImagePolicy"},
		"no match":        {[][]byte{object(t, "elsewhere", "registry.example.com/**", w.trusted)}, v1alpha1.ReasonNoMatchingPolicy, "named by no"},
		"static fail":     {[][]byte{trusted, fail}, v1alpha1.ReasonPolicyDenied, "not in this cluster"},
		"unreadable key":  {[][]byte{trusted, with("PUBLIC KEY", "PUBLIC KEE")}, v1alpha1.ReasonPolicyUnusable, "authorities[0].key"},
		"unreadable JSON": {[][]byte{trusted, []byte("{")}, v1alpha1.ReasonPolicyUnusable, "not a JSON object"},
		"keyless":         {[][]byte{trusted, with(`"key":{`, `"keyless":{},"kee":{`)}, v1alpha1.ReasonPolicyUnusable, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			refuse(t, New(fixed(c.objects...), w.reader), img, run.Reason(c.reason), c.text)
		})
	}
	if n := w.served.Requests(); n > 0 {
		t.Errorf("%d requests for images that no signature could save", n)
	}
}

func TestStaticPass(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	pass := []byte(`{"apiVersion":"policy.sigstore.dev/v1alpha1","kind":"ClusterImagePolicy","metadata":{"name":"open"},
		"spec":{"images":[{"glob":"**"}],"authorities":[{"static":{"action":"pass"}}]}}`)
	got, err := New(fixed(pass), w.reader).Verify(context.Background(), img, verify.Subject{})
	if err != nil || !strings.Contains(got.Signer, "open lets it pass unsigned") {
		t.Errorf("result %+v, error %v", got, err)
	}
}

// A host has one spelling here, since policies compare text.
func TestAttack19_SecondSpellingOfAHost(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	for _, host := range []string{"Registry.example.com", "registry.example.com.", "registry.example.com:443", "10.0.0.1:80"} {
		img.Repository = host + "/actions/a"
		refuse(t, w.verifier(), img, v1alpha1.ReasonInvalid, host)
	}
	img.Repository = "registry.example.com/UPPER"
	refuse(t, w.verifier(), img, v1alpha1.ReasonInvalid, "UPPER")
}

func TestAttack5_PayloadOfAnotherType(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	for _, text := range []string{
		`{"critical":{"identity":{"docker-reference":"a"},"image":{"docker-manifest-digest":"` + img.Digest + `"},"type":"atomic container signature"}}`,
		`null`, `[]`, img.Digest,
	} {
		signed, _, err := w.trusted.SignData(context.Background(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		w.writeSig(img, layer{payload: text, annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(signed)}})
		result, err := w.verifier().Verify(context.Background(), img, verify.Subject{})
		if err == nil {
			t.Errorf("payload %s passed: %+v", text, result)
		}
	}
}

// BenchmarkVerify prints what one image costs: requests are the currency.
func BenchmarkVerify(b *testing.B) {
	for _, f := range formats() {
		b.Run(string(f), func(b *testing.B) {
			served, key := registry.New(b, registry.Options{}), newSigner(b)
			reader := plain(served)
			built, err := images.Build(images.Spec{})
			if err != nil {
				b.Fatal(err)
			}
			img, err := reader.Push(context.Background(), served.Image("actions/a"), built)
			if err != nil {
				b.Fatal(err)
			}
			if err := sign.Sign(context.Background(), reader, img, key, f); err != nil {
				b.Fatal(err)
			}
			v := New(fixed(object(b, "trusted", "**", key)), plain(served))
			served.Reset()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), img, verify.Subject{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(served.Requests())/float64(b.N), "requests/op")
		})
	}
}
