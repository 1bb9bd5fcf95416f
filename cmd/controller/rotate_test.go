package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

// object applies a manifest.
func (s *site) object(text string) *unstructured.Unstructured {
	s.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		s.Fatal(err)
	}
	s.apply(o)
	return o
}

// authority is a new certificate authority, as PEM in base64.
func (s *site) authority() string {
	s.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		s.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// root applies a TrustRoot.
func (s *site) root(chain string) *unstructured.Unstructured {
	s.Helper()
	log := fmt.Sprintf("{baseURL: 'https://log.example.com', hashAlgorithm: sha-256, publicKey: %s}", base64.StdEncoding.EncodeToString([]byte(public(s, s.key))))
	return s.object(fmt.Sprintf(`{apiVersion: policy.sigstore.dev/v1alpha1, kind: TrustRoot, metadata: {name: root}, spec: {sigstoreKeys: {
  certificateAuthorities: [{subject: {organization: o, commonName: c}, uri: 'https://ca.example.com', certChain: %s}], tLogs: [%s], ctLogs: [%s]}}}`, chain, log, log))
}

// secret is where the policy of trusted has its key.
func (s *site) secret() *corev1.Secret {
	s.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: installed, Name: "keys"}, Data: map[string][]byte{"cosign.pub": []byte(public(s, s.key))}}
	s.apply(secret)
	return secret
}

// trusted has the one policy accept a key in a Secret.
func (s *site) trusted() {
	s.Helper()
	s.secret()
	s.policy("[{key: {secretRef: {name: keys}}}]")
}

// What is trusted is rotated while a run goes on: the answers that are
// remembered, and the ones on their way, count no more, for the next step of
// that run and for the next run.
func TestAttack23_RotationWhileRunsGoOn(t *testing.T) {
	for name, rotate := range map[string]func(*site){
		"key": func(s *site) { s.key = newKey(s); s.secret() },
		"policy": func(s *site) {
			s.key = newKey(s)
			s.policy(fmt.Sprintf("[{key: {data: %q}}]", public(s, s.key)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trusted()
			img := s.sign(s.push("a", document), policy.Bundle)
			s.start("run", img.String(), img.String())
			s.settle()
			rotate(s)
			s.succeed("run-a")
			s.settle()
			if jobs := s.jobs(); len(jobs) != 1 {
				t.Errorf("Jobs %v: the next step runs by the old key", jobs)
			}
			if reason := s.refusalOf("run-b"); reason != v1alpha1.ReasonSignatureInvalid {
				t.Errorf("the next step is told %s", reason)
			}
			s.start("next", img.String())
			s.settle()
			if reason, message := s.ready("next"); len(s.jobs()) != 1 || reason != v1alpha1.ReasonSignatureInvalid {
				t.Errorf("the next run is told %s: %s", reason, message)
			}
			other := s.sign(s.push("b", document), policy.Bundle)
			s.start("new", other.String())
			s.settle()
			if jobs := s.jobs(); len(jobs) != 2 {
				_, message := s.ready("new")
				t.Errorf("Jobs %v: what the new key signed does not run: %s", jobs, message)
			}
		})
	}
}

// The rotation comes while the registry is asked for the signatures: the answer
// by the old key is worth nothing when it arrives.
func TestAttack23_RotationWhileTheRegistryIsAsked(t *testing.T) {
	for name, rotate := range map[string]func(*site){
		"key":    func(s *site) { s.key = newKey(s); s.secret() },
		"policy": func(s *site) { s.key = newKey(s); s.trust(s.key) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trusted()
			img := s.sign(s.push("a", document), policy.Bundle)
			s.restart()
			var once sync.Once
			s.served.Hook(func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/blobs/") {
					once.Do(func() { rotate(s) })
				}
				return false
			})
			s.nothing(v1alpha1.ReasonSignatureInvalid, func() { s.served.Hook(nil) }, img.String())
		})
	}
}

// A new root makes remembered answers void, also those that did not need it: it
// is part of what all of them were judged by.
func TestAttack23_RotatedRootIsAskedAgain(t *testing.T) {
	s := newSite(t, registry.Options{})
	s.trusted()
	s.root(s.authority())
	s.object(`{apiVersion: policy.sigstore.dev/v1beta1, kind: ClusterImagePolicy, metadata: {name: others}, spec: {images: [{glob: "registry.example.com/**"}],
  authorities: [{keyless: {trustRootRef: root, identities: [{issuer: 'https://issuer.example.com', subject: 'ada@example.com'}]}}]}}`)
	img := s.sign(s.push("a", document), policy.Bundle)
	asked := func(name string) int {
		s.served.Reset()
		s.start(name, img.String())
		s.settle()
		return strings.Count(strings.Join(s.served.Log(), "\n"), "/referrers/")
	}
	if first, second := asked("one"), asked("two"); first != 1 || second != 0 {
		t.Errorf("signatures are looked for %d times, and %d times more", first, second)
	}
	s.root(s.authority())
	if n := asked("three"); n != 1 {
		t.Errorf("with another root signatures are looked for %d times", n)
	}
	if jobs := s.jobs(); len(jobs) != 3 {
		t.Errorf("Jobs %v", jobs)
	}
}

// refusalOf returns the reason of a step's end.
func (s *site) refusalOf(name string) string {
	s.Helper()
	ae := &v1alpha1.ActionExecution{}
	if err := s.api.Get(s.Context(), types.NamespacedName{Namespace: "ops", Name: name}, ae); err != nil {
		s.Fatal(err)
	}
	for _, c := range ae.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Reason
		}
	}
	return ""
}

// The file with the root of trust may be mounted and change, and be away.
func TestAttack23_TheTrustedRootIsReadEachTime(t *testing.T) {
	s := newSite(t, registry.Options{})
	s.policy("[{keyless: {identities: [{issuer: i, subject: s}]}}]")
	file := filepath.Join(t.TempDir(), "trusted_root.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inside := cluster{live: s.api, namespace: installed, trustedRoot: file, memo: &policy.Memo{}}
	if _, err := inside.policies(t.Context()); err == nil {
		t.Error("there is no file, and no error")
	}
	hashes := map[string]bool{}
	for _, text := range []string{`{"a": 1}`, `{"a": 2}`, `{"a": 2}`} {
		write(text)
		set, err := inside.policies(t.Context())
		if err != nil || len(set.Problems()) > 0 {
			t.Fatalf("%s: %v, error %v", text, set.Problems(), err)
		}
		hashes[set.Hash()] = true
	}
	if len(hashes) != 2 {
		t.Errorf("%d hashes of 2 roots", len(hashes))
	}
	write(`{"a": `)
	if _, err := inside.policies(t.Context()); err == nil || !strings.Contains(err.Error(), "holds no JSON") {
		t.Errorf("half a file: error %v", err)
	}
}
