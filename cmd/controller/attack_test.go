package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

// Each test here plays a row of the list of attacks on image verification, by
// its number, against the controllers as they ship: nothing may be made, and
// the next good run has to go through.

func TestGoodRun(t *testing.T) {
	s := newSite(t, registry.Options{})
	s.trust(s.key)
	a, b := s.sign(s.push("a", document), policy.Bundle), s.sign(s.push("b", document), policy.Legacy)
	s.start("run", a.String(), b.String())
	s.settle()
	s.served.Reset()
	s.succeed("run-a")
	s.settle()
	if jobs := s.jobs(); len(jobs) != 2 || jobs[0] != "run-a "+a.String() || jobs[1] != "run-b "+b.String() {
		_, message := s.ready("run")
		t.Errorf("Jobs %v, %s", jobs, message)
	}
	if n := s.served.Requests(); n != 0 {
		t.Errorf("starting a step of a run that was admitted took %d requests: %v", n, s.served.Log())
	}
}

// What a run costs can be read off the metrics that ship.
func TestMetricsOfARun(t *testing.T) {
	s := newSite(t, registry.Options{})
	s.trust(s.key)
	img := s.sign(s.push("a", document), policy.Bundle)
	s.restart()
	s.served.Reset()
	s.start("run", img.String(), img.String())
	s.settle()
	s.succeed("run-a")
	s.settle()
	for name, want := range map[string]float64{
		"kubernaut_verifications_total": 4, "kubernaut_verification_duration_seconds": 4, "kubernaut_verification_cache_total": 4,
		"kubernaut_verification_cache_total miss": 1, "kubernaut_registry_requests_total": float64(s.served.Requests()),
	} {
		if got := s.count(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// count adds up a metric, of those with this label's value if one follows.
func (s *site) count(metric string) (sum float64) {
	s.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		s.Fatal(err)
	}
	name, label, _ := strings.Cut(metric, " ")
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				sum += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// A registry that never ends an answer costs its runs a bounded time, whatever
// it is asked for, and is no proof of anything.
func TestAttack8_AnswersWithoutEnd(t *testing.T) {
	for _, part := range []string{"/manifests/sha256", "/referrers/", "/blobs/"} {
		t.Run(part, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trust(s.key)
			img := s.sign(s.push("a", document), policy.Bundle)
			s.patience = 300 * time.Millisecond
			s.restart()
			s.served.Hook(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, part) {
					return false
				}
				w.Header().Set("Content-Type", string(types.OCIImageIndex))
				for r.Context().Err() == nil {
					if _, err := w.Write([]byte(" ")); err != nil {
						break
					}
					_ = http.NewResponseController(w).Flush()
					select {
					case <-r.Context().Done():
					case <-time.After(10 * time.Millisecond):
					}
				}
				return true
			})
			s.nothing(v1alpha1.ReasonRegistryUnavailable, func() { s.served.Hook(nil) }, img.String())
		})
	}
}

// A registry that names another image each time it is asked for a tag gets the
// one that was verified into the Job, or none.
func TestAttack10_TagThatMoves(t *testing.T) {
	for name, goodFirst := range map[string]bool{"good first": true, "evil first": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trust(s.key)
			good := s.sign(s.push("moving", document), policy.Bundle)
			evil, err := s.reader.Push(t.Context(), s.served.Image("actions/moving")+":evil", s.build("evil", document))
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			s.served.Hook(func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/manifests/v1") {
					asked++
					digest := evil.Digest
					if goodFirst == (asked == 1) {
						digest = good.Digest
					}
					r.URL.Path = strings.TrimSuffix(r.URL.Path, "v1") + digest
				}
				return false
			})
			tag := s.served.Image("actions/moving") + ":v1"
			if !goodFirst {
				s.nothing(v1alpha1.ReasonImageUnsigned, func() { s.served.Hook(nil) }, tag)
				return
			}
			s.start("run", tag, tag)
			s.settle()
			s.succeed("run-a")
			s.settle()
			if jobs := strings.Join(s.jobs(), "\n"); strings.Count(jobs, good.String()) != 2 || strings.Contains(jobs, evil.Digest) {
				t.Errorf("Jobs run\n%s\nverified is %s", jobs, good)
			}
			if asked != 1 {
				t.Errorf("the tag was asked for %d times", asked)
			}
		})
	}
}

// instead answers requests whose path ends so with other bytes.
func (s *site) instead(end string, body []byte, kind string) {
	s.served.Hook(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, end) {
			return false
		}
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		_, _ = w.Write(body)
		return true
	})
}

// fetch reads what the registry serves at a path of a repository.
func (s *site) fetch(repository, path string) []byte {
	s.Helper()
	resp, err := http.Get("http://" + s.served.Host() + "/v2/" + repository + path)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.Fatal(resp.Status, err)
	}
	return data
}

func TestAttack11_RegistryLiesAboutBytes(t *testing.T) {
	wide := strings.Replace(document, "[get]", `["*"]`, 1)
	for name, c := range map[string]struct {
		reason string
		lie    func(s *site, img verify.Image, layers []v1.Layer)
	}{
		"manifest of another image": {v1alpha1.ReasonRegistryUnavailable, func(s *site, img verify.Image, _ []v1.Layer) {
			other := s.push("other", wide)
			s.instead("/manifests/"+img.Digest, s.fetch("actions/other", "/manifests/"+other.Digest), string(types.OCIManifestSchema1))
		}},
		"manifest with one byte more": {v1alpha1.ReasonRegistryUnavailable, func(s *site, img verify.Image, _ []v1.Layer) {
			s.instead("/manifests/"+img.Digest, append(s.fetch("actions/told", "/manifests/"+img.Digest), '\n'), string(types.OCIManifestSchema1))
		}},
		"contract of another image": {v1alpha1.ReasonRegistryUnavailable, func(s *site, _ verify.Image, layers []v1.Layer) {
			evil, err := s.build("evil", wide).Layers()
			if err != nil {
				s.Fatal(err)
			}
			s.instead("/blobs/"+digestOf(s, layers[len(layers)-1]), bytesOf(s, evil[len(evil)-1]), "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trust(s.key)
			img := s.sign(s.push("told", document), policy.Bundle)
			layers, err := s.build("told", document).Layers()
			if err != nil {
				t.Fatal(err)
			}
			s.restart() // nothing is remembered of the true answers
			c.lie(s, img, layers)
			s.nothing(c.reason, func() { s.served.Hook(nil) }, img.String())
		})
	}
}

func digestOf(t testing.TB, l v1.Layer) string {
	t.Helper()
	d, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func bytesOf(t testing.TB, l v1.Layer) []byte {
	t.Helper()
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pushIndex writes an index of images under a tag.
func (s *site) pushIndex(repository string, children ...v1.Image) verify.Image {
	s.Helper()
	index := mutate.IndexMediaType(v1.ImageIndex(empty.Index), types.OCIImageIndex)
	for i, child := range children {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: child, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: []string{"amd64", "arm64", "riscv64"}[i]}}})
	}
	ref, err := name.NewTag(s.served.Image(repository)+":v1", name.Insecure)
	if err != nil {
		s.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		s.Fatal(err)
	}
	d, err := index.Digest()
	if err != nil {
		s.Fatal(err)
	}
	return verify.Image{Repository: ref.Context().Name(), Digest: d.String()}
}

// The rights of an action come from its contract: they may not depend on the
// node that the pod lands on, and a signature of one child vouches for itself.
func TestAttack12_IndexesAndChildren(t *testing.T) {
	for name, c := range map[string]struct {
		reason string
		make   func(s *site, good, evil v1.Image) verify.Image
	}{
		"signed index with an evil child": {v1alpha1.ReasonContractInvalid, func(s *site, good, evil v1.Image) verify.Image {
			return s.sign(s.pushIndex("actions/multi", good, evil), policy.Bundle)
		}},
		"evil index with a signed child": {v1alpha1.ReasonImageUnsigned, func(s *site, good, evil v1.Image) verify.Image {
			index := s.pushIndex("actions/multi", good, evil)
			d, err := good.Digest()
			if err != nil {
				s.Fatal(err)
			}
			s.sign(verify.Image{Repository: index.Repository, Digest: d.String()}, policy.Bundle)
			return index
		}},
		"evil child of a signed index": {v1alpha1.ReasonImageUnsigned, func(s *site, good, evil v1.Image) verify.Image {
			index := s.sign(s.pushIndex("actions/multi", good, evil), policy.Bundle)
			d, err := evil.Digest()
			if err != nil {
				s.Fatal(err)
			}
			return verify.Image{Repository: index.Repository, Digest: d.String()}
		}},
		"signed index of nothing": {v1alpha1.ReasonContractInvalid, func(s *site, _, _ v1.Image) verify.Image {
			return s.sign(s.pushIndex("actions/multi"), policy.Bundle)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trust(s.key)
			evil := s.build("evil", strings.Replace(document, "[get]", "[get, delete]", 1))
			s.nothing(c.reason, func() {}, c.make(s, s.build("good", document), evil).String())
		})
	}
}

// A policy that cannot be read guards what it names all the same, and its loss
// counts for what was remembered and for steps of runs that were admitted.
func TestAttack18_PolicyLostOrUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		reason      string
		spoil, mend func(s *site)
	}{
		"key Secret deleted": {v1alpha1.ReasonPolicyUnusable, func(s *site) { s.remove(s.secret()) }, (*site).nothingElse},
		"key Secret empty": {v1alpha1.ReasonPolicyUnusable, func(s *site) {
			secret := s.secret()
			secret.Data = nil
			s.apply(secret)
		}, (*site).nothingElse},
		"policy with a typing error": {v1alpha1.ReasonPolicyUnusable, func(s *site) {
			s.policy(fmt.Sprintf("[{key: {dataa: x}}, {key: {data: %q}}]", public(s, s.key)))
		}, (*site).nothingElse},
		"policy of nobody":    {v1alpha1.ReasonPolicyUnusable, func(s *site) { s.policy("[]") }, (*site).nothingElse},
		"no policy at all":    {v1alpha1.ReasonNoMatchingPolicy, func(s *site) { s.remove(s.policy("[]")) }, (*site).nothingElse},
		"policies not read":   {v1alpha1.ReasonRegistryUnavailable, func(s *site) { s.outage = errors.New("no route to host") }, func(s *site) { s.outage = nil }},
		"key Secret not read": {v1alpha1.ReasonRegistryUnavailable, func(s *site) { s.unread = errors.New("no route to host") }, func(s *site) { s.unread = nil }},
		"key Secret forbidden": {v1alpha1.ReasonPolicyUnusable, func(s *site) {
			s.unread = apierrors.NewForbidden(corev1.Resource("secrets"), "keys", errors.New("no role"))
		}, func(s *site) { s.unread = nil }},
		"TrustRoot that is not there": {v1alpha1.ReasonPolicyUnusable, func(s *site) {
			s.policy("[{keyless: {trustRootRef: gone, identities: [{issuer: i, subject: s}]}}, {key: {secretRef: {name: keys}}}]")
		}, (*site).nothingElse},
		"one that enforces beside a good one": {v1alpha1.ReasonImageUnsigned, func(s *site) {
			s.object(fmt.Sprintf(`{apiVersion: policy.sigstore.dev/v1beta1, kind: ClusterImagePolicy, metadata: {name: second}, spec: {images: [{glob: "**"}], authorities: [{key: {data: %q}}]}}`, public(s, newKey(s))))
		}, func(s *site) {
			s.remove(s.object(`{apiVersion: policy.sigstore.dev/v1beta1, kind: ClusterImagePolicy, metadata: {name: second}, spec: {}}`))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trusted()
			img := s.sign(s.push("a", document), policy.Bundle)
			s.start("run", img.String(), img.String())
			s.settle()
			if jobs := s.jobs(); len(jobs) != 1 {
				_, message := s.ready("run")
				t.Fatalf("Jobs %v: %s", jobs, message)
			}
			c.spoil(s)
			s.succeed("run-a")
			s.settle()
			if jobs := s.jobs(); len(jobs) != 1 {
				t.Errorf("a step of a run under way was started: %v", jobs)
			}
			s.made = nil
			reason := c.reason
			if reason == v1alpha1.ReasonImageUnsigned {
				reason = v1alpha1.ReasonSignatureInvalid // by the first key, and the second asks for another
			}
			s.nothing(reason, func() { c.mend(s) }, img.String())
		})
	}
}

func (*site) nothingElse() {}

// What the registry says of signatures where it does not want to say anything
// is no proof that there are none.
func TestAttack20_ReferrersAnswerOddly(t *testing.T) {
	page := []byte("<html><body>Please log in</body></html>")
	for name, c := range map[string]struct {
		reason string
		status int
		kind   string
		body   []byte
	}{
		"500":             {v1alpha1.ReasonRegistryUnavailable, 500, "text/plain", []byte("oh")},
		"503 in HTML":     {v1alpha1.ReasonRegistryUnavailable, 503, "text/html", page},
		"429":             {v1alpha1.ReasonRegistryUnavailable, 429, "text/plain", nil},
		"200 in HTML":     {v1alpha1.ReasonImageUnsigned, 200, "text/html", page},
		"404":             {v1alpha1.ReasonImageUnsigned, 404, "text/plain", nil},
		"an empty list":   {v1alpha1.ReasonImageUnsigned, 200, string(types.OCIImageIndex), []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)},
		"no list at all":  {v1alpha1.ReasonRegistryUnavailable, 200, string(types.OCIImageIndex), []byte(`[]`)},
		"a list cut off":  {v1alpha1.ReasonRegistryUnavailable, 200, string(types.OCIImageIndex), []byte(`{"schemaVersion":2,"manif`)},
		"a list for ever": {v1alpha1.ReasonSignatureInvalid, 200, string(types.OCIImageIndex), bytes.Repeat([]byte(" "), 5<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trust(s.key)
			img := s.sign(s.push("a", document), policy.Bundle)
			s.restart()
			s.served.Hook(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/referrers/") {
					return false
				}
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				_, _ = w.Write(c.body)
				return true
			})
			s.nothing(c.reason, func() {
				// Neither is it remembered once the repository is read as usual.
				s.served.Hook(nil)
				next, err := s.reader.Push(t.Context(), s.served.Image("actions/a")+":v2", s.build("next", document))
				if err != nil {
					t.Fatal(err)
				}
				s.start("next", s.sign(next, policy.Bundle).String())
				s.settle()
			}, img.String())
		})
	}
}

// Signed images whose contract is a trick.
func TestAttack25_ContractTricks(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, c := range map[string]struct{ reason, contract string }{
		"none":                     {v1alpha1.ReasonContractInvalid, ""},
		"YAML bomb":                {v1alpha1.ReasonContractInvalid, bomb},
		"huge":                     {v1alpha1.ReasonContractInvalid, document + "# " + strings.Repeat("x", 4<<20)},
		"deep":                     {v1alpha1.ReasonContractInvalid, "kind: " + strings.Repeat("[", 200_000)},
		"two documents":            {v1alpha1.ReasonContractInvalid, document + "---\n" + document},
		"a key twice":              {v1alpha1.ReasonContractInvalid, strings.Replace(document, "  rbac:", "  rbac: {permissions: []}\n  rbac:", 1)},
		"an unknown field":         {v1alpha1.ReasonContractInvalid, document + "  privileged: true\n"},
		"all verbs":                {v1alpha1.ReasonContractInvalid, strings.Replace(document, "[get]", `["*"]`, 1)},
		"all resources":            {v1alpha1.ReasonContractInvalid, strings.Replace(document, "[deployments]", `["*"]`, 1)},
		"all groups":               {v1alpha1.ReasonContractInvalid, strings.Replace(document, "[apps]", `["*"]`, 1)},
		"rights to make rights":    {v1alpha1.ReasonRightsExceeded, strings.Replace(strings.Replace(document, "[apps]", "[rbac.authorization.k8s.io]", 1), "[deployments]", "[roles]", 1)},
		"a resource of a resource": {v1alpha1.ReasonRightsExceeded, strings.Replace(strings.Replace(document, "[apps]", `[""]`, 1), "[deployments]", "[serviceaccounts/token]", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, registry.Options{})
			s.trust(s.key)
			spec := image.Spec{Files: []image.File{{Path: "/action", Content: []byte(name)}}}
			if c.contract != "" {
				spec.Contract = []byte(c.contract)
			}
			built, err := image.Build(spec)
			if err != nil {
				t.Fatal(err)
			}
			img, err := s.reader.Push(t.Context(), s.served.Image("actions/trick")+":v1", built)
			if err != nil {
				t.Fatal(err)
			}
			s.nothing(c.reason, func() {}, s.sign(img, policy.Bundle).String())
		})
	}
}
