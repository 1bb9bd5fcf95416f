package image

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// What a signature brings along to prove when it was made and by whom: each
// proof is genuine, and belongs to something else, is out of its time, or is one
// of very many.

// The entry of a log belongs to one signature: not to another one by the same
// certificate either.
func TestAttack3_LogEntryOfAnotherBundle(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	v := w.demanding(s, person(me, ""))
	for how, services := range ways(s) {
		if services.Rekor == "" {
			continue
		}
		by, err := sign.Keyless(sigstore.Token(me), services)
		if err != nil {
			t.Fatal(err)
		}
		img := w.push("actions/a", how)
		own, other, stranger := w.identified(img, by), w.identified(w.push("actions/a", "other than "+how), by), w.identifiedAs(img, services)
		whole := own.text()
		w.attach(img, own.with(other.entries()...), signPredicate)
		w.attach(img, own.with(stranger.entries()...), signPredicate)
		w.closed(v, img, "one by "+me)
		w.attach(img, whole, signPredicate)
		if _, err := v.Verify(t.Context(), img, verify.Subject{}); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// So it is where a key signs and the log has to know.
func TestAttack3_LogEntryOfAnotherKey(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	v := w.demanding(s, keyed(t, w.trusted, `,"ctlog":{}`))
	img := w.push("actions/a", "a")
	logged := sign.Services{Rekor: s.Rekor, RekorVersion: 1}
	own, other := w.identified(img, w.trusted.With(logged)), w.identified(img, newSigner(t).With(logged))
	whole := own.text()
	w.attach(img, own.with(other.entries()...), signPredicate)
	w.attach(img, own.with(), signPredicate)
	w.closed(v, img, "one by a key")
	w.attach(img, whole, signPredicate)
	if _, err := v.Verify(t.Context(), img, verify.Subject{}); err != nil {
		t.Error(err)
	}
}

// Every proof costs a signature check: a bundle may bring few.
func TestAttack8_ManyProofs(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	v := w.demanding(s, person(me, ""))
	for _, many := range []int{33, 1000} {
		for what, field := range map[string]func(b bundled) []any{
			"entries": func(b bundled) []any { return b.material()["tlogEntries"].([]any) },
			"timestamps": func(b bundled) []any {
				return b.material()["timestampVerificationData"].(map[string]any)["rfc3161Timestamps"].([]any)
			},
		} {
			img := w.push("actions/a", what+strconv.Itoa(many))
			b := w.identifiedAs(img, ways(s)["first log and timestamp"])
			var all []any
			for range many {
				all = append(all, field(b)[0])
			}
			if what == "entries" {
				b.material()["tlogEntries"] = all
			} else {
				b.material()["timestampVerificationData"].(map[string]any)["rfc3161Timestamps"] = all
			}
			w.attach(img, b.text(), signPredicate)
			start := time.Now()
			w.closed(v, img)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%d %s took %s", many, what, took)
			}
		}
	}
}

// The size that is listed is a claim: of what follows no more is read.
func TestAttack8_SignaturesWithoutEnd(t *testing.T) {
	w := newWorld(t, registry.Options{})
	for _, f := range formats() {
		img := w.push("actions/"+string(f), "a")
		w.sign(img, w.trusted, f)
		var sent atomic.Int64
		w.served.Hook(func(rw http.ResponseWriter, req *http.Request) bool {
			if !strings.Contains(req.URL.Path, "/blobs/") {
				return false
			}
			for range 127 {
				n, err := rw.Write(make([]byte, 1<<20))
				sent.Add(int64(n))
				if err != nil {
					break
				}
			}
			return true
		})
		refuse(t, w.verifier(), img, v1alpha1.ReasonSignatureInvalid)
		// Buffers of the connection hold some MiB more than is read.
		if sent.Load() > maxBundle+16<<20 {
			t.Errorf("%s: %d MiB were taken", f, sent.Load()>>20)
		}
		w.served.Hook(nil)
		w.pass(img, f)
	}
}

// Bundles of the older versions may bring a chain. It is not looked at, for what
// is above a certificate is for the root of trust to say, and a long one is refused.
func TestAttack9_LongChainsInBundles(t *testing.T) {
	s := sigstore.New(t)
	w := newWorld(t, registry.Options{})
	v := w.demanding(s, person(me, ""))
	for _, c := range []struct {
		version string
		more    int
		good    bool
	}{{"0.1", 2, true}, {"0.2", 2, true}, {"0.3", 2, false}, {"0.1", 1000, false}, {"0.2", 1000, false}, {"0.3", 1000, false}} {
		img := w.push("actions/a", fmt.Sprint(c))
		b := w.identifiedAs(img, ways(s)["first log"])
		chain := []any{b.material()["certificate"]}
		delete(b.material(), "certificate")
		for range c.more {
			chain = append(chain, map[string]any{"rawBytes": s.Chain()[0].Raw})
		}
		b.material()["x509CertificateChain"] = map[string]any{"certificates": chain}
		b.fields["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=" + c.version
		w.attach(img, b.text(), signPredicate)
		start := time.Now()
		_, err := v.Verify(t.Context(), img, verify.Subject{})
		if (err == nil) != c.good {
			t.Errorf("%d more in version %s: error %v, want it to pass: %t", c.more, c.version, err, c.good)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%d more in version %s took %s", c.more, c.version, took)
		}
	}
}

// A certificate lives for minutes, and each time that somebody trusted vouches
// for has to lie in them: a clock that is wrong makes none good.
func TestAttack24_TimesOutsideTheCertificate(t *testing.T) {
	const past = 30 * time.Minute
	for name, c := range map[string]struct {
		how             string
		issued, entered time.Duration
		good            bool
	}{
		"all now":                      {"first log and timestamp", 0, 0, true},
		"all in the past":              {"first log", past, past, true},
		"entered after its end":        {"first log", past, 0, false},
		"entered before its start":     {"first log", 0, past, false},
		"entered in the future":        {"first log", 0, -past, false},
		"stamped after its end":        {"first log and timestamp", past, past, false},
		"stamped in time, entered not": {"first log and timestamp", 0, past, false},
		"stamped after its end, 2":     {"second log and timestamp", past, 0, false},
	} {
		for _, f := range formats() {
			if f == policy.Legacy && strings.HasPrefix(c.how, "second") {
				continue // has no place for such an entry
			}
			t.Run(name+", "+string(f), func(t *testing.T) {
				s := sigstore.New(t)
				s.Intermediate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
				s.Issued, s.Entered = c.issued, c.entered
				w := newWorld(t, registry.Options{})
				img := w.push("actions/a", "a")
				w.signKeyless(img, ways(s)[c.how], f)
				_, err := w.demanding(s, person(me, "")).Verify(t.Context(), img, verify.Subject{})
				if (err == nil) != c.good {
					t.Errorf("error %v, want it to pass: %t", err, c.good)
				}
			})
		}
	}
}

// Many bundles of strangers before the good one cost as many requests, up to a
// bound beyond which nothing is good; what says of itself that it is something
// else costs none.
func TestAttack21_FloodOfBundles(t *testing.T) {
	for name, c := range map[string]struct {
		many      int
		predicate string
		good      bool
		requests  int
	}{
		"signatures":        {maxSignatures - 1, signPredicate, true, 2*maxSignatures + 10},
		"too many":          {maxSignatures, signPredicate, false, 2*maxSignatures + 10},
		"bills of material": {maxSignatures - 1, spdx, true, maxHostile},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registry.Options{})
			img := w.push("actions/a", "a")
			flood := string(w.bundle(img, c.predicate, newSigner(t)))
			for i := range c.many {
				w.attach(img, []byte(flood+strings.Repeat(" ", i)), c.predicate)
			}
			before := w.referrers(img)
			w.sign(img, w.trusted, policy.Bundle)
			w.lastOfPages(append(before, slices.DeleteFunc(w.referrers(img), func(d v1.Descriptor) bool {
				return slices.ContainsFunc(before, func(b v1.Descriptor) bool { return b.Digest == d.Digest })
			})...))
			w.served.Reset()
			_, err := w.verifier().Verify(t.Context(), img, verify.Subject{})
			if c.good && err != nil || !c.good && (err == nil || !strings.Contains(err.Error(), "only 100 of them were looked at")) {
				t.Errorf("error %v, want it to pass: %t", err, c.good)
			}
			if n := w.served.Requests(); n > c.requests {
				t.Errorf("%d requests, want at most %d", n, c.requests)
			}
		})
	}
}

// referrers of an image, in an order of the registry's.
func (w *world) referrers(img verify.Image) []v1.Descriptor {
	w.Helper()
	index, err := remote.Referrers(digestOf(w, img))
	if err != nil {
		w.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		w.Fatal(err)
	}
	return list.Manifests
}

// lastOfPages has the registry list the last referrer on a page of its own.
func (w *world) lastOfPages(all []v1.Descriptor) {
	w.served.Hook(func(rw http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/referrers/") {
			return false
		}
		page := all[len(all)-1:]
		if req.URL.Query().Get("last") == "" {
			page = all[:len(all)-1]
			rw.Header().Set("Link", "<"+req.URL.Path+`?last=x>; rel="next"`)
		}
		rw.Header().Set("Content-Type", string(types.OCIImageIndex))
		_ = json.NewEncoder(rw).Encode(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: page}) // who went away reads nothing
		return true
	})
}

// identifiedAs signs img by identity and attaches nothing yet.
func (w *world) identifiedAs(img verify.Image, services sign.Services) bundled {
	w.Helper()
	by, err := sign.Keyless(sigstore.Token(me), services)
	if err != nil {
		w.Fatal(err)
	}
	return w.identified(img, by)
}

// bundled is a bundle that can be taken apart.
type bundled struct {
	testing.TB
	fields map[string]any
}

// identified signs img and attaches nothing yet.
func (w *world) identified(img verify.Image, by *sign.Signer) bundled {
	w.Helper()
	b := bundled{TB: w}
	if err := json.Unmarshal(w.bundle(img, signPredicate, by), &b.fields); err != nil {
		w.Fatal(err)
	}
	return b
}

func (b bundled) material() map[string]any {
	return b.fields["verificationMaterial"].(map[string]any)
}

// entries of transparency logs.
func (b bundled) entries() []json.RawMessage {
	b.Helper()
	var out []json.RawMessage
	list, _ := b.material()["tlogEntries"].([]any)
	for _, e := range list {
		text, err := json.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, text)
	}
	return out
}

// with is the bundle with other entries.
func (b bundled) with(entries ...json.RawMessage) []byte {
	b.material()["tlogEntries"] = entries
	return b.text()
}

func (b bundled) text() []byte {
	b.Helper()
	text, err := json.Marshal(b.fields)
	if err != nil {
		b.Fatal(err)
	}
	return text
}
