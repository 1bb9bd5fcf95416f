package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// Each row of the list of attacks that is about what lies beside an image, or
// about who may sign: internal/verify has the variants, and here it is seen that
// the controllers make nothing of the worst of each.

const (
	signed = "https://sigstore.dev/cosign/sign/v1"
	// maxRefusal and maxWait bound what a run that is refused may cost: a hundred
	// signatures are looked at, and most rows bring one.
	maxRefusal, maxWait = 110, 20 * time.Second
)

// closed wants that a run of this image makes nothing, at a bounded cost.
func (s *site) closed(reason, ref string) {
	s.Helper()
	s.served.Reset()
	start := time.Now()
	s.nothing(reason, func() {
		if n, took := s.served.Requests(), time.Since(start); n > maxRefusal || took > maxWait {
			s.Errorf("%d requests in %s", n, took)
		}
		s.served.Hook(nil)
	}, ref)
}

// people has the one policy accept what these identities sign, promised by a log
// of certificates too where strict.
func (s *site) people(identity string, strict bool) {
	s.Helper()
	s.policy(fmt.Sprintf(`[{keyless: {trustRootRef: root, insecureIgnoreSCT: %t, identities: [%s]}, ctlog: {trustRootRef: root}}]`, !strict, identity))
}

// bundle is a statement about an image that can be taken apart.
type bundle map[string]any

func (s *site) bundle(of verify.Image, by *sign.Signer, predicate string) bundle {
	s.Helper()
	data, err := sign.Bundle(s.Context(), of, sign.Claim{Type: predicate, Predicate: struct{}{}}, by)
	b := bundle{}
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err != nil {
		s.Fatal(err)
	}
	return b
}

func (b bundle) material() map[string]any { return b["verificationMaterial"].(map[string]any) }

// attach stores any bundle beside an image, as its signature.
func (s *site) attach(img verify.Image, b bundle) verify.Image {
	s.Helper()
	data, err := json.Marshal(b)
	if err != nil {
		s.Fatal(err)
	}
	at, err := name.NewDigest(img.String())
	if err == nil {
		err = ociremote.WriteAttestationNewBundleFormat(at, data, signed)
	}
	if err != nil {
		s.Fatal(err)
	}
	return img
}

// keyless is a site where one person is trusted, and one image.
func keyless(t *testing.T) (*site, *sigstore.Services, verify.Image) {
	t.Helper()
	s, services := newSite(t, registry.Options{}), sigstore.New(t)
	s.vouched(services)
	s.identified()
	return s, services, s.push("a", document)
}

func TestAttack1_BundlesThatAreNone(t *testing.T) {
	s, services, img := keyless(t)
	for _, wrong := range []any{7, nil, "x", []any{}, map[string]any{"tlogEntries": []any{map[string]any{"canonicalizedBody": 7}}}, map[string]any{"tlogEntries": []any{nil}, "publicKey": map[string]any{}}} {
		b := s.bundle(img, s.person(me, services), signed)
		b["verificationMaterial"] = wrong
		s.attach(img, b)
	}
	b := s.bundle(img, s.person(me, services), signed)
	b["dsseEnvelope"].(map[string]any)["signatures"] = []any{nil}
	s.closed(v1alpha1.ReasonSignatureInvalid, s.attach(img, b).String())
}

func TestAttack2_IntermediateThatEnded(t *testing.T) {
	s, services, img := keyless(t)
	services.Intermediate(t, time.Now().Add(-time.Hour), time.Now().Add(-time.Second))
	s.vouched(services)
	s.closed(v1alpha1.ReasonSignatureInvalid, s.signAs(img, services).String())
}

func TestAttack3_EntryOfAnotherSignature(t *testing.T) {
	s, services, img := keyless(t)
	own, other := s.bundle(img, s.person(me, services), signed), s.bundle(s.push("b", document), s.person(me, services), signed)
	own.material()["tlogEntries"] = other.material()["tlogEntries"]
	s.closed(v1alpha1.ReasonSignatureInvalid, s.attach(img, own).String())
}

func TestAttack4_CertificateInPlaceOfTheKey(t *testing.T) {
	s, services, img := keyless(t)
	s.trust(s.key)
	own, other := s.bundle(img, s.key, signed), s.bundle(img, s.person("eve@example.com", services), signed)
	own["verificationMaterial"] = other["verificationMaterial"]
	s.closed(v1alpha1.ReasonSignatureInvalid, s.attach(s.attach(img, own), other).String())
}

func TestAttack5_BillOfMaterialsAlone(t *testing.T) {
	s, _, img := keyless(t)
	s.trust(s.key)
	s.closed(v1alpha1.ReasonImageUnsigned, s.attach(img, s.bundle(img, s.key, "https://spdx.dev/Document")).String())
}

func TestAttack6_SignatureThatWasCopied(t *testing.T) {
	s, _, img := keyless(t)
	s.trust(s.key)
	s.closed(v1alpha1.ReasonSignatureInvalid, s.attach(img, s.bundle(s.push("b", document), s.key, signed)).String())
}

// The good case is here too: a promise of the log that the TrustRoot names.
func TestAttack7_PromiseOfALogThatNobodyKnows(t *testing.T) {
	s, services, img := keyless(t)
	s.people(`{issuer: "`+sigstore.Issuer+`", subject: "`+me+`"}`, true)
	services.Promises = sigstore.OnePromise
	s.start("promised", s.signAs(img, services).String())
	s.settle()
	if jobs := s.jobs(); len(jobs) != 1 {
		_, message := s.ready("promised")
		t.Fatalf("Jobs %v: %s", jobs, message)
	}
	s.made = nil
	services.Promises = sigstore.StrangersPromise
	s.closed(v1alpha1.ReasonSignatureInvalid, s.signAs(s.push("b", document), services).String())
}

// Both would take more memory than the controller has, as often as it is tried.
func TestAttack8_WhatSwells(t *testing.T) {
	s, services, img := keyless(t)
	b := s.bundle(img, s.person(me, services), signed)
	b.material()["tlogEntries"] = make([]struct{}, 2<<20)
	s.attach(img, b)
	s.served.Hook(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".sig") {
			return false
		}
		w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
		fmt.Fprint(w, `{"layers":[`, strings.Repeat("{},", 1<<20), `{}]}`)
		return true
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.closed(v1alpha1.ReasonSignatureInvalid, img.String())
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
}

func TestAttack9_ChainOfAThousand(t *testing.T) {
	s, services, img := keyless(t)
	b := s.bundle(img, s.person("eve@example.com", services), signed)
	chain := []any{b.material()["certificate"]}
	delete(b.material(), "certificate")
	for range 1000 {
		chain = append(chain, map[string]any{"rawBytes": base64.StdEncoding.EncodeToString(services.Chain()[0].Raw)})
	}
	b.material()["x509CertificateChain"] = map[string]any{"certificates": chain}
	b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	s.closed(v1alpha1.ReasonSignatureInvalid, s.attach(img, b).String())
}

func TestAttack14_NamesThatLookAlike(t *testing.T) {
	for identity, signers := range map[string][]string{
		`{issuer: "` + sigstore.Issuer + `", subject: "release@example.com"}`:              {"release@example.com.evil.test", "xrelease@example.com", "Release@example.com", "release@example.com "},
		`{issuer: "` + sigstore.Issuer + `", subjectRegExp: ".*@example[.]com"}`:           {"release@example.com.evil.test", "release@examplexcom", "eve@evil.test\nrelease@example.com\n"},
		`{issuerRegExp: "https://accounts[.]example", subject: "release@example.com"}`:     {"release@example.com"},
		`{issuer: "` + sigstore.Issuer + `.evil.test", subject: "release@example.com"}`:    {"release@example.com"},
		`{issuerRegExp: ".*", subjectRegExp: "release@example[.]com|admin@example[.]com"}`: {"release@example.com.evil.test", "xadmin@example.com"},
	} {
		s, services, img := keyless(t)
		s.people(identity, false)
		for _, email := range signers {
			s.attach(img, s.bundle(img, s.person(email, services), signed))
		}
		s.closed(v1alpha1.ReasonSignatureInvalid, img.String())
	}
}

func TestAttack24_TimestampAfterTheEnd(t *testing.T) {
	s, services, img := keyless(t)
	services.Intermediate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	s.vouched(services)
	services.Issued, services.Entered = 30*time.Minute, 30*time.Minute
	who, err := sign.Keyless(sigstore.Token(me), sign.Services{Fulcio: services.Fulcio, Rekor: services.Rekor, RekorVersion: 1, Timestamp: services.Timestamp})
	if err != nil {
		t.Fatal(err)
	}
	s.closed(v1alpha1.ReasonSignatureInvalid, s.attach(img, s.bundle(img, who, signed)).String())
}

// A second spelling of a registry is no way past the policy for the first.
func TestAttack19_AnotherSpelling(t *testing.T) {
	s, _, img := keyless(t)
	s.object(`{apiVersion: policy.sigstore.dev/v1beta1, kind: ClusterImagePolicy, metadata: {name: lax}, spec: {images: [{glob: "*/lax/**"}], authorities: [{static: {action: pass}}]}}`)
	s.remove(s.policy("[]"))
	_, port, _ := strings.Cut(s.served.Host(), ":")
	for i, host := range []string{"127.1:" + port, "127.0.0.1.:" + port, "0x7f000001:" + port, "127.0.0.1:0" + port, "[::ffff:127.0.0.1]:" + port, "LOCALHOST:" + port, "127.0.0.1:" + port + "/lax/.."} {
		ref := host + "/lax/a@" + img.Digest
		s.start(fmt.Sprintf("bad%d", i), ref)
		s.settle()
		if reason, message := s.ready(fmt.Sprintf("bad%d", i)); reason != v1alpha1.ReasonInvalid || len(s.made) > 0 || reason == "" || reason == v1alpha1.ReasonRegistryUnavailable {
			t.Errorf("%s: made %v, told %s: %s", ref, s.made, reason, message)
		}
	}
	s.closed(v1alpha1.ReasonNoMatchingPolicy, img.String())
}

func TestAttack21_PagesOfStrangers(t *testing.T) {
	s, _, img := keyless(t)
	s.trust(s.key)
	page := 0
	s.served.Hook(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		page++
		w.Header().Set("Content-Type", string(types.OCIImageIndex))
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=%d>; rel="next"`, r.URL.Path, page))
		entry := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%064d","size":1,"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`, page)
		fmt.Fprint(w, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[`, strings.Repeat(entry+",", 99), entry, `]}`)
		return true
	})
	s.closed(v1alpha1.ReasonSignatureInvalid, img.String())
}

// unusable wants that a policy with these authorities closes what it names, and
// that nothing is asked for it.
func unusable(t *testing.T, policies map[string]string) {
	t.Helper()
	for name, authorities := range policies {
		t.Run(name, func(t *testing.T) {
			s, services, img := keyless(t)
			s.signAs(img, services)
			s.policy(authorities)
			s.restart()
			s.served.Hook(func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/referrers/") {
					t.Errorf("%s %s was asked", r.Method, r.URL.Path)
				}
				return false
			})
			s.closed(v1alpha1.ReasonPolicyUnusable, img.String())
		})
	}
}

func TestAttack17_RulesThatReachOut(t *testing.T) {
	attested := func(rule string) string {
		return fmt.Sprintf(`[{key: {data: %q}, attestations: [{name: a, predicateType: spdx, policy: %s}]}]`, public(t, newKey(t)), rule)
	}
	unusable(t, map[string]string{
		"one that asks":   attested(`{type: rego, data: "package sigstore\nisCompliant { http.send({\"method\": \"get\", \"url\": \"http://169.254.169.254\"}) }"}`),
		"one that reads":  attested(`{type: cue, data: "import \"tool/file\"\na: file.Read"}`),
		"one on a server": attested(`{type: cue, remote: {url: "http://169.254.169.254/"}}`),
	})
}

func TestAttack26_ExpressionsThatBurst(t *testing.T) {
	identity := func(expression string) string {
		return `[{keyless: {trustRootRef: root, identities: [{issuer: i, subjectRegExp: "` + expression + `"}]}}]`
	}
	unusable(t, map[string]string{"long": identity(strings.Repeat("(a*)*", 1000)), "repeated": identity("((a{1000}){1000}){1000}")})
}

func TestAttack27_KeysThatAreAddresses(t *testing.T) {
	unusable(t, map[string]string{
		"in a cluster": `[{key: {data: "k8s://kube-system/key"}}]`, "in a file": `[{key: {data: "file:///etc/kubernetes/pki/ca.crt"}}]`,
		"on a server": `[{key: {kms: "http://169.254.169.254/key"}}]`,
	})
}
