package image

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/registry"
)

// at answers requests whose path contains part.
func at(part string, answer http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, part) {
			return false
		}
		answer(w, req)
		return true
	}
}

const listType = "application/vnd.oci.image.index.v1+json"

func TestAttack21_SignatureOnTheLastPage(t *testing.T) {
	for title, o := range map[string]registry.Options{"": {PageSize: 1}, "filtered": {PageSize: 1, Filters: true}, "filter ignored": {}} {
		served := registry.New(t, o)
		img := pushed(t, served, "actions/a", "a")
		r := New(plain(served))
		for i := range 5 {
			attach(t, r, img, "application/spdx+json", fmt.Sprint("inventory ", i))
		}
		attach(t, r, img, bundleKind, "signed")
		served.Reset()
		got, err := bundles(t.Context(), r, img, bundleKind)
		if err != nil || len(got) != 1 || got[0] != "signed" {
			t.Errorf("%s: %q, %v", title, got, err)
		}
		t.Logf("%d requests: %s", served.Requests(), title)
		if want := map[string]int{"": 8, "filtered": 3, "filter ignored": 3}[title]; served.Requests() != want {
			t.Errorf("%s: %d requests, want %d", title, served.Requests(), want)
		}
	}
}

func TestAttack21_PagesLeadElsewhereOrNowhere(t *testing.T) {
	thief := registry.New(t, registry.Options{})
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	for link, want := range map[string]string{
		"<http://" + thief.Host() + "/v2/actions/a/referrers/" + img.Digest + ">; rel=\"next\"": "is elsewhere",
		"</v2/actions/b/referrers/" + img.Digest + ">; rel=\"next\"":                            "is elsewhere",
		"<?last=1>; rel=\"next\"": "more than 20 pages",
		"<%zz>; rel=next":         "parse link",
	} {
		served.Hook(at("/referrers/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", link)
			w.Header().Set("Content-Type", listType)
			fmt.Fprint(w, `{"manifests":[]}`)
		}))
		served.Reset()
		if _, err := bundles(t.Context(), New(plain(served)), img); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", link, err, want)
		}
		if served.Requests() > maxPages || thief.Requests() > 0 {
			t.Errorf("%s: %d requests, %d to a stranger", link, served.Requests(), thief.Requests())
		}
	}
}

// Ten thousand referrers cost bounded requests, memory and time, and end closed.
func TestAttack8_FloodOfReferrers(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	entry := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":1,"artifactType":%q}`, strings.Repeat("0", 64), bundleKind)
	for title, c := range map[string]struct{ perPage, requests int }{"many pages": {100, maxPages}, "huge pages": {10_000, 4}, "one endless page": {100_000, 1}} {
		served.Hook(at("/referrers/", func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Link", fmt.Sprintf(`<%s?last=x>; rel="next"`, req.URL.Path))
			w.Header().Set("Content-Type", listType)
			fmt.Fprint(w, `{"manifests":[`, strings.Repeat(entry+",", c.perPage-1), entry, `]}`)
		}))
		served.Reset()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := bundles(t.Context(), New(plain(served)), img)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		t.Logf("%s: %d requests, %d MiB allocated on both sides, %s", title, served.Requests(), (after.TotalAlloc-before.TotalAlloc)>>20, took)
		if !errors.Is(err, ErrTooLarge) || served.Requests() > c.requests || took > 10*time.Second {
			t.Errorf("%s: error %v, %d requests, %s", title, err, served.Requests(), took)
		}
	}
}

func TestAttack8_SlowDrip(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	for _, part := range []string{"/manifests/", "/blobs/"} {
		served.Hook(at(part, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			for tick := time.NewTicker(time.Millisecond); req.Context().Err() == nil; <-tick.C {
				if _, err := w.Write([]byte(" ")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		}))
		o := plain(served)
		o.Timeout = 100 * time.Millisecond
		start := time.Now()
		_, err := New(o).ReadFile(t.Context(), img, ContractPath, nobody())
		wantRetry(t, err, img.Digest)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %s", part, took)
		}
	}
}

// A tag that means something else at each look: what was found first is what is
// read, and no answer of the registry changes it.
func TestAttack10_TagMoves(t *testing.T) {
	served := registry.New(t, registry.Options{})
	first, second := pushed(t, served, "actions/a", "1"), pushed(t, served, "actions/a", "2")
	r := New(plain(served))
	img, err := r.Resolve(t.Context(), first.Repository+":v1", nobody())
	if err != nil || img != second {
		t.Fatalf("%v, %v", img, err)
	}
	pushed(t, served, "actions/a", "1")
	if again, err := r.Resolve(t.Context(), img.String(), nobody()); err != nil || again != second {
		t.Errorf("%v, %v", again, err)
	}
	// HEAD names one image, and who then reads it is given another.
	served.Hook(at("/manifests/", func(w http.ResponseWriter, req *http.Request) {
		req.URL.Path = strings.Replace(req.URL.Path, second.Digest, first.Digest, 1)
		served.Hook(nil)
		served.ServeHTTP(w, req)
	}))
	_, err = r.ReadFile(t.Context(), img, ContractPath, nobody())
	wantRetry(t, err, img.Digest)
}

// Whatever type and digest a registry claims: the bytes must have the digest.
func TestAttack11_OtherBytes(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img, other := pushed(t, served, "actions/a", "a"), pushed(t, served, "actions/b", "b")
	evil := `{"schemaVersion":2,"layers":[],"config":{}}`
	for kind, blob := range map[string]bool{
		"application/vnd.oci.image.manifest.v1+json":                false,
		"application/vnd.oci.image.index.v1+json":                   false,
		"application/vnd.docker.distribution.manifest.v1+prettyjws": false,
		"text/html":                false,
		"application/octet-stream": true,
	} {
		part := "/manifests/"
		if blob {
			part = "/blobs/"
		}
		served.Hook(at(part, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Docker-Content-Digest", img.Digest)
			fmt.Fprint(w, evil)
		}))
		data, err := New(plain(served)).ReadFile(t.Context(), img, ContractPath, nobody())
		if data != nil {
			t.Errorf("%s: read %q", kind, data)
		}
		wantRetry(t, err, img.Digest)
	}
	// Nor does the digest in a header count where the tag's bytes are there to see.
	served.Hook(at("/manifests/", func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws")
		w.Header().Set("Docker-Content-Digest", other.Digest)
		fmt.Fprint(w, evil)
	}))
	if got, err := New(plain(served)).Resolve(t.Context(), img.Repository+":v1", nobody()); err != nil || got.Digest == other.Digest {
		t.Errorf("resolved to %v, error %v", got, err)
	}
}

// Each host has one spelling that counts.
func TestAttack19_OtherSpellings(t *testing.T) {
	for _, repository := range []string{
		"Registry.example.com/a", "registry.example.com./a", "registry.example.com:443/a", "registry.example.com:80/a",
		"registry.example.com:/a", "registry.example.com:05000/a", "registry.example.com:+5000/a", "registry.example.com:99999/a",
		"regıstry.example.com/a", "\u212Aubernaut.example.com/a", "registry.example%2ecom/a", "registry.example.com/A", "registry!.example.com/a", "registry..example.com/a", "[fe80::1%25eth0]:5000/a", "registry.example.com//a", "registry.example.com/../a",
		"0x7f.1:5000/a", "127.1:5000/a", "2130706433:5000/a", "010.88.0.1:5000/a", "10.88.0.1.:5000/a", "[::FFFF:10.88.0.1]:5000/a", "[::ffff:10.88.0.1]:5000/a", "[0:0::1]:5000/a",
		"registry-1.docker.io/library/busybox", "registry.hub.docker.com/library/busybox",
		"user@registry.example.com/a", "https://registry.example.com/a", "registry.example.com/a@sha256:0",
	} {
		if got, err := Canonical(repository); err == nil {
			t.Errorf("%s is taken as %s", repository, got)
		} else {
			wantRefusal(t, err, v1alpha1.ReasonInvalid)
		}
	}
	for repository, want := range map[string]string{
		"busybox": "index.docker.io/library/busybox", "docker.io/busybox": "index.docker.io/library/busybox", "docker.io/library/busybox": "index.docker.io/library/busybox",
		"index.docker.io/library/busybox": "index.docker.io/library/busybox", "team/a": "index.docker.io/team/a",
		"registry.example.com:5000/a/b": "registry.example.com:5000/a/b", "10.88.0.1:5000/a": "10.88.0.1:5000/a", "[::1]:5000/a": "[::1]:5000/a",
	} {
		if got, err := Canonical(repository); err != nil || got != want {
			t.Errorf("%s is taken as %q, error %v; want %s", repository, got, err, want)
		}
	}
}

// Hosts that only look like the one that a login is for are told nothing.
func TestAttack16_LookAlikeHosts(t *testing.T) {
	keys, err := pullSecrets([][]byte{dockerConfig("*.azurecr.io", "puller", "secret"), dockerConfig("registry.example.com/team", "puller", "secret")})
	if err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]bool{
		"x.azurecr.io/a": true, "x.azurecr.io.evil.test/a": false, "azurecr.io.evil.test/a": false, "xazurecr.io/a": false, "y.x.azurecr.io/a": false, "x.azurecr.io:444/a": false,
		"registry.example.com/team/a": true, "registry.example.com/other/a": false, "registry.example.com.evil.test/team/a": false, "evil.test/registry.example.com/team/a": false,
	} {
		repo, err := name.NewRepository(repository)
		if err != nil {
			t.Fatal(err)
		}
		if auth, err := authn.Resolve(t.Context(), keys, repo); err != nil || (auth != authn.Anonymous) != want {
			t.Errorf("%s is told the login: %t, error %v; want %t", repository, auth != authn.Anonymous, err, want)
		}
	}
}

// What stands where the list of referrers should be neither hides what lies
// under the fallback tag nor, while the registry is sick, passes for an answer.
func TestAttack20_InPlaceOfTheList(t *testing.T) {
	served := registry.New(t, registry.Options{NoReferrers: true})
	img := pushed(t, served, "actions/a", "a")
	attach(t, New(plain(served)), img, bundleKind, "signed")
	for status, passes := range map[int]bool{200: true, 400: true, 404: true, 405: true, 406: true, 501: true, 403: false, 429: false, 500: false, 502: false, 503: false} {
		served.Hook(at("/referrers/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprint(w, "<html>")
		}))
		got, err := bundles(t.Context(), New(plain(served)), img)
		if found := err == nil && len(got) == 1 && got[0] == "signed"; found != passes || !passes && err == nil {
			t.Errorf("status %d: %q, error %v", status, got, err)
		}
	}
	served.Hook(at("/referrers/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", listType)
		fmt.Fprint(w, "<html>")
	}))
	if got, err := bundles(t.Context(), New(plain(served)), img); err == nil {
		t.Errorf("a page that is no list: %q", got)
	}
}

// Who names images that do not exist must not hide the signatures of others.
func TestAttack20_NobodyHidesTheListOfOthers(t *testing.T) {
	for title, answer := range map[string]string{
		"specification": `{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}`,
		"own words":     `{"errors":[{"code":"NOT_FOUND","message":"project evil not found"}]}`,
		"a page":        "404 page not found",
	} {
		served := registry.New(t, registry.Options{})
		img := pushed(t, served, "actions/a", "a")
		r := New(plain(served))
		attach(t, r, img, bundleKind, "signed")
		served.Hook(at("/evil/", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, answer)
		}))
		ghost := img
		ghost.Repository = served.Image("evil/a")
		if got, err := bundles(t.Context(), r, ghost); err != nil || len(got) != 0 {
			t.Errorf("%s: %q, %v", title, got, err)
		}
		wantBundles(t, r, img, "signed")
	}
}

func TestAttack15_BlobsElsewhere(t *testing.T) {
	served := registry.New(t, registry.Options{Store: true, Tokens: &registry.Tokens{}})
	o := plain(served)
	o.Insecure = append(o.Insecure, served.StoreHost())
	r := New(o)
	img := pushedBy(t, r, served, "actions/a", "a")
	served.Reset()
	repo, err := r.Open(t.Context(), img.Repository, nobody())
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := repo.ManifestAt(t.Context(), img.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Blob(t.Context(), manifest.Config.Digest, 1<<20); err != nil {
		t.Fatal(err)
	}
	shown := served.Shown()
	if n := len(shown); n < 2 || shown[n-1] != "" || !strings.HasPrefix(shown[n-2], "Bearer ") {
		t.Errorf("shown: %q", shown)
	}
	// The same store, when nobody said that it may be reached so.
	_, err = New(plain(served)).ReadFile(t.Context(), img, ContractPath, nobody())
	wantRetry(t, err, "is not HTTPS", served.StoreHost())
}

// What counts as the spelling of a name counts as its own.
func FuzzCanonical(f *testing.F) {
	for _, name := range []string{"busybox", "docker.io/a", "registry.example.com:5000/a/b", "[::1]:5000/a", "0x7f.1/a", "a.b./c"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, repository string) {
		got, err := Canonical(repository)
		if err != nil {
			return
		}
		if again, err := Canonical(got); err != nil || again != got {
			t.Errorf("%q is taken as %q, and that as %q, error %v", repository, got, again, err)
		}
		if got != strings.ToLower(got) || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789.-_/:[]") != "" {
			t.Errorf("%q is taken as %q", repository, got)
		}
	})
}
