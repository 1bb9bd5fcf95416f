package access

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/test/registry"
)

func TestHosts(t *testing.T) {
	got, err := Hosts(" registry.lab:5000, 10.88.0.1:5000,[::1]:5000,plain,")
	if want := []string{"registry.lab:5000", "10.88.0.1:5000", "[::1]:5000", "plain"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for _, wrong := range []string{"http://a", "a/b", "A", "u@a", ":5000", "a:80", "a b", "a:port", "*.lab"} {
		if got, err := Hosts(wrong); err == nil {
			t.Errorf("%q: %q, %v", wrong, got, err)
		}
	}
}

func TestRank(t *testing.T) {
	for want, addresses := range map[rank][]string{
		public:    {"8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"},
		private:   {"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"},
		loopback:  {"127.0.0.1", "127.77.0.1", "::1", "::ffff:127.0.0.1"},
		forbidden: {"169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "fd00:ec2::254", "100.100.100.200", "64:ff9b::a9fe:a9fe"},
	} {
		for _, a := range addresses {
			if got := rankOf(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s is %s, want %s", a, got, want)
			}
		}
	}
}

// plan gives addresses of this machine the meaning that others have elsewhere.
func plan(n *Network) *Network {
	n.rank = func(a netip.Addr) rank {
		switch a.Unmap().String() {
		case "127.0.0.1", "::1":
			return private
		case "127.0.0.3":
			return forbidden
		default:
			return public
		}
	}
	return n
}

// listen serves on one of this machine's addresses.
func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// trap counts who connects to an address, whatever they say.
func trap(t testing.TB, address string) (host string, visits *atomic.Int32) {
	t.Helper()
	l, visits := listen(t, address), &atomic.Int32{}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			visits.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), visits
}

func port(host string) string {
	_, p, _ := net.SplitHostPort(host)
	return p
}

// A public registry sends its readers to places that only they can reach.
func TestAttack15_RealmLeadsInside(t *testing.T) {
	inside, visits := trap(t, "127.0.0.1")
	linkLocal, alsoVisits := trap(t, "127.0.0.3")
	for realm, want := range map[string]string{
		"http://" + inside + "/token":                "is not HTTPS",
		"https://" + inside + "/token":               "is private and the registry is not",
		"https://localhost:" + port(inside):          "is private",
		"https://" + linkLocal + "/latest":           "link-local",
		"http://169.254.169.254/latest":              "is not HTTPS",
		"file:///etc/passwd":                         "is no address",
		"ftp://" + inside:                            "only HTTPS",
		"/token":                                     "is no address",
		"https://alice:secret@" + inside + "/x":      "is no address",
		"":                                           "is no address",
		"https://[::ffff:127.0.0.1]:" + port(inside): "is private",
	} {
		served := registry.New(t, registry.Options{Listener: listen(t, "127.0.0.2"), Tokens: &registry.Tokens{Realm: realm}})
		served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
			if realm == "" {
				w.Header().Set("WWW-Authenticate", "Bearer")
				w.WriteHeader(http.StatusUnauthorized)
			}
			return realm == ""
		})
		_, err := ask(t, plan(over(served)).Client(alice(served)), served, "actions/a")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("realm %q: error %v, want %q", realm, err, want)
		}
		for _, header := range served.Shown() {
			if header != "" {
				t.Errorf("realm %q: the registry saw %q", realm, header)
			}
		}
	}
	if visits.Load() != 0 || alsoVisits.Load() != 0 {
		t.Errorf("%d connections to the private address, %d to the link-local one", visits.Load(), alsoVisits.Load())
	}
}

// What the operator listed and what lies where the registry lies is reached.
func TestRealmElsewhere(t *testing.T) {
	var asked atomic.Int32
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user == "alice" && password == "secret" {
			asked.Add(1)
		}
		fmt.Fprint(w, `{"token":"a"}`)
	}))
	defer tokens.Close()
	host := strings.TrimPrefix(tokens.URL, "http://")
	for address, listed := range map[string]bool{"127.0.0.1": true, "127.0.0.2": true} {
		served := registry.New(t, registry.Options{Listener: listen(t, address), Tokens: &registry.Tokens{Realm: tokens.URL}})
		network := plan(over(served))
		network.insecure[host] = listed
		before := asked.Load()
		wantStatus(t, network.Client(alice(served)), served, "actions/a", 401) // a token of another server
		if asked.Load() == before {
			t.Errorf("registry at %s: the token server was not asked", address)
		}
	}
}

// A registry on HTTPS may not have us show credentials on plain HTTP, not even
// to a host that may be asked so.
func TestAttack15_RealmDowngrade(t *testing.T) {
	token, visits := trap(t, "127.0.0.1")
	served := registry.New(t, registry.Options{TLS: true, Tokens: &registry.Tokens{Realm: "http://" + token}})
	roots, err := Roots(served.CA())
	if err != nil {
		t.Fatal(err)
	}
	_, err = ask(t, NewNetwork(Options{Roots: roots, Insecure: []string{token}}).Client(alice(served)), served, "actions/a")
	if err == nil || !strings.Contains(err.Error(), "only HTTPS will do") || visits.Load() != 0 {
		t.Errorf("error %v, %d connections", err, visits.Load())
	}
}

// Whoever answers for the token server cannot pass the password on.
func TestAttack15_TokenServerRedirects(t *testing.T) {
	thief, visits := trap(t, "127.0.0.1")
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{}})
	target := "http://" + thief + "/"
	served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
		if strings.HasPrefix(req.URL.Path, "/token") {
			http.Redirect(w, req, target, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	network := over(served)
	network.insecure[thief] = true
	_, err := ask(t, network.Client(alice(served)), served, "actions/a")
	if err == nil || !strings.Contains(err.Error(), "it would see the credentials") || visits.Load() != 0 {
		t.Errorf("error %v, %d connections", err, visits.Load())
	}
	target = "/token"
	if _, err := ask(t, network.Client(alice(served)), served, "actions/a"); err == nil || !strings.Contains(err.Error(), "more than 3 times") {
		t.Errorf("error %v of a server that redirects to itself", err)
	}
}

// redirecting sends all readers of manifests to one place.
func redirecting(served *registry.Registry, to func(*http.Request) string) {
	served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/manifests/") {
			return false
		}
		http.Redirect(w, req, to(req), http.StatusTemporaryRedirect)
		return true
	})
}

func TestAttack15_RedirectLeaksNothing(t *testing.T) {
	store := registry.New(t, registry.Options{})
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{}})
	served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
		ready := strings.HasPrefix(req.Header.Get("Authorization"), "Bearer ")
		if ready {
			http.Redirect(w, req, "http://"+store.Host()+req.URL.Path, http.StatusTemporaryRedirect)
		}
		return ready
	})
	wantStatus(t, over(served, store).Client(alice(served)), served, "actions/a", 404)
	if shown := store.Shown(); len(shown) != 1 || shown[0] != "" {
		t.Errorf("the store saw %q", shown)
	}
	// A store that asks for a login gets none.
	store.Hook(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	keys := alice(served)
	keys[store.Host()] = keys[served.Host()]
	wantStatus(t, over(served, store).Client(keys), served, "actions/a", 401)
	for _, header := range store.Shown() {
		if header != "" {
			t.Errorf("the store saw %q", header)
		}
	}
}

// Some registries redirect to others, which give a token to everybody.
func TestRedirectToAnotherRegistry(t *testing.T) {
	other := registry.New(t, registry.Options{Tokens: &registry.Tokens{}})
	served := registry.New(t, registry.Options{})
	redirecting(served, func(req *http.Request) string { return "http://" + other.Host() + req.URL.Path })
	keys := alice(served)
	keys[other.Host()] = keys[served.Host()]
	client := over(served, other).Client(keys)
	wantStatus(t, client, served, "actions/a", 404)
	wantStatus(t, client, served, "actions/a", 404)
	if _, tokens, reads := counted(other); tokens != 1 || reads != 3 {
		t.Errorf("%d tokens, %d reads: %v", tokens, reads, other.Log())
	}
	for _, header := range other.Shown() {
		if header != "" && header != "Bearer token-1-" {
			t.Errorf("shown: %q", header)
		}
	}
	// Where that one sends us is held to the rules of the first.
	inside, visits := trap(t, "127.0.0.1")
	public := registry.New(t, registry.Options{Listener: listen(t, "127.0.0.2")})
	next := registry.New(t, registry.Options{Listener: listen(t, "127.0.0.2"), Tokens: &registry.Tokens{Realm: "https://" + inside + "/token"}})
	redirecting(public, func(req *http.Request) string { return "http://" + next.Host() + req.URL.Path })
	if _, err := ask(t, plan(over(public, next)).Client(alice(public)), public, "actions/a"); err == nil || !strings.Contains(err.Error(), "is private") || visits.Load() != 0 {
		t.Errorf("error %v, %d connections", err, visits.Load())
	}
}

func TestAttack15_RedirectLeadsInside(t *testing.T) {
	inside, visits := trap(t, "127.0.0.1")
	linkLocal, alsoVisits := trap(t, "127.0.0.3")
	served := registry.New(t, registry.Options{Listener: listen(t, "127.0.0.2")})
	for target, want := range map[string]string{
		"http://" + inside + "/":                 "is not HTTPS",
		"https://" + inside + "/":                "is private and the registry is not",
		"https://localhost:" + port(inside):      "is private",
		"https://" + linkLocal + "/":             "link-local",
		"http://169.254.169.254/":                "is not HTTPS",
		"http://" + served.Host() + "0/":         "is not HTTPS",
		"http://127.0.0.2:" + port(inside) + "/": "is not HTTPS",
	} {
		redirecting(served, func(*http.Request) string { return target })
		if _, err := ask(t, plan(over(served)).Client(alice(served)), served, "actions/a"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: error %v, want %q", target, err, want)
		}
	}
	if visits.Load() != 0 || alsoVisits.Load() != 0 {
		t.Errorf("%d connections to the private address, %d to the link-local one", visits.Load(), alsoVisits.Load())
	}
}

func TestAttack8_ManyRedirects(t *testing.T) {
	served := registry.New(t, registry.Options{})
	n := 0
	redirecting(served, func(*http.Request) string { n++; return fmt.Sprintf("/v2/actions/a/manifests/%d", n) })
	if _, err := ask(t, over(served).Client(logins{}), served, "actions/a"); err == nil || !strings.Contains(err.Error(), "more than 5 times") {
		t.Errorf("error %v", err)
	}
	if got := served.Requests(); got != maxHops+1 {
		t.Errorf("%d requests", got)
	}
}

// Not even a registry on the same machine is asked over plain HTTP unless it is
// listed, and one that is listed is asked in no other way.
func TestAttack15_PlainHTTPIsNeverTried(t *testing.T) {
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{}})
	_, err := ask(t, NewNetwork(Options{Insecure: []string{"127.0.0.1", "localhost:" + port(served.Host())}}).Client(alice(served)), served, "actions/a")
	if err == nil || !strings.Contains(err.Error(), "speaks plain HTTP") || served.Requests() != 0 {
		t.Errorf("error %v, %d requests", err, served.Requests())
	}
	secure := registry.New(t, registry.Options{TLS: true})
	if status, err := ask(t, over(secure).Client(logins{}), secure, "actions/a"); status == http.StatusNotFound || secure.Requests() != 0 {
		t.Errorf("status %d, error %v, %d requests over HTTPS to a registry that is listed", status, err, secure.Requests())
	}
}

func TestAttack15_LinkLocalRegistry(t *testing.T) {
	served := registry.New(t, registry.Options{Listener: listen(t, "127.0.0.3")})
	if _, err := ask(t, plan(NewNetwork(Options{})).Client(logins{}), served, "actions/a"); err == nil || !strings.Contains(err.Error(), "link-local") {
		t.Errorf("error %v", err)
	}
	wantStatus(t, plan(over(served)).Client(logins{}), served, "actions/a", 404)
}

func TestRoots(t *testing.T) {
	served := registry.New(t, registry.Options{TLS: true})
	if _, err := ask(t, NewNetwork(Options{}).Client(logins{}), served, "actions/a"); err == nil || !strings.Contains(err.Error(), "unknown authority; name a file") {
		t.Errorf("error %v", err)
	}
	roots, err := Roots(append([]byte("two certificates\n"), slices.Concat(served.CA(), served.CA())...))
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, NewNetwork(Options{Roots: roots}).Client(logins{}), served, "actions/a", 404)
	if _, err := Roots([]byte("no certificate")); err == nil || !strings.Contains(err.Error(), "BEGIN CERTIFICATE") {
		t.Errorf("error %v", err)
	}
}

// Neither a huge answer nor one that never ends holds a reader for long.
func TestAttack8_TokenServerTalksForEver(t *testing.T) {
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{}})
	drip := atomic.Bool{}
	served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path != "/token" {
			return false
		}
		for req.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1024)); err != nil || drip.Load() {
				break
			}
		}
		if drip.Load() {
			w.(http.Flusher).Flush()
			<-req.Context().Done()
		}
		return true
	})
	client := over(served).Client(alice(served))
	if _, err := ask(t, client, served, "actions/a"); err == nil || !strings.Contains(err.Error(), "longer than 65536 bytes") {
		t.Errorf("error %v", err)
	}
	drip.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+served.Host()+"/v2/a/manifests/v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.RoundTrip(req); err == nil || ctx.Err() == nil {
		t.Errorf("error %v", err)
	}
}

func TestReadChallenge(t *testing.T) {
	for header, want := range map[string]string{
		`Bearer realm="https://a/t",service="s"`:                           "bearer https://a/t s ",
		`bearer service=s , realm="https://a/t?x=1,2" ,error="bad\"token"`: "bearer https://a/t?x=1,2 s bad\"token",
		`Bearer realm="https://a",realm="https://b"`:                       "bearer https://a  ",
		`Basic realm="x"`:    "basic",
		`BASIC`:              "basic",
		`Negotiate`:          "none",
		``:                   "none",
		`Bearer service="s"`: "no address",
	} {
		resp := &http.Response{Header: http.Header{"Www-Authenticate": {header}}, Request: httptest.NewRequest(http.MethodGet, "https://r/v2/", nil)}
		got := "none"
		c, fault, err := readChallenge(resp)
		switch {
		case err != nil:
			got = err.Error()
		case c != nil && c.kind == bearer:
			got = fmt.Sprintf("%s %s %s %s", c.kind, c.realm, c.service, fault)
		case c != nil:
			got = c.kind
		}
		if got != want && !(want == "no address" && strings.Contains(got, want)) {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
}

// Registries take parts of images at addresses that name no repository.
func TestRepositoryOfARequest(t *testing.T) {
	for path, want := range map[string]string{
		"/v2/actions/a/manifests/v1":             "actions/a",
		"/v2/a/blobs/manifests/b/blobs/sha256:0": "a/blobs/manifests/b",
		"/v2/a/referrers/sha256:0":               "a",
		"/v2/a/tags/list":                        "a",
		"/v2/":                                   "",
		"/v2/_catalog":                           "",
		"/artifacts-uploads/1":                   "",
		"/v2/a/other/x":                          "",
	} {
		req := httptest.NewRequest(http.MethodGet, "https://r.example.com"+path, nil)
		got, err := repositoryOf(req)
		if (err == nil) != (want != "") || err == nil && got.RepositoryStr() != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
		if got, err := repositoryOf(req.WithContext(Writing(t.Context(), repositories(t, registry.New(t, registry.Options{}), 1)[0]))); err != nil || got.RepositoryStr() != "actions/a00" {
			t.Errorf("%s while writing: %q, %v", path, got, err)
		}
	}
}

// A proxy looks names up itself; what is written out is judged all the same.
func TestBehindAProxy(t *testing.T) {
	inside, visits := trap(t, "127.0.0.1")
	served := registry.New(t, registry.Options{Listener: listen(t, "127.0.0.2")})
	network := plan(over(served))
	network.proxied = func(u *url.URL) bool { return u.Host != served.Host() }
	redirecting(served, func(*http.Request) string { return "https://" + inside + "/" })
	if _, err := ask(t, network.Client(logins{}), served, "actions/a"); err == nil || !strings.Contains(err.Error(), "is private") || visits.Load() != 0 {
		t.Errorf("error %v, %d connections", err, visits.Load())
	}
	redirecting(served, func(*http.Request) string { return "https://localhost:" + port(inside) + "/" })
	if _, err := ask(t, network.Client(logins{}), served, "actions/a"); err == nil || visits.Load() != 1 {
		t.Errorf("error %v, %d connections", err, visits.Load())
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="https://a/t",service="s",scope="x"`)
	f.Add(`Bearer realm="http://[::1]:5/\"",error=invalid_token`)
	f.Fuzz(func(t *testing.T, header string) {
		resp := &http.Response{Header: http.Header{"Www-Authenticate": {header}}, Request: httptest.NewRequest(http.MethodGet, "https://r/v2/", nil)}
		c, _, err := readChallenge(resp)
		if err != nil || c == nil || c.kind != bearer {
			return
		}
		if c.realm.Host == "" || c.realm.User != nil || c.realm.Fragment != "" {
			t.Errorf("realm %s", c.realm)
		}
		if c.allows("https") == nil && c.realm.Scheme != "https" {
			t.Errorf("realm %s for a registry on HTTPS", c.realm)
		}
	})
}
