package image

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/test/registry"
)

// maxSwollen bounds what one answer of the largest size may allocate in all, on
// both sides of the connection.
const maxSwollen = 64 << 20

// What takes two bytes in a manifest takes hundreds in memory. Who may push writes
// manifests under tags that are read, and they must not end the controller.
func TestAttack8_ManifestsThatSwell(t *testing.T) {
	full := func(part string) string {
		return strings.TrimSuffix(strings.Repeat(part+",", (maxManifest-100)/(len(part)+1)), ",")
	}
	list := func(part string) string { return `{"schemaVersion":2,"manifests":[` + full(part) + `]}` }
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	for name, c := range map[string]struct {
		part, body, kind string
		status           int
		err              error
	}{
		"list":                    {"/referrers/", list("{}"), listType, http.StatusOK, ErrTooLarge},
		"list of numbers":         {"/referrers/", list("1"), listType, http.StatusOK, ErrTooLarge},
		"list of nothing":         {"/referrers/", list("null"), listType, http.StatusOK, ErrTooLarge},
		"list of one":             {"/referrers/", `{"manifests":[{"urls":[` + full(`""`) + `]}]}`, listType, http.StatusOK, ErrTooLarge},
		"no list, in many words":  {"/referrers/", `{"errors":[` + full("{}") + `]}`, "application/json", http.StatusNotFound, nil},
		"list under a tag":        {"/manifests/sha256-", list("{}"), listType, http.StatusOK, ErrTooLarge},
		"signatures under a tag":  {"/manifests/v1", `{"layers":[` + full("{}") + `]}`, manifest, http.StatusOK, ErrTooLarge},
		"annotations under a tag": {"/manifests/v1", `{"annotations":{` + full(`"":""`) + `}}`, manifest, http.StatusOK, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			served := registry.New(t, registry.Options{NoReferrers: strings.HasSuffix(name, "under a tag")})
			img := pushed(t, served, "actions/a", "a")
			repo, err := New(plain(served)).Open(t.Context(), img.Repository, nobody())
			if err != nil {
				t.Fatal(err)
			}
			served.Hook(at(c.part, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if strings.HasSuffix(c.part, "v1") {
				_, err = repo.Manifest(t.Context(), "v1")
			} else {
				_, err = repo.Referrers(t.Context(), img.Digest)
			}
			runtime.ReadMemStats(&after)
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > maxSwollen {
				t.Errorf("%d MiB were allocated", n>>20)
			}
		})
	}
}

// Nor do many pages of short entries: they are counted together.
func TestAttack8_PagesThatSwell(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	served.Hook(at("/referrers/", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=x>; rel="next"`, req.URL.Path))
		w.Header().Set("Content-Type", listType)
		fmt.Fprint(w, `{"manifests":[`, strings.Repeat("{},", 9_000), `{}]}`)
	}))
	served.Reset()
	if _, err := bundles(t.Context(), New(plain(served)), img); !errors.Is(err, ErrTooLarge) || served.Requests() > 4 {
		t.Errorf("error %v after %d requests", err, served.Requests())
	}
}
