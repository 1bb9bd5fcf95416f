package publish

import (
	"bytes"
	"crypto"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/image/origin"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/test/registry"
)

// world is an image whose only program is this test.
type world struct {
	*testing.T
	built named
	said  *bytes.Buffer
	work  *task
	key   *sign.Signer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := origin.Read(file, "/action")
	if err != nil {
		t.Fatal(err)
	}
	built, err := wrap("actions/a", image.Spec{Entrypoint: []string{"/action"}})
	if err != nil {
		t.Fatal(err)
	}
	built.programs = []origin.Program{program}
	served := registry.New(t, registry.Options{})
	door := image.New(image.Options{Insecure: []string{served.Host()}})
	at, err := built.push(t.Context(), door, served.Image("actions/a")+":v1")
	if err != nil {
		t.Fatal(err)
	}
	private, _, err := sign.GenerateKeyPair(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.LoadSigner(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	said := &bytes.Buffer{}
	return &world{T: t, built: built, said: said, key: key, work: &task{env: &env.Env{Err: said}, door: door, by: key, refs: []string{at.String()}}}
}

// statements are what cosign finds attached and signed by the key, by type.
func (w *world) statements() map[string]json.RawMessage {
	w.Helper()
	ref, err := name.NewDigest(w.work.refs[0])
	if err != nil {
		w.Fatal(err)
	}
	verifier, err := signature.LoadVerifier(w.key.GetPublicKey(), crypto.SHA256)
	if err != nil {
		w.Fatal(err)
	}
	found, _, err := cosign.VerifyImageAttestations(w.Context(), ref, &cosign.CheckOpts{
		SigVerifier: verifier, IgnoreTlog: true, Offline: true, NewBundleFormat: true, TrustedMaterial: root.TrustedMaterialCollection{}, ClaimVerifier: cosign.IntotoSubjectClaimVerifier,
	})
	if err != nil {
		w.Fatal(err)
	}
	out := map[string]json.RawMessage{}
	for _, f := range found {
		text, err := f.Payload()
		if err != nil {
			w.Fatal(err)
		}
		var envelope struct{ Payload []byte }
		var statement struct {
			PredicateType string
			Predicate     json.RawMessage
		}
		if err := json.Unmarshal(text, &envelope); err != nil {
			w.Fatal(err)
		}
		if err := json.Unmarshal(envelope.Payload, &statement); err != nil {
			w.Fatal(err)
		}
		out[statement.PredicateType] = statement.Predicate
	}
	return out
}

// What is attached is found by cosign, says where the image came from, and is
// attached once.
func TestAttest(t *testing.T) {
	w := newWorld(t)
	about := origin.Image{Builder: "https://example.com/builder", Created: time.Unix(0, 0), Revision: strings.Repeat("b", 40)}
	for range 2 {
		if err := w.work.attest(t.Context(), []named{w.built}, about); err != nil {
			t.Fatal(err)
		}
	}
	got := w.statements()
	var bill origin.Bill
	var provenance origin.Provenance
	if err := json.Unmarshal(got[origin.SPDX], &bill); err != nil || bill.Version != "SPDX-2.3" || len(bill.Packages) != 3 {
		t.Errorf("bill %+v, error %v", bill, err)
	}
	if err := json.Unmarshal(got[origin.SLSA], &provenance); err != nil || provenance.Run.Builder.ID != about.Builder {
		t.Errorf("provenance %+v, error %v", provenance, err)
	}
	if source := provenance.Definition.External.Source; source != "git+https://github.com/kubernaut/kubernaut" {
		t.Errorf("sources are at %q", source)
	}
	ref, _ := name.NewDigest(w.work.refs[0])
	index, err := remote.Referrers(ref)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := index.IndexManifest(); err != nil || len(list.Manifests) != 2 {
		t.Errorf("%d referrers, error %v; want 2 after attesting twice", len(list.Manifests), err)
	}
}

func TestAttestWhatIsFromElsewhere(t *testing.T) {
	w := newWorld(t)
	other := w.built
	other.digest = "sha256:" + strings.Repeat("0", 64)
	err := w.work.attest(t.Context(), []named{other}, origin.Image{})
	if err == nil || !strings.Contains(err.Error(), "none that these sources give") || !strings.Contains(err.Error(), w.built.digest) {
		t.Errorf("error is %v", err)
	}
}

// Only a commit that is all of the sources is named.
func TestRevision(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, text)
		}
	}
	said := &bytes.Buffer{}
	e := &env.Env{Err: said, Environ: os.Environ, Getenv: func(string) string { return "" }}
	s := &source{dir: dir}
	about := func() origin.Image {
		t.Helper()
		said.Reset()
		got, err := s.about(t.Context(), e, ownBuilder, "")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := about(); got.Revision != "" || !strings.Contains(said.String(), "no revision") {
		t.Errorf("no repository: %+v, said %s", got, said)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "x")
	if got := about(); len(got.Revision) != 40 || said.Len() > 0 || !got.Created.Equal(time.Unix(0, 0)) {
		t.Errorf("a commit: %+v, said %s", got, said)
	}
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	s.dir = inner
	if got := about(); got.Revision != "" {
		t.Errorf("a folder in the repository: %+v", got)
	}
	s.dir = dir
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := about(); got.Revision != "" || !strings.Contains(said.String(), "differ from commit") {
		t.Errorf("a new file: %+v, said %s", got, said)
	}
}

func TestEpoch(t *testing.T) {
	epoch := "86400"
	e := &env.Env{Err: &bytes.Buffer{}, Environ: os.Environ, Getenv: func(string) string { return epoch }}
	s := &source{dir: t.TempDir()}
	if got, err := s.about(t.Context(), e, ownBuilder, ""); err != nil || !got.Created.Equal(time.Unix(86400, 0)) {
		t.Errorf("created %s, error %v", got.Created, err)
	}
	epoch = "tomorrow"
	if _, err := s.about(t.Context(), e, ownBuilder, ""); err == nil {
		t.Error("SOURCE_DATE_EPOCH may be anything")
	}
}
