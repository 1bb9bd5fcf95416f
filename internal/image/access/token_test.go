package access

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/kubernaut/kubernaut/test/registry"
)

// logins is a keychain with one login for each host.
type logins map[string]authn.AuthConfig

func (l logins) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if auth, ok := l[r.RegistryStr()]; ok {
		return authn.FromConfig(auth), nil
	}
	return authn.Anonymous, nil
}

func alice(served *registry.Registry) logins {
	return logins{served.Host(): {Username: "alice", Password: "secret"}}
}

func over(served ...*registry.Registry) *Network {
	var hosts []string
	for _, s := range served {
		hosts = append(hosts, s.Host())
	}
	return NewNetwork(Options{Insecure: hosts})
}

// ask reads a manifest that does not exist: 404 says that one may read.
func ask(t testing.TB, c *Client, served *registry.Registry, repository string) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+served.Host()+"/v2/"+repository+"/manifests/v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: c}).Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

func wantStatus(t testing.TB, c *Client, served *registry.Registry, repository string, want int) {
	t.Helper()
	if got, err := ask(t, c, served, repository); err != nil || got != want {
		t.Errorf("%s: status %d, error %v; want %d", repository, got, err, want)
	}
}

func repositories(t testing.TB, served *registry.Registry, n int) (names []name.Repository) {
	t.Helper()
	for i := range n {
		r, err := name.NewRepository(served.Image(fmt.Sprintf("actions/a%02d", i)))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, r)
	}
	return names
}

// counted returns how many requests were pings, for tokens, and others.
func counted(served *registry.Registry) (pings, tokens, rest int) {
	for _, line := range served.Log() {
		switch {
		case line == "GET /v2/":
			pings++
		case strings.HasPrefix(line, "GET /token"):
			tokens++
		default:
			rest++
		}
	}
	return pings, tokens, rest
}

func TestOneTokenForAllThatIsExpected(t *testing.T) {
	for title, c := range map[string]struct {
		tokens              *registry.Tokens
		auth                bool
		pings, asked, reads int
	}{
		"login":                {&registry.Tokens{Users: map[string]string{"alice": "secret"}}, true, 1, 1, 29},
		"anonymous":            {&registry.Tokens{}, false, 0, 1, 30},
		"only the first scope": {&registry.Tokens{First: true}, true, 1, 29, 30},
		"all or nothing":       {&registry.Tokens{Strict: true, Rights: map[string][]string{"alice": {"actions/a00", "actions/a01"}}}, true, 1, 30, 2},
	} {
		t.Run(title, func(t *testing.T) {
			served := registry.New(t, registry.Options{Tokens: c.tokens})
			keys := logins{}
			if c.auth {
				keys = alice(served)
			}
			client := over(served).Client(keys)
			names := repositories(t, served, 29)
			if err := client.Expect(t.Context(), names...); err != nil {
				t.Fatal(err)
			}
			for _, r := range names {
				_, _ = ask(t, client, served, r.RepositoryStr()) // what is refused is counted as well
			}
			pings, asked, reads := counted(served)
			t.Logf("%d pings, %d tokens, %d reads", pings, asked, reads)
			if pings != c.pings || asked != c.asked || reads != c.reads {
				t.Errorf("%d pings, %d tokens, %d reads; want %d, %d, %d", pings, asked, reads, c.pings, c.asked, c.reads)
			}
		})
	}
}

// A right that is missing costs its repository, and no other.
func TestOneDeniedAmongMany(t *testing.T) {
	tokens := &registry.Tokens{Rights: map[string][]string{"alice": {"actions/a00", "actions/a02"}}}
	served := registry.New(t, registry.Options{Tokens: tokens})
	client := over(served).Client(alice(served))
	if err := client.Expect(t.Context(), repositories(t, served, 3)...); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{404, 401, 404, 401} {
		wantStatus(t, client, served, fmt.Sprintf("actions/a%02d", i%4%3+i/3), want)
	}
}

func TestThoseWhoWaitShareATokenRequest(t *testing.T) {
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{}, Delay: 20 * time.Millisecond})
	client := over(served).Client(alice(served))
	var wait sync.WaitGroup
	for _, r := range repositories(t, served, 20) {
		wait.Go(func() { wantStatus(t, client, served, r.RepositoryStr(), 404) })
	}
	wait.Wait()
	if pings, tokens, _ := counted(served); pings != 1 || tokens > 5 {
		t.Errorf("%d pings and %d tokens for 20 at once", pings, tokens)
	}
}

func TestTokensEnd(t *testing.T) {
	tokens := &registry.Tokens{ExpiresIn: 300}
	served := registry.New(t, registry.Options{Tokens: tokens})
	client := over(served).Client(alice(served))
	names := repositories(t, served, 2)
	if err := client.Expect(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, client, served, "actions/a00", 404)
	l, err := client.login(t.Context(), names[0])
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(l.grants[0].until); left < 4*time.Minute || left > 270*time.Second {
		t.Errorf("a token for 300 s is used for %s", left)
	}
	step := func(what string, tokens, reads int) {
		t.Helper()
		served.Reset()
		wantStatus(t, client, served, "actions/a00", 404)
		if _, gotTokens, gotReads := counted(served); gotTokens != tokens || gotReads != reads {
			t.Errorf("%s: %d tokens and %d reads, want %d and %d", what, gotTokens, gotReads, tokens, reads)
		}
	}
	step("valid", 0, 1)
	l.grants[0].until = time.Now()
	step("at its end", 1, 1)
	tokens.Revoke()
	step("revoked", 1, 2)
	tokens.Users = map[string]string{"alice": "changed"}
	tokens.Revoke()
	if _, err := ask(t, client, served, "actions/a00"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v after the password changed", err)
	}
}

func TestReadToken(t *testing.T) {
	for text, want := range map[string]struct {
		token string
		life  time.Duration
	}{
		`{"token":"a"}`:                          {"a", 54 * time.Second},
		`{"access_token":"a","expires_in":100}`:  {"a", 90 * time.Second},
		`{"token":"a","expires_in":99999999999}`: {"a", 54 * time.Minute},
		`{"token":"a","expires_in":-1}`:          {"a", 54 * time.Second},
		`{"token":"a","access_token":"b"}`:       {"a", 54 * time.Second},
		`{"token":""}`:                           {},
		`{"token":"a b"}`:                        {},
		`{"token":"a\r\nX: y"}`:                  {},
		`[]`:                                     {},
		``:                                       {},
		`{"token":"` + strings.Repeat("a", 64<<10) + `"}`: {},
	} {
		token, life, err := readToken([]byte(text))
		if token != want.token || life != want.life || (err == nil) != (want.token != "") {
			t.Errorf("%.60s: %q for %s, error %v", text, token, life, err)
		}
	}
}

// A refresh token is exchanged by POST, and shown to nobody but the token server.
func TestRefreshToken(t *testing.T) {
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{Service: "shelf"}})
	var form string
	served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPost {
			return false
		}
		form = req.FormValue("grant_type") + " " + req.FormValue("refresh_token") + " " + req.FormValue("service") + " " + req.FormValue("scope")
		fmt.Fprint(w, `{"access_token":"fresh"}`)
		return true
	})
	client := over(served).Client(logins{served.Host(): {IdentityToken: "longlived"}})
	wantStatus(t, client, served, "actions/a", 401)
	if want := "refresh_token longlived shelf repository:actions/a:pull"; form != want {
		t.Errorf("asked with %q, want %q", form, want)
	}
	if shown := served.Shown(); shown[len(shown)-1] != "Bearer fresh" {
		t.Errorf("shown: %q", shown)
	}
}

func TestBasic(t *testing.T) {
	for password, want := range map[string]struct{ status, requests int }{"secret": {404, 2}, "guess": {401, 2}, "": {401, 1}} {
		served := registry.New(t, registry.Options{})
		served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
			if _, p, _ := req.BasicAuth(); p == "secret" {
				return false
			}
			w.Header().Set("WWW-Authenticate", `Negotiate`)
			w.Header().Add("WWW-Authenticate", `Basic realm="shelf"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		})
		keys := logins{}
		if password != "" {
			keys[served.Host()] = authn.AuthConfig{Username: "alice", Password: password}
		}
		client := over(served).Client(keys)
		wantStatus(t, client, served, "actions/a", want.status)
		if n := served.Requests(); n != want.requests {
			t.Errorf("password %q: %d requests, want %d", password, n, want.requests)
		}
	}
}

// A registry may begin to want another login while we know the old one.
func TestTheWayToLogInChanges(t *testing.T) {
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{}})
	tokens := false
	served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
		if !tokens {
			http.NotFound(w, req)
		}
		return !tokens
	})
	client := over(served).Client(alice(served))
	wantStatus(t, client, served, "actions/a", 404)
	tokens = true
	wantStatus(t, client, served, "actions/a", 404)
	if shown := served.Shown(); !strings.HasPrefix(shown[len(shown)-1], "Bearer ") {
		t.Errorf("shown: %q", shown)
	}
}

// Nobody profits from what others were given.
func TestLoginsAreNotShared(t *testing.T) {
	tokens := &registry.Tokens{Users: map[string]string{"alice": "secret", "bob": "secret"}, Rights: map[string][]string{"alice": {"actions/a"}}}
	served := registry.New(t, registry.Options{Tokens: tokens})
	network := over(served)
	wantStatus(t, network.Client(alice(served)), served, "actions/a", 404)
	wantStatus(t, network.Client(logins{served.Host(): {Username: "bob", Password: "secret"}}), served, "actions/a", 401)
	if status, err := ask(t, network.Client(logins{}), served, "actions/a"); err == nil {
		t.Errorf("nobody was given a token: status %d", status)
	}
}
