package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

const me = "release@example.com"

// demanding is a verifier with one authority, given as JSON; the services' root
// is the public one.
func (w *world) demanding(s *sigstore.Services, authority string, more ...string) *Verifier {
	w.Helper()
	var objects [][]byte
	for i, text := range append([]string{authority}, more...) {
		objects = append(objects, []byte(`{"apiVersion":"policy.sigstore.dev/v1beta1","kind":"ClusterImagePolicy","metadata":{"name":"p`+string(rune('a'+i))+`"},
			"spec":{"images":[{"glob":"**"}],`+text+`}}`))
	}
	set := policy.Compile(policy.Inputs{Policies: objects, Public: policy.TrustedRoot(s.RootJSON(w))})
	if problems := set.Problems(); len(problems) > 0 {
		w.Fatal(problems)
	}
	return New(func(context.Context) (*policy.Set, error) { return set, nil }, w.reader)
}

func person(subject, more string) string {
	return `"authorities":[{"keyless":{"url":"https://fulcio.sigstore.dev","insecureIgnoreSCT":true,"identities":[{"issuer":"` + sigstore.Issuer + `","subject":"` + subject + `"}]}` + more + `}]`
}

func keyed(t testing.TB, key *sign.Signer, more string) string {
	t.Helper()
	text, err := key.GetPublicKeyPem()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return `"authorities":[{"key":{"data":` + string(data) + `}` + more + `}]`
}

func (w *world) signKeyless(img verify.Image, services sign.Services, f policy.Format) {
	w.Helper()
	by, err := sign.Keyless(sigstore.Token(me), services)
	if err != nil {
		w.Fatal(err)
	}
	w.sign(img, by, f)
}

// ways are the proofs of time that a signature by identity may bring.
func ways(s *sigstore.Services) map[string]sign.Services {
	return map[string]sign.Services{
		"first log":                {Fulcio: s.Fulcio, Rekor: s.Rekor, RekorVersion: 1},
		"first log and timestamp":  {Fulcio: s.Fulcio, Rekor: s.Rekor, RekorVersion: 1, Timestamp: s.Timestamp},
		"second log and timestamp": {Fulcio: s.Fulcio, Rekor: s.Rekor, RekorVersion: 2, Timestamp: s.Timestamp},
		"timestamp":                {Fulcio: s.Fulcio, Timestamp: s.Timestamp},
	}
}

func TestKeyless(t *testing.T) {
	s := sigstore.New(t)
	for how, services := range ways(s) {
		for _, f := range formats() {
			if services.RekorVersion == 2 && f == policy.Legacy {
				continue // has no place for such an entry
			}
			t.Run(how+", "+string(f), func(t *testing.T) {
				w := newWorld(t, registry.Options{})
				img := w.push("actions/a", "a")
				w.signKeyless(img, services, f)
				v := w.demanding(s, person(me, ""))
				if services.Rekor == "" {
					refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, "one by "+me+" of "+sigstore.Issuer, "log")
					return
				}
				got, err := v.Verify(t.Context(), img, verify.Subject{})
				if err != nil {
					t.Fatal(err)
				}
				if got.Identity != me || got.Issuer != sigstore.Issuer || got.Signer != me+" of "+sigstore.Issuer || got.Format != string(f) || got.LogIndex == nil || got.SignedAt.IsZero() || got.Authority == "" {
					t.Errorf("result %+v", got)
				}
				refuse(t, w.demanding(s, person("eve@example.com", "")), img, v1alpha1.ReasonSignatureInvalid, "eve@example.com", "one by "+me, fmt.Sprintf("(entry %d of log ", *got.LogIndex))
				refuse(t, w.demanding(s, strings.Replace(person(me, ""), `"insecureIgnoreSCT":true,`, "", 1)), img, v1alpha1.ReasonSignatureInvalid, "signed certificate timestamp")
				refuse(t, w.demanding(s, keyed(t, w.trusted, "")), img, v1alpha1.ReasonSignatureInvalid, "by key")
			})
		}
	}
}

func TestKeyAndLog(t *testing.T) {
	s := sigstore.New(t)
	for _, f := range formats() {
		w := newWorld(t, registry.Options{})
		logged, bare := w.push("actions/a", "a"), w.push("actions/a", "b")
		w.sign(logged, w.trusted.With(sign.Services{Rekor: s.Rekor, RekorVersion: 1}), f)
		w.sign(bare, w.trusted, f)
		v := w.demanding(s, keyed(t, w.trusted, `,"ctlog":{}`))
		if got, err := v.Verify(t.Context(), logged, verify.Subject{}); err != nil || got.LogIndex == nil {
			t.Errorf("%s: result %+v, error %v", f, got, err)
		}
		refuse(t, v, bare, v1alpha1.ReasonSignatureInvalid, "one by a key", "log")
	}
}

func TestPoliciesThatWarn(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	signed, other := w.push("actions/a", "a"), w.push("actions/a", "b")
	w.sign(signed, w.trusted, policy.Bundle)
	warns := keyed(t, newSigner(t), "") + `,"mode":"warn"`
	v := w.demanding(s, keyed(t, w.trusted, ""), warns)
	got, err := v.Verify(t.Context(), signed, verify.Subject{})
	if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], `"pb" wants a signature by key`) || !strings.Contains(got.Warnings[0], "only warns") {
		t.Errorf("warnings %q, error %v", got.Warnings, err)
	}
	refuse(t, v, other, v1alpha1.ReasonImageUnsigned, `"pa" wants`)
	refuse(t, w.demanding(s, warns), signed, v1alpha1.ReasonSignatureInvalid, `"pa" wants`)
	for _, alone := range []string{keyed(t, w.trusted, ""), `"authorities":[{"static":{"action":"pass"}}]`} {
		if _, err := w.demanding(s, alone+`,"mode":"warn"`).Verify(t.Context(), signed, verify.Subject{}); err == nil || !strings.Contains(err.Error(), "vouches for nothing") {
			t.Errorf("a policy that only warns, satisfied and alone: error %v", err)
		}
	}
}

// layers reads back what is stored as legacy signatures.
func (w *world) layers(img verify.Image) []v1.Descriptor {
	w.Helper()
	stored, err := remote.Image(sigTag(w, img))
	if err != nil {
		w.Fatal(err)
	}
	manifest, err := stored.Manifest()
	if err != nil {
		w.Fatal(err)
	}
	return manifest.Layers
}

// changed writes img's only signature again with other annotations.
func (w *world) changed(img verify.Image, annotations map[string]string) {
	w.Helper()
	stored, err := remote.Image(sigTag(w, img))
	if err != nil {
		w.Fatal(err)
	}
	all, err := stored.Layers()
	if err != nil {
		w.Fatal(err)
	}
	text, err := all[0].Compressed()
	if err != nil {
		w.Fatal(err)
	}
	defer text.Close()
	payload, err := io.ReadAll(text)
	if err != nil {
		w.Fatal(err)
	}
	own := maps.Clone(w.layers(img)[0].Annotations)
	maps.Copy(own, annotations)
	w.writeSig(img, layer{payload: string(payload), annotations: own})
}

func TestAttack1_LogEntriesOfOtherTypes(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.signKeyless(img, ways(s)["first log"], policy.Legacy)
	v := w.demanding(s, person(me, ""))
	if _, err := v.Verify(t.Context(), img, verify.Subject{}); err != nil {
		t.Fatal(err)
	}
	for _, entry := range []string{
		`7`, `null`, `{}`, `{"SignedEntryTimestamp":"AA==","Payload":{"body":{"a":1}}}`, `{"SignedEntryTimestamp":"AA==","Payload":{"body":7}}`, `{"Payload":{"body":"e30="}}`,
		`{"SignedEntryTimestamp":"AA==","Payload":{"body":"bnVsbA==","logID":"00"}}`, `{"SignedEntryTimestamp":"AA==","Payload":{"body":"eyJraW5kIjoiaGFzaGVkcmVrb3JkIiwiYXBpVmVyc2lvbiI6IjAuMC4xIiwic3BlYyI6W119","logID":"00"}}`,
		strings.Repeat(" ", maxAnnotation+1),
	} {
		w.changed(img, map[string]string{logAnnotation: entry})
		refuse(t, v, img, v1alpha1.ReasonSignatureInvalid)
	}
}

// The log's promise about one signature says nothing of another.
func TestAttack3_UnrelatedLogEntry(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	img, other := w.push("actions/a", "a"), w.push("actions/a", "b")
	w.signKeyless(img, ways(s)["first log"], policy.Legacy)
	w.signKeyless(other, ways(s)["first log"], policy.Legacy)
	w.changed(img, map[string]string{logAnnotation: w.layers(other)[0].Annotations[logAnnotation]})
	refuse(t, w.demanding(s, person(me, "")), img, v1alpha1.ReasonSignatureInvalid, "does not match")
}

func TestAttack4_KeyWithTheCertificateOfAnother(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	img, other := w.push("actions/a", "a"), w.push("actions/a", "b")
	w.sign(img, w.trusted, policy.Legacy)
	w.signKeyless(other, ways(s)["first log"], policy.Legacy)
	w.changed(img, map[string]string{certificateAnnotation: w.layers(other)[0].Annotations[certificateAnnotation]})
	refuse(t, w.verifier(), img, v1alpha1.ReasonSignatureInvalid, "certificate of another key")
	refuse(t, w.demanding(s, person(me, "")), img, v1alpha1.ReasonSignatureInvalid)
}

func TestAttack9_LongChains(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.signKeyless(img, ways(s)["first log"], policy.Legacy)
	own := w.layers(img)[0].Annotations[certificateAnnotation]
	v := w.demanding(s, person(me, ""))
	w.changed(img, map[string]string{chainAnnotation: strings.Repeat(own, 20)})
	refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, "more than 8 certificates")
	w.changed(img, map[string]string{chainAnnotation: strings.Repeat(own, 1000)})
	refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, "at most 65536 are read")
}

// A timestamp for another signature gives a certificate no time.
func TestAttack24_TimestampOfAnotherSignature(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	img, other := w.push("actions/a", "a"), w.push("actions/a", "b")
	w.signKeyless(img, ways(s)["timestamp"], policy.Legacy)
	w.signKeyless(other, ways(s)["timestamp"], policy.Legacy)
	set := policy.Compile(policy.Inputs{Policies: [][]byte{[]byte(`{"apiVersion":"policy.sigstore.dev/v1beta1","kind":"ClusterImagePolicy","metadata":{"name":"p"},"spec":{"images":[{"glob":"**"}],` + person(me, "") + `}}`)}, Public: policy.TrustedRoot(s.RootJSON(t))})
	matched := set.Match("registry.example.com/a", img.Digest, policy.Object{})
	matched[0].Authorities[0].Log, matched[0].Authorities[0].Stamp = nil, policy.TrustedRoot(s.RootJSON(t))
	judged := func() error {
		v := New(nil, w.reader)
		j, err := newJudge(t.Context(), v.roots, img, matched)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.hear(t.Context(), j, verify.Subject{}); err != nil {
			t.Fatal(err)
		}
		_, err = j.result()
		return err
	}
	if err := judged(); err != nil {
		t.Fatal(err)
	}
	w.changed(img, map[string]string{timestampAnnotation: w.layers(other)[0].Annotations[timestampAnnotation]})
	if err := judged(); err == nil {
		t.Error("it passed")
	}
}

// BenchmarkKeyless prints what judging costs beside the requests.
func BenchmarkKeyless(b *testing.B) {
	s := sigstore.New(b)
	by, err := sign.Keyless(sigstore.Token(me), ways(s)["second log and timestamp"])
	if err != nil {
		b.Fatal(err)
	}
	img := verify.Image{Repository: "registry.example.com/a", Digest: "sha256:" + strings.Repeat("0", 64)}
	data, err := sign.Bundle(b.Context(), img, sign.Claim{Type: signPredicate, Predicate: struct{}{}}, by)
	if err != nil {
		b.Fatal(err)
	}
	root := policy.TrustedRoot(s.RootJSON(b))
	people := &policy.Keyless{Root: root, IgnoreSCT: true, Identities: []policy.Identity{{Issuer: sigstore.Issuer, Subject: me}}}
	v := New(nil, nil)
	for b.Loop() {
		d, err := newDemand(b.Context(), v.roots, policy.Authority{Keyless: people, Log: root})
		if err != nil {
			b.Fatal(err)
		}
		e, err := parseBundle(data)
		if err != nil {
			b.Fatal(err)
		}
		if got := d.check(b.Context(), e, img); got.outcome != good {
			b.Fatal(got.text)
		}
	}
}
