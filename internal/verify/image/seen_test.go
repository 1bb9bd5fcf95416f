package image

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/internal/verify/rule"
	"github.com/kubernaut/kubernaut/test/registry"
)

// ruled is a verifier with one policy: authorities as JSON, and a rule in Rego
// over all of them.
func (w *world) ruled(text string, authorities ...string) *Verifier {
	w.Helper()
	data, err := json.Marshal("package sigstore\n" + text)
	if err != nil {
		w.Fatal(err)
	}
	object := `{"apiVersion":"policy.sigstore.dev/v1beta1","kind":"ClusterImagePolicy","metadata":{"name":"p"},"spec":{"images":[{"glob":"**"}],` +
		`"policy":{"type":"rego","data":` + string(data) + `},"authorities":[` + strings.Join(authorities, ",") + `]}}`
	set := policy.Compile(policy.Inputs{Policies: [][]byte{[]byte(object)}, Rules: rule.Compile})
	if problems := set.Problems(); len(problems) > 0 {
		w.Fatal(problems)
	}
	return New(func(context.Context) (*policy.Set, error) { return set, nil }, w.reader)
}

// authority trusts a key under a name; more are fields of it.
func authority(t testing.TB, name string, key *sign.Signer, more string) string {
	t.Helper()
	text, err := key.GetPublicKeyPem()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"name":%q,"key":{"data":%q}%s}`, name, text, more)
}

const bothOf = "isCompliant { count(input.authorityMatches) == 2 }"

func TestRuleOverAllAuthorities(t *testing.T) {
	for _, f := range formats() {
		w := newWorld(t, registry.Options{})
		other, third := newSigner(t), newSigner(t)
		v := w.ruled(bothOf, authority(t, "us", w.trusted, ""), authority(t, "them", other, ""), authority(t, "third", third, ""))
		img := w.push("actions/a", "a")
		refuse(t, v, img, v1alpha1.ReasonImageUnsigned, `"p" wants a signature by key `+w.trusted.Fingerprint())
		w.sign(img, w.trusted, f)
		refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, `"p" has a rule over all its authorities, which what they found breaks: isCompliant is undefined`)
		w.sign(img, other, policy.Bundle)
		got, err := v.Verify(t.Context(), img, verify.Subject{})
		if err != nil {
			t.Fatal(err)
		}
		signers := strings.Split(got.Signer, ", ")
		slices.Sort(signers)
		want := []string{"key " + w.trusted.Fingerprint(), "key " + other.Fingerprint()}
		slices.Sort(want)
		if !slices.Equal(signers, want) || got.Authority != "us" && got.Authority != "them" || got.Format == "" {
			t.Errorf("%+v, want signers %q", got, want)
		}
		w.sign(img, third, policy.Legacy)
		refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, "isCompliant is undefined")
	}
}

// A rule can demand that something is not there, so that nothing is decided while
// a part was not read.
func TestRuleOverAllAuthoritiesWaitsForAll(t *testing.T) {
	w := newWorld(t, registry.Options{})
	other := newSigner(t)
	v := w.ruled("isCompliant { not input.authorityMatches.them }", authority(t, "us", w.trusted, ""), authority(t, "them", other, ""))
	img := w.push("actions/a", "a")
	w.sign(img, w.trusted, policy.Bundle)
	if _, err := v.Verify(t.Context(), img, verify.Subject{}); err != nil {
		t.Fatal(err)
	}
	w.served.Hook(func(rw http.ResponseWriter, req *http.Request) bool {
		if !strings.HasSuffix(req.URL.Path, ".sig") {
			return false
		}
		rw.WriteHeader(http.StatusBadGateway)
		return true
	})
	retry(t, v, img)
	w.served.Hook(nil)
	w.sign(img, other, policy.Legacy)
	refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, "isCompliant is undefined")
}

// Of an authority that demands several attestations the rule hears only if all
// are there, and then of each that counts.
func TestRuleOverAttestations(t *testing.T) {
	const slsa = "https://slsa.dev/provenance/v1"
	w := newWorld(t, registry.Options{})
	more := `,"attestations":[{"name":"origin","predicateType":"slsaprovenance1"},{"name":"parts","predicateType":"spdxjson"}]`
	v := w.ruled(`isCompliant { a := input.authorityMatches.built.attestations; a.origin[0].predicateType == "slsaprovenance1"; count(a.parts) == 2; a.parts[0].id != a.parts[1].id }`,
		authority(t, "built", w.trusted, more))
	img := w.push("actions/a", "a")
	attest := func(kind, text string) {
		t.Helper()
		data, err := sign.Bundle(t.Context(), img, sign.Claim{Type: kind, Predicate: map[string]string{"text": text}}, w.trusted)
		if err != nil {
			t.Fatal(err)
		}
		w.attach(img, data, kind)
	}
	attest(spdx, "one")
	refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, `"p" wants attestation origin of type `+slsa)
	attest(slsa, "origin")
	refuse(t, v, img, v1alpha1.ReasonSignatureInvalid, "isCompliant is undefined")
	attest(spdx, "two")
	if _, err := v.Verify(t.Context(), img, verify.Subject{}); err != nil {
		t.Error(err)
	}
}

func TestRuleOverWhatIsFixed(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	pass, fail := `{"name":"open","static":{"action":"pass"}}`, `{"name":"shut","static":{"action":"fail","message":"never"}}`
	got, err := w.ruled("isCompliant { input.authorityMatches.open.static }", pass, fail).Verify(t.Context(), img, verify.Subject{})
	if err != nil || !strings.Contains(got.Signer, "lets it pass unsigned") {
		t.Errorf("%+v, error %v", got, err)
	}
	refuse(t, w.ruled("isCompliant { input.authorityMatches.shut }", pass, fail), img, v1alpha1.ReasonPolicyDenied, "whatever its signatures: isCompliant is undefined")
	refuse(t, w.ruled("isCompliant { true }", fail), img, v1alpha1.ReasonPolicyDenied, "never")
	// A signature is asked for beside, and found.
	w.sign(img, w.trusted, policy.Legacy)
	if got, err = w.ruled(bothOf, pass, authority(t, "us", w.trusted, "")).Verify(t.Context(), img, verify.Subject{}); err != nil || got.Signer != "key "+w.trusted.Fingerprint() {
		t.Errorf("%+v, error %v", got, err)
	}
}
