package main

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

const me = "release@example.com"

// vouched applies the TrustRoot that names these services.
func (s *site) vouched(by *sigstore.Services) *unstructured.Unstructured {
	s.Helper()
	stamps := by.Root.TimestampingAuthorities()[0].(*root.SigstoreTimestampingAuthority)
	return s.object(fmt.Sprintf(`{apiVersion: policy.sigstore.dev/v1alpha1, kind: TrustRoot, metadata: {name: root}, spec: {sigstoreKeys: {
  certificateAuthorities: [%s], timestampAuthorities: [%s], tLogs: [%s], ctLogs: [%s]}}}`,
		s.chained(by.Chain()), s.chained(append(append([]*x509.Certificate{stamps.Leaf}, stamps.Intermediates...), stamps.Root)), s.logs(by.Root.RekorLogs()), s.logs(by.Root.CTLogs())))
}

func (s *site) chained(chain []*x509.Certificate) string {
	s.Helper()
	text, err := cryptoutils.MarshalCertificatesToPEM(chain)
	if err != nil {
		s.Fatal(err)
	}
	return fmt.Sprintf("{subject: {organization: o, commonName: c}, uri: 'https://authority.test', certChain: %s}", base64.StdEncoding.EncodeToString(text))
}

func (s *site) logs(all map[string]*root.TransparencyLog) string {
	s.Helper()
	var logs []string
	for _, log := range all {
		key, err := cryptoutils.MarshalPublicKeyToPEM(log.PublicKey)
		if err != nil {
			s.Fatal(err)
		}
		logs = append(logs, fmt.Sprintf("{baseURL: %q, hashAlgorithm: sha-256, publicKey: %s}", log.BaseURL, base64.StdEncoding.EncodeToString(key)))
	}
	return strings.Join(logs, ", ")
}

// identified has the one policy accept what one person signs, as the TrustRoot
// vouches for it.
func (s *site) identified() {
	s.Helper()
	s.policy(`[{keyless: {trustRootRef: root, insecureIgnoreSCT: true, identities: [{issuer: "` + sigstore.Issuer + `", subject: "` + me + `"}]}, ctlog: {trustRootRef: root}}]`)
}

// signAs signs an image by identity at these services.
func (s *site) signAs(img verify.Image, by *sigstore.Services) verify.Image {
	s.Helper()
	if err := sign.Sign(s.Context(), s.reader, img, s.person(me, by), policy.Bundle); err != nil {
		s.Fatal(err)
	}
	return img
}

// person signs by identity.
func (s *site) person(email string, by *sigstore.Services) *sign.Signer {
	s.Helper()
	who, err := sign.Keyless(sigstore.Token(email), sign.Services{Fulcio: by.Fulcio, Rekor: by.Rekor, RekorVersion: 1})
	if err != nil {
		s.Fatal(err)
	}
	return who
}

// underWay is a run by identity whose first step is about to end.
func underWay(t *testing.T) (*site, *sigstore.Services) {
	t.Helper()
	s, services := newSite(t, registry.Options{}), sigstore.New(t)
	s.vouched(services)
	s.identified()
	img := s.signAs(s.push("a", document), services)
	s.start("run", img.String(), img.String())
	s.settle()
	if jobs := s.jobs(); len(jobs) != 1 {
		_, message := s.ready("run")
		t.Fatalf("Jobs %v: %s", jobs, message)
	}
	return s, services
}

// A TrustRoot that is deleted vouches for nothing more, not even for what was
// verified a moment ago.
func TestAttack18_TrustRootDeleted(t *testing.T) {
	s, services := underWay(t)
	trusted := s.vouched(services)
	s.remove(trusted)
	s.succeed("run-a")
	s.settle()
	if jobs := s.jobs(); len(jobs) != 1 || s.refusalOf("run-b") != v1alpha1.ReasonPolicyUnusable {
		t.Errorf("Jobs %v, the next step is told %s", jobs, s.refusalOf("run-b"))
	}
	s.made = nil
	s.nothing(v1alpha1.ReasonPolicyUnusable, func() {}, s.signAs(s.push("b", document), services).String())
}

// A root that is rotated while a run goes on counts for its next step: what the
// old services signed does not run, what the new ones sign does.
func TestAttack23_RootRotatedWhileRunsGoOn(t *testing.T) {
	s, old := underWay(t)
	services := sigstore.New(t)
	s.vouched(services)
	s.succeed("run-a")
	s.settle()
	if jobs := s.jobs(); len(jobs) != 1 || s.refusalOf("run-b") != v1alpha1.ReasonSignatureInvalid {
		t.Errorf("Jobs %v, the next step is told %s", jobs, s.refusalOf("run-b"))
	}
	s.start("old", s.signAs(s.push("b", document), old).String())
	s.start("new", s.signAs(s.push("c", document), services).String())
	s.settle()
	if reason, message := s.ready("old"); reason != v1alpha1.ReasonSignatureInvalid {
		t.Errorf("what the old services signed is told %s: %s", reason, message)
	}
	if jobs := s.jobs(); len(jobs) != 2 || !strings.HasPrefix(jobs[0]+jobs[1], "new-a ") && !strings.HasPrefix(jobs[1], "new-a ") {
		_, message := s.ready("new")
		t.Errorf("Jobs %v, want one of what the new services signed: %s", jobs, message)
	}
}

// A policy that only warns neither keeps from running what another one lets run,
// nor lets run what no other one does.
func TestAttack18_PoliciesThatWarn(t *testing.T) {
	s := newSite(t, registry.Options{})
	s.trust(s.key)
	warns := func(name, key string) {
		s.object(fmt.Sprintf(`{apiVersion: policy.sigstore.dev/v1beta1, kind: ClusterImagePolicy, metadata: {name: %s},
  spec: {mode: warn, images: [{glob: "**"}], authorities: [{key: {data: %q}}]}}`, name, key))
	}
	warns("stranger", public(t, newKey(t)))
	s.start("guarded", s.sign(s.push("a", document), policy.Bundle).String())
	s.settle()
	if jobs := s.jobs(); len(jobs) != 1 {
		_, message := s.ready("guarded")
		t.Errorf("Jobs %v: %s", jobs, message)
	}
	warns("friend", public(t, s.key))
	s.remove(s.policy("[]"))
	s.made = nil
	s.nothing(v1alpha1.ReasonSignatureInvalid, func() {}, s.sign(s.push("b", document), policy.Bundle).String())
}
