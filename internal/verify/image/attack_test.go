package image

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// A certificate counts only if all above it counted too when it signed, whatever
// it says of itself.
func TestAttack2_IntermediateOutOfItsTime(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		from, until time.Time
		good        bool
	}{
		"valid":         {now.Add(-time.Hour), now.Add(time.Hour), true},
		"expired":       {now.Add(-time.Hour), now.Add(-time.Second), false},
		"not yet valid": {now.Add(30 * time.Minute), now.Add(time.Hour), false},
	} {
		s := sigstore.New(t)
		s.Intermediate(t, c.from, c.until)
		for how, services := range ways(s) {
			if services.Rekor == "" {
				continue // no proof that is asked for
			}
			t.Run(name+", "+how, func(t *testing.T) {
				w := newWorld(t, registry.Options{})
				img := w.push("actions/a", "a")
				w.signKeyless(img, services, policy.Bundle)
				if services.RekorVersion == 1 {
					w.signKeyless(img, services, policy.Legacy)
				}
				_, err := w.demanding(s, person(me, "")).Verify(t.Context(), img, verify.Subject{})
				if (err == nil) != c.good {
					t.Errorf("error %v, want it to pass: %t", err, c.good)
				}
			})
		}
	}
}

// What says something else of an image than that it is signed is no signature,
// however well it is signed itself.
func TestAttack5_StatementsOfOtherTypes(t *testing.T) {
	for name, c := range map[string]struct {
		claim sign.Claim
		text  string
	}{
		"bill of materials": {sign.Claim{Type: spdx, Predicate: struct{}{}}, "no signature"},
		"unknown":           {sign.Claim{Type: "https://example.com/unknown", Predicate: struct{}{}}, "https://example.com/unknown"},
		"empty type":        {sign.Claim{Predicate: struct{}{}}, "no signature"},
		"longer type":       {sign.Claim{Type: signPredicate + "/x", Predicate: struct{}{}}, "no signature"},
		"upper case":        {sign.Claim{Type: strings.ToUpper(signPredicate), Predicate: struct{}{}}, "no signature"},
		"predicate a text":  {sign.Claim{Type: spdx, Predicate: "signed"}, "no signature"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registry.Options{})
			img := w.push("actions/a", "a")
			data, err := sign.Bundle(t.Context(), img, c.claim, w.trusted)
			if err != nil {
				t.Fatal(err)
			}
			w.attach(img, data, signPredicate)
			refuse(t, w.verifier(), img, v1alpha1.ReasonImageUnsigned, c.text)
			w.sign(img, w.trusted, policy.Bundle)
			w.pass(img, policy.Bundle)
		})
	}
}

// An attestation in cosign 2's place for them is none either, nor is a signature
// of the image under the name of its attestations.
func TestAttack5_TagOfAttestations(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	w.sign(img, w.trusted, policy.Legacy)
	signature, err := remote.Image(sigTag(t, img))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Delete(sigTag(t, img)); err != nil {
		t.Fatal(err)
	}
	attestations := digestOf(t, img).Tag(strings.Replace(img.Digest, ":", "-", 1) + ".att")
	if err := remote.Write(attestations, signature); err != nil {
		t.Fatal(err)
	}
	refuse(t, w.verifier(), img, v1alpha1.ReasonImageUnsigned, "legacy: nothing")
}

// Entries of one log, however many, are one witness: they make good nothing that
// is missing, and a spoilt one is not made good by its copy.
func TestAttack7_TheSameEntryTwice(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	for how, services := range ways(s) {
		img, other := w.push("actions/a", how), w.push("actions/a", "other than "+how)
		v := w.demanding(s, person(me, ""))
		own := w.identifiedAs(img, services)
		if len(own.entries()) == 0 {
			for _, from := range []string{"first log", "second log and timestamp"} {
				strange := w.identifiedAs(other, ways(s)[from]).entries()[0]
				w.attach(img, own.with(strange, strange), signPredicate)
			}
			refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, "one by "+me)
			continue
		}
		entry := own.entries()[0]
		spoilt := json.RawMessage(strings.Replace(string(entry), `"canonicalizedBody":"`, `"canonicalizedBody":"AAAA`, 1))
		w.attach(img, own.with(spoilt, spoilt), signPredicate)
		w.attach(img, own.with(), signPredicate)
		refuse(t, v, img, v1alpha1.ReasonSignatureInvalid)
		w.attach(img, own.with(entry), signPredicate)
		if _, err := v.Verify(t.Context(), img, verify.Subject{}); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// The certificate log's promise is one, however often it
// stands in the certificate, and only that of a log that is trusted counts.
func TestAttack7_Promises(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	strict := strings.Replace(person(me, ""), `"insecureIgnoreSCT":true,`, "", 1)
	for name, c := range map[string]struct {
		promises sigstore.Promises
		good     bool
	}{
		"none": {sigstore.NoPromise, false}, "one": {sigstore.OnePromise, true}, "twice the same log": {sigstore.TwoPromises, true},
		"of a log that is not trusted": {sigstore.StrangersPromise, false}, "for another certificate": {sigstore.PromiseOfAnother, false},
	} {
		s.Promises = c.promises
		for _, f := range formats() {
			img := w.push("actions/a", name+string(f))
			w.signKeyless(img, ways(s)["first log"], f)
			v := w.demanding(s, strict)
			if !c.good {
				refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, "one by "+me, "signed certificate timestamp")
				continue
			}
			if _, err := v.Verify(t.Context(), img, verify.Subject{}); err != nil {
				t.Errorf("%s, %s: %v", name, f, err)
			}
		}
	}
}
