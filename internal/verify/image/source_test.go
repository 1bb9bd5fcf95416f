package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

// guardedSource keeps an image in one registry and its signatures in another one, which
// gives tokens to who knows a password.
type guardedSource struct {
	*world
	store    *registry.Registry
	tokens   *registry.Tokens
	img      verify.Image
	verifier *Verifier
	// secrets are the logins of namespace ops; unread is what reading them meets.
	secrets map[string][]byte
	unread  error
	reads   []string
}

func newGuardedSource(t *testing.T, f policy.Format) *guardedSource {
	t.Helper()
	tokens := &registry.Tokens{}
	g := &guardedSource{
		world: newWorld(t, registry.Options{}), store: registry.New(t, registry.Options{Tokens: tokens}), tokens: tokens, secrets: map[string][]byte{},
	}
	kept := &world{T: t, served: g.store, reader: plain(g.store)}
	kept.sign(kept.push("signatures", "a"), g.trusted, f)
	g.img = g.push("actions/a", "a")
	tokens.Users = map[string]string{"robot": "secret"}
	tokens.Revoke()
	g.served.Reset()
	g.store.Reset()
	g.verifier = New(fixed(sourced(t, object(t, "kept", "**", g.trusted), g.store.Image("signatures"), "first", "second")), images.New(images.Options{
		Insecure: []string{g.served.Host(), g.store.Host()}, Secret: g.secret,
		// The account's own logins are for neither.
		Credentials: func(context.Context, verify.Subject) ([][]byte, error) { return [][]byte{g.login("account")}, nil },
	}))
	return g
}

func (g *guardedSource) secret(_ context.Context, namespace, name string) ([]byte, error) {
	g.reads = append(g.reads, namespace+"/"+name)
	text, found := g.secrets[name]
	if namespace != "ops" || !found {
		return nil, run.Refuse(v1alpha1.ReasonPolicyUnusable, "it is not there")
	}
	return text, g.unread
}

// login is one for both registries.
func (g *guardedSource) login(user string) []byte {
	one := map[string]string{"username": user, "password": "secret"}
	text, err := json.Marshal(map[string]any{"auths": map[string]any{g.served.Host(): one, g.store.Host(): one}})
	if err != nil {
		g.Fatal(err)
	}
	return text
}

// sourced says for each authority where signatures are and how they are read.
func sourced(t testing.TB, object []byte, repository string, secrets ...string) []byte {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(object, &o); err != nil {
		t.Fatal(err)
	}
	var named []any
	for _, s := range secrets {
		named = append(named, map[string]any{"name": s})
	}
	for _, a := range o["spec"].(map[string]any)["authorities"].([]any) {
		a.(map[string]any)["source"] = []any{map[string]any{"oci": repository, "signaturePullSecrets": named}}
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The logins that a policy names open the repository of its signatures, instead
// of the account's, and are shown nowhere else.
func TestPullSecretsOfASource(t *testing.T) {
	ops := verify.Subject{Namespace: "ops"}
	for _, f := range formats() {
		g := newGuardedSource(t, f)
		g.secrets["first"], g.secrets["second"] = []byte(`{"auths":{}}`), g.login("robot")
		got, err := g.verifier.Verify(t.Context(), g.img, ops)
		if err != nil || got.Format != string(f) {
			t.Errorf("%s: %+v, error %v", f, got, err)
		}
		if shown := slices.Compact(g.served.Shown()); len(shown) > 0 && !slices.Equal(shown, []string{""}) {
			t.Errorf("the image's registry was shown %q", shown)
		}
		if shown := strings.Join(g.store.Shown(), "\n"); !strings.Contains(shown, "Bearer token-1-robot") {
			t.Errorf("the registry of signatures was shown %q", shown)
		}
		if reads := slices.Compact(slices.Sorted(slices.Values(g.reads))); !slices.Equal(reads, []string{"ops/first", "ops/second"}) {
			t.Errorf("read %q", reads)
		}
		g.secrets["second"] = g.login("somebody")
		_, err = g.verifier.Verify(t.Context(), g.img, ops)
		if refusal, ok := run.AsRefusal(err); !ok || refusal.Reason != v1alpha1.ReasonAuthenticationFailed {
			t.Errorf("%s, with a login that is wrong: %v", f, err)
		}
	}
}

// What a Secret would have opened is not known without it, whoever else signed.
func TestPullSecretsThatCannotBeRead(t *testing.T) {
	g := newGuardedSource(t, policy.Bundle)
	step := func(what, text string) {
		t.Helper()
		_, keyErr := g.verifier.Key(t.Context(), g.img, verify.Subject{Namespace: "ops"})
		_, err := g.verifier.Verify(t.Context(), g.img, verify.Subject{Namespace: "ops"})
		for _, err := range []error{keyErr, err} {
			refusal, refused := run.AsRefusal(err)
			if text == "" && (err == nil || refused) || text != "" && (!refused || refusal.Reason != v1alpha1.ReasonPolicyUnusable) || !strings.Contains(fmt.Sprint(err), text) {
				t.Errorf("%s: %v, want %q", what, err, text)
			}
		}
	}
	g.secrets["first"] = g.login("robot")
	step("one is missing", `"kept" names it and cannot be used: authority authority-0: signaturePullSecrets: read logins from Secret "second" of namespace "ops": it is not there`)
	g.secrets["second"] = []byte("{")
	step("one is no JSON", `Secret "second" of namespace "ops": parse logins`)
	g.secrets["second"] = nil
	step("one has none", `Secret "second" of namespace "ops" holds no login`)
	g.unread = errors.New("API server gone")
	step("nobody answers", "")
	closed := `{"auths":{}}`
	g.secrets["first"], g.secrets["second"], g.unread = []byte(closed), []byte(closed), nil
	v := New(fixed(sourced(t, object(t, "kept", "**", g.trusted), g.store.Image("signatures"), "first")), g.reader)
	refuse(t, v, g.img, v1alpha1.ReasonPolicyUnusable, "no Secret can be read here")
	if n := g.store.Requests(); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// An answer that was had with one login is none for another.
func TestPullSecretsAreInTheKey(t *testing.T) {
	g := newGuardedSource(t, policy.Legacy)
	g.secrets["first"], g.secrets["second"] = g.login("robot"), []byte(`{"auths":{}}`)
	remembered := verify.Cached(g.verifier, verify.CacheOptions{})
	ask := func(want bool) (requests int) {
		t.Helper()
		g.store.Reset()
		if _, err := remembered.Verify(t.Context(), g.img, verify.Subject{Namespace: "ops"}); (err == nil) != want {
			t.Errorf("error %v, want none: %t", err, want)
		}
		return g.store.Requests()
	}
	ask(true)
	if n := ask(true); n > 0 {
		t.Errorf("%d requests with the same login", n)
	}
	g.secrets["first"] = g.login("somebody")
	ask(false)
	delete(g.secrets, "second")
	ask(false)
}
