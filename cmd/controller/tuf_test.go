package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// kept is a TUF repository that holds the root of some services, and a server
// that gives it out.
type kept struct {
	*site
	services   *sigstore.Services
	repository *sigstore.Repository
	url        string

	mu    sync.Mutex
	files map[string][]byte
}

func newKept(t *testing.T) *kept {
	t.Helper()
	k := &kept{site: newSite(t, registry.Options{}), services: sigstore.New(t), repository: sigstore.NewRepository(t)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		data, found := k.files[strings.TrimPrefix(r.URL.Path, "/")]
		k.mu.Unlock()
		if !found {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write(data) // who went away reads nothing
	}))
	t.Cleanup(server.Close)
	k.url = server.URL
	k.identified()
	return k
}

// say changes what the repository holds, and returns it.
func (k *kept) say(s sigstore.State) map[string][]byte {
	k.Helper()
	s.Target, s.Content = "trusted_root.json", k.services.RootJSON(k)
	files := k.repository.Files(k, s)
	k.give(files)
	return maps.Clone(files)
}

func (k *kept) give(files map[string][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.files = files
}

// mirrored and copied apply the TrustRoot that names the server, or holds files.
func (k *kept) mirrored(first []byte) {
	k.Helper()
	k.object(fmt.Sprintf(`{apiVersion: policy.sigstore.dev/v1alpha1, kind: TrustRoot, metadata: {name: root}, spec: {remote: {mirror: %q, root: %s}}}`,
		k.url, base64.StdEncoding.EncodeToString(first)))
}

func (k *kept) copied(files map[string][]byte) {
	k.Helper()
	k.object(fmt.Sprintf(`{apiVersion: policy.sigstore.dev/v1alpha1, kind: TrustRoot, metadata: {name: root}, spec: {repository: {root: %s, mirrorFS: %s, targets: targets}}}`,
		base64.StdEncoding.EncodeToString(files["1.root.json"]), base64.StdEncoding.EncodeToString(sigstore.Packed(k, files))))
}

// What a TUF repository vouches for runs, as a copy in the TrustRoot and on a
// server that it names.
func TestRootsOfRepositories(t *testing.T) {
	for name, trust := range map[string]func(k *kept, files map[string][]byte){
		"copy": (*kept).copied, "mirror": func(k *kept, files map[string][]byte) { k.mirrored(files["1.root.json"]) },
	} {
		k := newKept(t)
		trust(k, k.say(sigstore.State{Roots: 3, Version: 7}))
		k.start("run", k.signAs(k.push("a", document), k.services).String())
		k.settle()
		if jobs := k.jobs(); len(jobs) != 1 {
			_, message := k.ready("run")
			t.Errorf("%s: Jobs %v: %s", name, jobs, message)
		}
	}
}

// One that is out of date, was changed or is not to be had vouches for nothing.
// A server may say something better later, a copy has to be replaced.
func TestAttack22_RootsThatAreNotToBeTrusted(t *testing.T) {
	other := sigstore.NewRepository(t)
	for name, spoil := range map[string]func(k *kept, files map[string][]byte){
		"expired": func(k *kept, files map[string][]byte) {
			maps.Copy(files, k.say(sigstore.State{Roots: 2, Version: 7, Expires: time.Now().Add(-time.Minute)}))
		},
		"old root": func(_ *kept, files map[string][]byte) { files["2.root.json"] = files["1.root.json"] },
		"root of another": func(k *kept, files map[string][]byte) {
			files["2.root.json"] = other.Files(k, sigstore.State{Roots: 2, Version: 1, Target: "a"})["2.root.json"]
		},
		"old snapshot": func(k *kept, files map[string][]byte) {
			files["7.snapshot.json"] = k.say(sigstore.State{Roots: 2, Version: 6})["6.snapshot.json"]
		},
		"nothing": func(_ *kept, files map[string][]byte) { clear(files) },
	} {
		for reason, trust := range map[string]func(k *kept, first []byte, files map[string][]byte){
			v1alpha1.ReasonPolicyUnusable: func(k *kept, first []byte, files map[string][]byte) {
				files["1.root.json"] = first
				k.copied(files)
			},
			v1alpha1.ReasonRegistryUnavailable: func(k *kept, first []byte, files map[string][]byte) {
				k.give(files)
				k.mirrored(first)
			},
		} {
			t.Run(name+", "+reason, func(t *testing.T) {
				k := newKept(t)
				files := k.say(sigstore.State{Roots: 2, Version: 7})
				first := files["1.root.json"]
				spoil(k, files)
				trust(k, first, files)
				k.closed(reason, k.signAs(k.push("a", document), k.services).String())
			})
		}
	}
}
