package trust

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// mirror serves a TUF repository that changes.
type mirror struct {
	*sigstore.Repository
	testing.TB
	url, target string
	content     []byte

	mu    sync.Mutex
	files map[string][]byte
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{Repository: sigstore.NewRepository(t), TB: t, target: "trusted_root.json", content: sigstore.New(t).RootJSON(t)}
	m.show(sigstore.State{Roots: 1, Version: 1})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		data, found := m.files[strings.TrimPrefix(r.URL.Path, "/")]
		m.mu.Unlock()
		if !found {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write(data) // who went away reads nothing
	}))
	t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

// show changes what is served, and returns it.
func (m *mirror) show(s sigstore.State) map[string][]byte {
	m.Helper()
	s.Target, s.Content = m.target, m.content
	files := m.Files(m, s)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files = files
	return maps.Clone(files)
}

// remote is the mirror as a policy names it, pinned to a root.
func (m *mirror) remote(root []byte) *policy.Root {
	return &policy.Root{Name: "mine", Hash: "remote", Remote: &policy.RootRemote{Root: root, Mirror: m.url, Target: m.target}}
}

// copied is a copy of files, as Policy Controller packs them.
func copied(t testing.TB, files map[string][]byte, target string) *policy.Root {
	t.Helper()
	return &policy.Root{Name: "mine", Hash: "copy", Repository: &policy.RootRepository{Root: files["1.root.json"], Mirror: sigstore.Packed(t, files), Targets: "targets", Target: target}}
}

func TestRootsFromRepositories(t *testing.T) {
	m := newMirror(t)
	first := m.show(sigstore.State{Roots: 1, Version: 1})
	now := m.show(sigstore.State{Roots: 3, Version: 7})
	for name, from := range map[string]*policy.Root{"copy": copied(t, now, m.target), "mirror": m.remote(first["1.root.json"])} {
		got, err := New(Options{}).Material(t.Context(), from)
		if err != nil || len(got.FulcioCertificateAuthorities()) != 1 || len(got.RekorLogs()) == 0 {
			t.Errorf("%s: %v, error %v", name, got, err)
		}
	}
}

// A copy or a mirror that somebody set back, let grow old or changed is no root
// of trust. Each change is made to both.
func TestAttack22_RepositoriesThatAreNotToBeTrusted(t *testing.T) {
	other := sigstore.NewRepository(t)
	for name, c := range map[string]struct {
		spoil func(m *mirror, files map[string][]byte)
		says  string
	}{
		"timestamp expired": {func(m *mirror, files map[string][]byte) {
			maps.Copy(files, m.show(sigstore.State{Roots: 2, Version: 7, Expires: time.Now().Add(-time.Minute)}))
		}, "expired"},
		"an old root in place of the next": {func(_ *mirror, files map[string][]byte) { files["2.root.json"] = files["1.root.json"] }, "version"},
		"a root by nobody who may": {func(m *mirror, files map[string][]byte) {
			files["2.root.json"] = other.Files(m, sigstore.State{Roots: 2, Version: 1, Target: "a"})["2.root.json"]
		}, "root"},
		"another snapshot than the timestamp says": {func(m *mirror, files map[string][]byte) {
			files["7.snapshot.json"] = m.show(sigstore.State{Roots: 2, Version: 6})["6.snapshot.json"]
		}, "expected 7, got 6"},
		"another file than the targets say": {func(_ *mirror, files map[string][]byte) {
			for path := range files {
				if strings.HasPrefix(path, "targets/") {
					files[path] = append([]byte(" "), files[path][1:]...)
				}
			}
		}, "target"},
		"the file is missing": {func(_ *mirror, files map[string][]byte) {
			maps.DeleteFunc(files, func(path string, _ []byte) bool { return strings.HasPrefix(path, "targets/") })
		}, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			files := m.show(sigstore.State{Roots: 2, Version: 7})
			root := files["1.root.json"]
			c.spoil(m, files)
			m.mu.Lock()
			m.files = files
			m.mu.Unlock()
			for _, from := range []*policy.Root{copied(t, files, m.target), m.remote(root)} {
				got, err := New(Options{}).Material(t.Context(), from)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v, error %v, want %q", from.Hash, got, err, c.says)
				}
				// A server may say something better tomorrow, a copy does not.
				var final *Unusable
				if errors.As(err, &final) != (from.Repository != nil) {
					t.Errorf("%s: final is %t: %v", from.Hash, final != nil, err)
				}
			}
		})
	}
}

// clock is set by hand.
type clock struct{ now time.Time }

// Now is cache.Clock.
func (c *clock) Now() time.Time { return c.now }

// A mirror that goes back to what it said before is not followed, though all in
// it is signed and has not expired; one that goes on is followed once a day.
func TestAttack22_MirrorSetBack(t *testing.T) {
	m := newMirror(t)
	root := m.show(sigstore.State{Roots: 1, Version: 5})["1.root.json"]
	c := &clock{time.Now()}
	roots := New(Options{Clock: c})
	ask := func() error {
		c.now = c.now.Add(fresh + time.Second)
		_, err := roots.Material(t.Context(), m.remote(root))
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	m.show(sigstore.State{Roots: 1, Version: 4})
	if err := ask(); err == nil || !strings.Contains(err.Error(), "version 4, and 5 was seen before") {
		t.Errorf("an old state: error %v", err)
	}
	m.show(sigstore.State{Roots: 2, Version: 6})
	if err := ask(); err != nil {
		t.Errorf("a new state: %v", err)
	}
}

// A mirror that is kept as it was is believed until what it says expires, and
// no newer version is needed to see that; nor does its loss free from it.
func TestAttack22_MirrorFrozen(t *testing.T) {
	m := newMirror(t)
	first := m.show(sigstore.State{Roots: 1, Version: 5})["1.root.json"]
	c := &clock{time.Now()}
	roots := New(Options{Clock: c})
	ask := func() (root.TrustedMaterial, error) {
		c.now = c.now.Add(fresh + time.Second)
		return roots.Material(t.Context(), m.remote(first))
	}
	for range 2 {
		if _, err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	m.show(sigstore.State{Roots: 1, Version: 5, Expires: time.Now().Add(-time.Minute)})
	if got, err := ask(); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("a frozen mirror: %v, error %v", got, err)
	}
	m.mu.Lock()
	m.files = nil
	m.mu.Unlock()
	if got, err := ask(); err == nil || got != nil {
		t.Errorf("a lost mirror: %v, error %v", got, err)
	}
}

// A clock that is wrong, ours or that of the repository's keeper, makes no older
// state good, however late that one ends.
func TestAttack22_ClockSkew(t *testing.T) {
	m := newMirror(t)
	first := m.show(sigstore.State{Roots: 1, Version: 5, Expires: time.Now().AddDate(20, 0, 0)})["1.root.json"]
	c := &clock{time.Now()}
	roots := New(Options{Clock: c})
	if _, err := roots.Material(t.Context(), m.remote(first)); err != nil {
		t.Fatal(err)
	}
	m.show(sigstore.State{Roots: 1, Version: 4, Expires: time.Now().AddDate(30, 0, 0)})
	c.now = c.now.Add(-fresh)
	if _, err := roots.Material(t.Context(), m.remote(first)); err != nil {
		t.Errorf("what is remembered: %v", err)
	}
	c.now = c.now.Add(3 * fresh)
	if got, err := roots.Material(t.Context(), m.remote(first)); err == nil || !strings.Contains(err.Error(), "seen before") {
		t.Errorf("an older state that expires later: %v, error %v", got, err)
	}
}
