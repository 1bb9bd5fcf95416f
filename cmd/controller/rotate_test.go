package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

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
