package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/internal/verify/rule"
	"github.com/kubernaut/kubernaut/test/registry"
)

// What is played here is truly signed, by the key that policies trust: what it
// says is the trick.

// maxHostile requests are a bound for what one image costs, whatever lies beside
// it; floods have bounds of their own.
const maxHostile = 10

// closed wants a refusal that says the texts, and few requests.
func (w *world) closed(v verify.Verifier, img verify.Image, texts ...string) {
	w.Helper()
	w.served.Reset()
	result, err := v.Verify(w.Context(), img, verify.Subject{})
	refusal, ok := run.AsRefusal(err)
	if !ok {
		w.Fatalf("result %+v, error %v; want a refusal", result, err)
	}
	for _, text := range texts {
		if !strings.Contains(refusal.Message, text) {
			w.Errorf("message lacks %q: %s", text, refusal.Message)
		}
	}
	if n := w.served.Requests(); n > maxHostile {
		w.Errorf("%d requests: %v", n, w.served.Log())
	}
}

// state has the trusted key sign any text as a statement about img, and stores it
// as an attestation of this format that claims to be of type spdx.
func (w *world) state(img verify.Image, f policy.Format, kind, text string) {
	w.Helper()
	signed, _, err := w.trusted.SignData(w.Context(), dsse.PAE(kind, []byte(text)))
	if err != nil {
		w.Fatal(err)
	}
	envelope, err := json.Marshal(map[string]any{
		"payloadType": kind, "payload": []byte(text), "signatures": []any{map[string]any{"sig": signed}},
	})
	if err != nil {
		w.Fatal(err)
	}
	if f == policy.Bundle {
		w.attach(img, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":`+string(envelope)+`}`), spdx)
		return
	}
	at := digestOf(w, img).Tag(strings.Replace(img.Digest, ":", "-", 1) + attestationSuffix)
	w.writeLayers(at, layer{payload: string(envelope), mediaType: dsseEnvelope, annotations: map[string]string{predicateClaim: spdx}})
}

// attested demands an attestation by the trusted key whose level is 3 or more.
func (w *world) attested() *Verifier {
	w.Helper()
	return w.stated(`,"policy":{"type":"cue","data":"predicate: level: >=3"}`)
}

// stated demands an attestation by the trusted key, with more said about it.
func (w *world) stated(more string) *Verifier {
	w.Helper()
	text := `{"apiVersion":"policy.sigstore.dev/v1beta1","kind":"ClusterImagePolicy","metadata":{"name":"attested"},"spec":{"images":[{"glob":"**"}],` +
		keyed(w, w.trusted, `,"attestations":[{"name":"bill","predicateType":"`+spdx+`"`+more+`}]`) + `}}`
	set := policy.Compile(policy.Inputs{Policies: [][]byte{[]byte(text)}, Rules: rule.Compile})
	if problems := set.Problems(); len(problems) > 0 {
		w.Fatal(problems)
	}
	return New(func(context.Context) (*policy.Set, error) { return set, nil }, w.reader)
}

// An attestation counts for what is signed in it, not for the name it lies under.
func TestAttack5_AttestationsOfNothing(t *testing.T) {
	subject := `"subject":[{"name":"a","digest":{"sha256":"HEX"}}],`
	start := `{"_type":"https://in-toto.io/Statement/v1",`
	typed := `"predicateType":"` + spdx + `"`
	const good = `,"predicate":{"level":3}}`
	for name, c := range map[string]struct{ text, kind string }{
		"good":                {text: start + subject + typed + good},
		"good, as of old":     {text: strings.Replace(start, "Statement/v1", "Statement/v0.1", 1) + subject + typed + good},
		"unknown type":        {text: start + subject + `"predicateType":"https://example.com/unknown"` + good},
		"longer type":         {text: start + subject + `"predicateType":"` + spdx + `/v2"` + good},
		"empty type":          {text: start + subject + `"predicateType":""` + good},
		"no type":             {text: start + subject + `"x":1` + good},
		"a signature":         {text: start + subject + `"predicateType":"` + signPredicate + `"` + good},
		"type twice":          {text: start + subject + `"predicateType":"https://example.com/unknown",` + typed + good},
		"predicate too low":   {text: start + subject + typed + `,"predicate":{"level":2}}`},
		"predicate twice":     {text: start + subject + typed + `,"predicate":{"level":2},"predicate":{"level":1}}`},
		"no predicate":        {text: start + subject + typed + `}`},
		"predicate null":      {text: start + subject + typed + `,"predicate":null}`},
		"predicate empty":     {text: start + subject + typed + `,"predicate":{}}`},
		"predicate a text":    {text: start + subject + typed + `,"predicate":"level 3"}`},
		"predicate a list":    {text: start + subject + typed + `,"predicate":[3]}`},
		"predicate malformed": {text: start + subject + typed + `,"predicate":{"level":`},
		"no subject":          {text: start + typed + good},
		"subject null":        {text: start + `"subject":null,` + typed + good},
		"no digest":           {text: start + `"subject":[{"name":"a"}],` + typed + good},
		"unknown statement":   {text: strings.Replace(start, "Statement/v1", "Statement/v9", 1) + subject + typed + good},
		"nameless statement":  {text: "{" + subject + typed + good},
		"null":                {text: `null`},
		"a list":              {text: `[` + start + subject + typed + good + `]`},
		"no JSON":             {text: "level 3"},
		"payload of any kind": {text: start + subject + typed + good, kind: "application/json"},
	} {
		for _, f := range formats() {
			t.Run(name+", "+string(f), func(t *testing.T) {
				w := newWorld(t, registry.Options{})
				img := w.push("actions/a", "a")
				if c.kind == "" {
					c.kind = bundle.IntotoMediaType
				}
				w.state(img, f, c.kind, strings.ReplaceAll(c.text, "HEX", strings.TrimPrefix(img.Digest, "sha256:")))
				if !strings.HasPrefix(name, "good") {
					w.closed(w.attested(), img, `"attested" wants`)
				} else if _, err := w.attested().Verify(t.Context(), img, verify.Subject{}); err != nil {
					t.Error(err)
				}
				// It says nothing to who asks for a signature, good or not.
				w.closed(w.verifier(), img)
			})
		}
	}
}

// The name in a claim is decoration: its digest says what was signed.
func TestAttack6_SubjectsThatLie(t *testing.T) {
	const hex = `0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef`
	for name, subject := range map[string]string{
		"the name is right":          `{"name":"NAME","digest":{"sha256":"` + hex + `"}}`,
		"the hash is another":        `{"name":"NAME","digest":{"sha512":"HEX"}}`,
		"the hash has another name":  `{"name":"NAME","digest":{"SHA256":"HEX"}}`,
		"the digest is in the name":  `{"name":"sha256:HEX","digest":{"sha256":"` + hex + `"}}`,
		"the digest begins so":       `{"name":"NAME","digest":{"sha256":"HEX00"}}`,
		"the digest is a part of it": `{"name":"NAME","digest":{"sha256":"HALF"}}`,
		"two, and both others":       `{"name":"NAME","digest":{"sha256":"` + hex + `"}},{"name":"NAME","digest":{"sha1":"HEX"}}`,
	} {
		for _, f := range formats() {
			t.Run(name+", "+string(f), func(t *testing.T) {
				w := newWorld(t, registry.Options{})
				img := w.push("actions/a", "a")
				own := strings.TrimPrefix(img.Digest, "sha256:")
				text := strings.NewReplacer("NAME", img.String(), "HEX", own, "HALF", own[:32]).Replace(subject)
				w.state(img, f, bundle.IntotoMediaType, `{"_type":"https://in-toto.io/Statement/v1","subject":[`+text+`],"predicateType":"`+spdx+`","predicate":{"level":3}}`)
				w.closed(w.attested(), img)
			})
		}
	}
	t.Run("legacy signature", func(t *testing.T) {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		text := `{"critical":{"identity":{"docker-reference":"` + img.String() + `"},"image":{"docker-manifest-digest":"sha256:` + hex + `"},"type":"cosign container image signature"},"optional":{"digest":"` + img.Digest + `"}}`
		signed, _, err := w.trusted.SignData(t.Context(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		w.writeSig(img, layer{payload: text, annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(signed)}})
		w.closed(w.verifier(), img, "no image signature")
	})
}

// A list of referrers that was copied from another image, by a registry that
// lies or under the tag where older registries keep it, brings that one's
// signatures along and nothing else.
func TestAttack6_CopiedReferrers(t *testing.T) {
	for name, o := range map[string]registry.Options{"by the registry": {}, "by who may push": {NoReferrers: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, o)
			signed, evil := w.push("actions/a", "signed"), w.push("actions/a", "evil")
			w.sign(signed, w.trusted, policy.Bundle)
			if o.NoReferrers {
				list, err := remote.Index(digestOf(t, signed).Tag(strings.Replace(signed.Digest, ":", "-", 1)))
				if err != nil {
					t.Fatal(err)
				}
				if err := remote.WriteIndex(digestOf(t, evil).Tag(strings.Replace(evil.Digest, ":", "-", 1)), list); err != nil {
					t.Fatal(err)
				}
			}
			w.served.Hook(func(_ http.ResponseWriter, req *http.Request) bool {
				req.URL.Path = strings.Replace(req.URL.Path, "/referrers/"+evil.Digest, "/referrers/"+signed.Digest, 1)
				return false
			})
			w.closed(w.verifier(), evil, "is for "+signed.Digest)
			refuse(t, w.verifier(), evil, v1alpha1.ReasonSignatureInvalid)
			w.pass(signed, policy.Bundle)
		})
	}
}

// What strangers write reaches people through status, events and terminals: it
// neither begins a line there nor moves the cursor.
func TestStrangersWriteOneLine(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.attach(img, w.bundle(img, "https://example.com/\nVerified: yes\x1b[2J\u202edesrever\u2028end", w.trusted), "")
	w.closed(w.verifier(), img, "https://example.com/ Verified: yes [2J desrever end")
}

// A rule that had no time has judged nothing: that is no refusal to be remembered,
// and in a policy that only warns it is a warning.
func TestRulesThatAreCutShort(t *testing.T) {
	const endless = `"policy":{"type":"rego","data":"package sigstore\nisCompliant { all := numbers.range(1, 100000); x := all[_]; y := all[_]; x * y == 0 }"}`
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.attach(img, w.bundle(img, spdx, w.trusted), spdx)
	for name, v := range map[string]*Verifier{
		"of an attestation":    w.stated("," + endless),
		"over all authorities": w.ruled("isCompliant { all := numbers.range(1, 100000); x := all[_]; y := all[_]; x * y == 0 }", authority(t, "us", w.trusted, `,"attestations":[{"name":"bill","predicateType":"`+spdx+`"}]`)),
	} {
		remembered := verify.Cached(v, verify.CacheOptions{})
		for range 2 {
			_, err := remembered.Verify(t.Context(), img, verify.Subject{})
			if _, refused := run.AsRefusal(err); refused || !errors.Is(err, policy.ErrCutShort) {
				t.Errorf("%s: error %v", name, err)
			}
		}
	}
	w.sign(img, w.trusted, policy.Bundle)
	both := `"authorities":[` + authority(t, "us", w.trusted, `,"attestations":[{"name":"bill","predicateType":"`+spdx+`",`+endless+`}]`) + `],"mode":"warn"`
	objects := [][]byte{object(t, "enforces", "**", w.trusted),
		[]byte(`{"apiVersion":"policy.sigstore.dev/v1beta1","kind":"ClusterImagePolicy","metadata":{"name":"warns"},"spec":{"images":[{"glob":"**"}],` + both + `}}`)}
	set := policy.Compile(policy.Inputs{Policies: objects, Rules: rule.Compile})
	got, err := New(func(context.Context) (*policy.Set, error) { return set, nil }, w.reader).Verify(t.Context(), img, verify.Subject{})
	if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "cut short") {
		t.Errorf("in a policy that warns: %q, error %v", got.Warnings, err)
	}
}
