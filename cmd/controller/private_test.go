package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

// alone is a keychain with one login for everything.
type alone authn.AuthConfig

func (a alone) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig(a)), nil
}

// pullsAs gives the default account of a namespace one login.
func (s *site) pullsAs(namespace, user string) {
	s.Helper()
	config, err := json.Marshal(map[string]any{"auths": map[string]any{s.served.Host(): map[string]string{"username": user, "password": user}}})
	if err != nil {
		s.Fatal(err)
	}
	at := metav1.ObjectMeta{Namespace: namespace, Name: "login"}
	s.apply(&corev1.Secret{ObjectMeta: at, Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: config}})
	at.Name = "default"
	s.apply(&corev1.ServiceAccount{ObjectMeta: at, ImagePullSecrets: []corev1.LocalObjectReference{{Name: "login"}}})
}

// What is remembered for one set of pull credentials is no answer for another,
// and is one for the same credentials wherever they lie.
func TestPullRightsAreNotLent(t *testing.T) {
	s := newSite(t, registry.Options{Tokens: &registry.Tokens{
		Users: map[string]string{"alice": "alice", "bob": "bob"}, Rights: map[string][]string{"alice": {"actions/a"}},
	}})
	s.trust(s.key)
	s.reader = image.New(image.Options{Insecure: []string{s.served.Host()}, Keychain: alone{Username: "alice", Password: "alice"}})
	img := s.sign(s.push("a", document), policy.Bundle)
	s.restart()
	s.pullsAs("ops", "alice")
	s.pullsAs("same", "alice")
	s.pullsAs("other", "bob")
	runs := func(name string, wanted bool) (requests int) {
		t.Helper()
		s.served.Reset()
		s.start(name, img.String())
		s.settle()
		at := placed(name)
		if got := slices.Contains(s.jobs(), at.Name+"-a "+img.String()); got != wanted {
			_, message := s.ready(name)
			t.Errorf("%s runs: %t, want %t: %s", name, got, wanted, message)
		}
		if reason, _ := s.ready(name); !wanted && reason != v1alpha1.ReasonAuthenticationFailed {
			t.Errorf("%s is told %s", name, reason)
		}
		return s.served.Requests()
	}
	runs("ops/one", true)
	if n := runs("same/two", true); n > 0 {
		t.Errorf("with the same credentials %d requests: %v", n, s.served.Log())
	}
	runs("other/three", false)
	runs("nobody/four", false)
	s.pullsAs("ops", "bob")
	runs("ops/five", false)
	s.pullsAs("ops", "alice")
	if n := runs("ops/six", true); n > 0 {
		t.Errorf("with the old credentials %d requests: %v", n, s.served.Log())
	}
}

// A policy can name the Secrets that signatures are read with. They are those of
// the run's namespace, and without them nobody knows what the policy demands.
func TestSignaturesUnderALoginOfTheirOwn(t *testing.T) {
	tokens := &registry.Tokens{}
	s := newSite(t, registry.Options{})
	store := registry.New(t, registry.Options{Tokens: tokens})
	s.reader = image.New(image.Options{Insecure: []string{s.served.Host(), store.Host()}})
	img := s.push("a", document)
	kept, err := s.reader.Push(s.Context(), store.Image("signatures")+":v1", s.build("a", document))
	if err != nil {
		t.Fatal(err)
	}
	s.sign(kept, policy.Bundle)
	tokens.Users = map[string]string{"robot": "robot"}
	tokens.Revoke()
	s.others = []string{store.Host()}
	s.restart()
	s.policy(fmt.Sprintf(`[{key: {data: %q}, source: [{oci: %q, signaturePullSecrets: [{name: signatures}]}]}]`, public(t, s.key), store.Image("signatures")))
	config := fmt.Sprintf(`{"auths":{%q:{"username":"robot","password":"robot"}}}`, store.Host())
	s.apply(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "signatures"}, Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(config)}})
	s.start("ops/one", img.String())
	s.start("other/two", img.String())
	s.settle()
	if jobs := s.jobs(); !slices.Equal(jobs, []string{"one-a " + img.String()}) {
		_, message := s.ready("ops/one")
		t.Errorf("Jobs %v: %s", jobs, message)
	}
	if reason, message := s.ready("other/two"); reason != v1alpha1.ReasonPolicyUnusable || !strings.Contains(message, `Secret "signatures" of namespace "other"`) {
		t.Errorf("without the Secret: %s: %s", reason, message)
	}
}

// All images of a run are announced before the first is read, so that one token
// is enough for them; and a second run asks for nothing.
func TestOneTokenForARun(t *testing.T) {
	s := newSite(t, registry.Options{Tokens: &registry.Tokens{Users: map[string]string{"alice": "alice"}}})
	s.trust(s.key)
	s.reader = image.New(image.Options{Insecure: []string{s.served.Host()}, Keychain: alone{Username: "alice", Password: "alice"}})
	var refs []string
	for i := range 10 {
		refs = append(refs, s.sign(s.push(fmt.Sprintf("a%d", i), document), policy.Bundle).String())
	}
	s.restart()
	s.pullsAs("ops", "alice")
	for _, c := range []struct {
		run              string
		tokens, requests int
	}{{"one", 1, 2 + 10*6}, {"two", 0, 0}} {
		s.served.Reset()
		s.start(c.run, refs...)
		s.settle()
		if n := strings.Count(strings.Join(s.served.Log(), "\n"), "/token"); n != c.tokens || s.served.Requests() > c.requests {
			t.Errorf("run %s: %d tokens and %d requests, want %d and at most %d", c.run, n, s.served.Requests(), c.tokens, c.requests)
		}
		if jobs := s.jobs(); !slices.Contains(jobs, c.run+"-a "+refs[0]) {
			_, message := s.ready(c.run)
			t.Errorf("Jobs %v: %s", jobs, message)
		}
	}
}
