package image

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/registry"
)

func nobody() verify.Subject { return verify.Subject{} }

// plain reads a registry of a test, which speaks plain HTTP.
func plain(served *registry.Registry) Options { return Options{Insecure: []string{served.Host()}} }

// pushed builds and pushes; the digest depends on content.
func pushed(t testing.TB, served *registry.Registry, repository, content string) verify.Image {
	t.Helper()
	img, err := Build(Spec{Files: []File{{Path: "/action", Content: []byte(content)}}, Contract: []byte("kind: ActionContract\n")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := New(plain(served)).Push(context.Background(), served.Image(repository)+":v1", img)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantRefusal(t testing.TB, err error, reason run.Reason, texts ...string) {
	t.Helper()
	refusal, ok := run.AsRefusal(err)
	if !ok {
		t.Fatalf("error is %v, want a refusal", err)
	}
	if refusal.Reason != reason {
		t.Errorf("reason is %s, want %s: %v", refusal.Reason, reason, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("message lacks %q: %v", text, err)
		}
	}
}

func wantRetry(t testing.TB, err error, texts ...string) {
	t.Helper()
	var refusal *run.Refusal
	if err == nil || errors.As(err, &refusal) {
		t.Fatalf("error is %v, want one that is worth a retry", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("message lacks %q: %v", text, err)
		}
	}
}

func TestResolve(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	for _, ref := range []string{
		served.Image("actions/a") + ":v1", img.String(), served.Image("actions/a") + ":other@" + img.Digest,
	} {
		got, err := New(plain(served)).Resolve(context.Background(), ref, nobody())
		if err != nil || got != img {
			t.Errorf("%s resolves to %v, error %v; want %v", ref, got, err, img)
		}
	}
}

func TestResolveAsksOnce(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	r := New(plain(served))
	for i, ref := range []string{img.Repository + ":v1", img.Repository + ":v1", img.String()} {
		want := 1
		if ref == img.String() {
			want = 0 // a digest says all
		}
		served.Reset()
		if _, err := r.Resolve(context.Background(), ref, nobody()); err != nil {
			t.Fatal(err)
		}
		if n := served.Requests(); n != want {
			t.Errorf("call %d sent %d requests, want %d: %v", i+1, n, want, served.Log())
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	absent := "sha256:" + strings.Repeat("0", 64)
	for ref, reason := range map[string]run.Reason{
		img.Repository + ":v2":                        v1alpha1.ReasonImageNotFound,
		served.Image("actions/b") + ":v1":             v1alpha1.ReasonImageNotFound,
		img.Repository + "@sha256:0":                  v1alpha1.ReasonInvalid,
		"":                                            v1alpha1.ReasonInvalid,
		"registry.example.com/A:v1":                   v1alpha1.ReasonInvalid,
		"Registry.example.com/a:v1":                   v1alpha1.ReasonInvalid,
		"registry.example.com./a:v1":                  v1alpha1.ReasonInvalid,
		"registry.example.com:443/a:v1":               v1alpha1.ReasonInvalid,
		"registry.example.com:80/a:v1":                v1alpha1.ReasonInvalid,
		"registry.example.com/a@sha512:" + absent[7:]: v1alpha1.ReasonInvalid,
	} {
		_, err := New(plain(served)).Resolve(context.Background(), ref, nobody())
		wantRefusal(t, err, reason, strings.TrimSuffix(ref, ":v1"))
	}
}

func TestLook(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	r := New(plain(served))
	if err := r.Look(context.Background(), img, nobody()); err != nil {
		t.Error(err)
	}
	img.Digest = "sha256:" + strings.Repeat("0", 64)
	wantRefusal(t, r.Look(context.Background(), img, nobody()), v1alpha1.ReasonImageNotFound, img.String())
	served.Down(500)
	wantRetry(t, r.Look(context.Background(), img, nobody()), img.String())
}

func TestResolveOutage(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	ref := img.Repository + ":v1"
	r := New(plain(served))
	for _, status := range []int{registry.HangUp, 429, 500, 503} {
		served.Down(status)
		_, err := r.Resolve(context.Background(), ref, nobody())
		wantRetry(t, err, ref)
	}
	served.Down(registry.Up)
	if _, err := r.Resolve(context.Background(), ref, nobody()); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	served.Hook(func(_ http.ResponseWriter, req *http.Request) bool {
		<-req.Context().Done()
		return true
	})
	_, err := New(Options{Insecure: []string{served.Host()}, Timeout: 20 * time.Millisecond}).Resolve(context.Background(), ref, nobody())
	wantRetry(t, err, ref)
}

// Some registries answer HEAD without the digest, or not at all.
func TestResolveWithoutHead(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	for _, status := range []int{http.StatusMethodNotAllowed, http.StatusOK} {
		served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodHead {
				w.WriteHeader(status)
			}
			return req.Method == http.MethodHead
		})
		got, err := New(plain(served)).Resolve(context.Background(), img.Repository+":v1", nobody())
		if err != nil || got != img {
			t.Errorf("status %d: resolves to %v, error %v", status, got, err)
		}
	}
}

// protect makes the registry want a user and remembers what it was shown.
func protect(served *registry.Registry, user, password string) *[]string {
	var seen []string
	served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
		u, p, _ := req.BasicAuth()
		seen = append(seen, u)
		if u == user && p == password {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	return &seen
}

func dockerConfig(host, user, password string) []byte {
	return fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

func TestPullSecrets(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	protect(served, "puller", "secret")
	secrets := map[string][][]byte{
		"good":    {dockerConfig("registry.example.com", "x", "y"), dockerConfig(served.Host(), "puller", "secret")},
		"wrong":   {dockerConfig(served.Host(), "puller", "guess")},
		"foreign": {dockerConfig("registry.example.com", "puller", "secret")},
		"none":    nil,
		"broken":  {[]byte("{")},
	}
	r := New(Options{Insecure: []string{served.Host()}, Credentials: func(_ context.Context, who verify.Subject) ([][]byte, error) {
		if who.Namespace == "down" {
			return nil, errors.New("API server gone")
		}
		return secrets[who.Namespace], nil
	}})
	// The good one first: nobody after it may profit from its session.
	resolve := func(namespace string) error {
		return r.Look(context.Background(), img, verify.Subject{Namespace: namespace})
	}
	if err := resolve("good"); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"wrong", "foreign", "none"} {
		wantRefusal(t, resolve(namespace), v1alpha1.ReasonAuthenticationFailed, img.String(), "pull secret")
	}
	wantRetry(t, resolve("broken"), "broken")
	wantRetry(t, resolve("down"), "API server gone")
	secrets["none"] = secrets["good"]
	if err := resolve("none"); err != nil {
		t.Errorf("a new pull secret was not used: %v", err)
	}
}

// Another registry must not see the credentials of this one.
func TestCredentialsStayAtHome(t *testing.T) {
	home, thief := registry.New(t, registry.Options{}), registry.New(t, registry.Options{})
	seen := protect(thief, "nobody", "nothing")
	r := New(Options{Insecure: []string{home.Host(), thief.Host()}, Credentials: func(context.Context, verify.Subject) ([][]byte, error) {
		return [][]byte{dockerConfig(home.Host(), "puller", "secret")}, nil
	}})
	_, err := r.Resolve(context.Background(), thief.Image("actions/a")+":v1", nobody())
	wantRefusal(t, err, v1alpha1.ReasonAuthenticationFailed)
	for _, user := range *seen {
		if user != "" {
			t.Errorf("user %q was told to a stranger", user)
		}
	}
}

func TestAttack8_HugeManifest(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/manifests/") {
			return false
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		for range maxManifest/1024 + 2 {
			fmt.Fprint(w, strings.Repeat(" ", 1024))
		}
		return true
	})
	_, err := New(plain(served)).ReadFile(context.Background(), img, ContractPath, nobody())
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("error is %v", err)
	}
}

func TestPushTwiceWritesOnce(t *testing.T) {
	served := registry.New(t, registry.Options{})
	first := pushed(t, served, "actions/a", "a")
	served.Reset()
	if again := pushed(t, served, "actions/a", "a"); again != first {
		t.Errorf("pushed %v, then %v", first, again)
	}
	for _, line := range served.Log() {
		if !strings.HasPrefix(line, "GET ") && !strings.HasPrefix(line, "HEAD ") {
			t.Errorf("second push sent %s", line)
		}
	}
	served.Down(500)
	img, err := Build(Spec{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(plain(served)).Push(context.Background(), served.Image("actions/b")+":v1", img)
	wantRetry(t, err, "actions/b:v1")
	_, err = New(plain(served)).Push(context.Background(), "A B", img)
	wantRefusal(t, err, v1alpha1.ReasonInvalid)
}

// Who begins at the same time with the same credentials has one session, or
// what they announce would not come together.
func TestSessionsAreShared(t *testing.T) {
	for range 50 {
		r := New(Options{})
		var all sync.WaitGroup
		opened := make([]*session, 8)
		for i := range opened {
			all.Go(func() {
				s, err := r.session(context.Background(), nobody(), nil)
				if err != nil {
					t.Error(err)
				}
				opened[i] = s
			})
		}
		all.Wait()
		for _, s := range opened {
			if s != opened[0] {
				t.Fatal("two sessions were opened for one set of credentials")
			}
		}
	}
}
