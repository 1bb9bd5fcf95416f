package image

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/registry"
)

// The pull secrets of a namespace come first, then the controller's own logins;
// both change without a restart.
func TestWhoseLoginIsUsed(t *testing.T) {
	tokens := &registry.Tokens{
		Users:  map[string]string{"team": "secret", "controller": "secret"},
		Rights: map[string][]string{"team": {"team/a"}, "controller": {"team/a", "house/a"}},
	}
	served := registry.New(t, registry.Options{Tokens: tokens})
	tokens.Rights[""] = []string{"team/a", "house/a"}
	users := tokens.Users
	tokens.Users = nil
	team, house := pushed(t, served, "team/a", "a"), pushed(t, served, "house/a", "a")
	tokens.Users = users
	tokens.Revoke()
	delete(tokens.Rights, "")
	var config []byte
	var configErr error
	secrets := map[string][][]byte{"team": {dockerConfig(served.Host(), "team", "secret")}}
	r := New(Options{
		Insecure:    []string{served.Host()},
		Credentials: func(_ context.Context, who verify.Subject) ([][]byte, error) { return secrets[who.Namespace], nil },
		Config:      func() ([]byte, error) { return config, configErr },
	})
	step := func(what, namespace string, img verify.Image, allowed bool) {
		t.Helper()
		err := r.Look(t.Context(), img, verify.Subject{Namespace: namespace})
		if allowed && err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if !allowed {
			wantRefusal(t, err, v1alpha1.ReasonAuthenticationFailed)
		}
	}
	step("pull secret", "team", team, true)
	step("no login", "other", team, false)
	config = dockerConfig(served.Host(), "controller", "secret")
	step("controller's login", "other", team, true)
	step("controller's login", "other", house, true)
	step("the pull secret counts more, and lacks the right", "team", house, false)
	secrets["team"] = nil
	step("pull secret gone, the controller's is used", "team", house, true)
	config = dockerConfig("elsewhere.example.com", "controller", "secret")
	step("controller's login is for another host", "other", team, false)
	configErr = errors.New("the file is gone")
	wantRetry(t, r.Look(t.Context(), team, nobody()), "the file is gone")
	config, configErr = []byte("{"), nil
	wantRetry(t, r.Look(t.Context(), team, nobody()), "the controller's registry logins")
}

func TestScope(t *testing.T) {
	var config string
	secrets := map[string][][]byte{}
	r := New(Options{
		Credentials: func(_ context.Context, who verify.Subject) ([][]byte, error) {
			if who.Namespace == "down" {
				return nil, errors.New("API server gone")
			}
			return secrets[who.Namespace], nil
		},
		Config: func() ([]byte, error) { return []byte(config), nil },
	})
	seen := map[string]string{}
	step := func(what, namespace, same string) {
		t.Helper()
		got, err := r.Scope(t.Context(), verify.Subject{Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		if before, known := seen[got]; known != (same != "") || before != same {
			t.Errorf("%s: like %q, want like %q", what, before, same)
		}
		if strings.Contains(got, "secret") || len(got) != 64 {
			t.Errorf("%s: %q is no hash", what, got)
		}
		if seen[got] == "" {
			seen[got] = what
		}
	}
	step("nothing", "a", "")
	step("nothing elsewhere", "b", "nothing")
	secrets["a"] = [][]byte{[]byte("secret"), []byte("x")}
	step("two secrets", "a", "")
	secrets["b"] = [][]byte{[]byte("secre"), []byte("tx")}
	step("the same bytes, cut elsewhere", "b", "")
	secrets["b"] = secrets["a"]
	step("the same secrets", "b", "two secrets")
	config = "secret"
	step("the controller's login", "c", "")
	step("the controller's login with secrets", "a", "")
	if _, err := r.Scope(t.Context(), verify.Subject{Namespace: "down"}); err == nil {
		t.Error("a scope without having read the secrets")
	}
}

// Digest, list of signatures, content and contract are read with the same login.
func TestOneLoginForAllThatIsRead(t *testing.T) {
	tokens := &registry.Tokens{}
	served := registry.New(t, registry.Options{Tokens: tokens})
	img := pushed(t, served, "actions/a", "a")
	attach(t, New(plain(served)), img, bundleKind, "signed")
	tokens.Users = map[string]string{"puller": "secret"}
	for allowed, documents := range map[bool][][]byte{true: {dockerConfig(served.Host(), "puller", "secret")}, false: {dockerConfig("elsewhere.example.com", "puller", "secret")}} {
		tokens.Revoke()
		r := New(Options{Insecure: []string{served.Host()}, Credentials: func(context.Context, verify.Subject) ([][]byte, error) { return documents, nil }})
		_, tagErr := r.Resolve(t.Context(), img.Repository+":v1", nobody())
		_, fileErr := r.ReadFile(t.Context(), img, ContractPath, nobody())
		_, bundleErr := bundles(t.Context(), r, img)
		for what, err := range map[string]error{"tag": tagErr, "contract": fileErr, "bundle": bundleErr, "look": r.Look(t.Context(), img, nobody())} {
			if allowed != (err == nil) || !allowed && !errors.Is(err, errUnauthorized) && !strings.Contains(err.Error(), "may not be read") {
				t.Errorf("%s with login %t: %v", what, allowed, err)
			}
		}
	}
}
