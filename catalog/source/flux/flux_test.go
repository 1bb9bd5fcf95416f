package flux

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

type entry struct {
	name, link, content string
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.content)), Typeflag: tar.TypeReg}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// setup serves content as the artifact of a GitRepository that change may alter.
func setup(t *testing.T, content []byte, change func(*sourcev1.GitRepository)) (*Source, string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a.tar.gz" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(server.Close)
	o := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "catalog"}}
	o.Status.Artifact = &meta.Artifact{URL: server.URL + "/a.tar.gz", Revision: "main@sha1:abc", Digest: digest(content)}
	o.Status.Conditions = []metav1.Condition{{Type: meta.ReadyCondition, Status: metav1.ConditionTrue}}
	if change != nil {
		change(o)
	}
	scheme := runtime.NewScheme()
	if err := sourcev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(client.Object(o)).Build()
	dir := t.TempDir()
	return New(reader, "ops", v1alpha1.SourceReference{Kind: "GitRepository", Name: "catalog"}, Options{Dir: dir}), dir
}

func TestFetch(t *testing.T) {
	s, dir := setup(t, archive(t, entry{name: "x/a.yaml", content: "one\n"}, entry{name: "link", link: "/etc/passwd"}), nil)
	got, err := s.Fetch(context.Background(), "main@sha1:old")
	if err != nil {
		t.Fatal(err)
	}
	content, err := fs.ReadFile(got.Tree, "x/a.yaml")
	if err != nil || string(content) != "one\n" || got.Revision != "main@sha1:abc" || got.Commit != nil {
		t.Errorf("content %q, error %v, snapshot %+v", content, err, got)
	}
	if _, err := fs.Stat(got.Tree, "link"); err == nil {
		t.Error("a symbolic link was unpacked")
	}
	if err := got.Close(); err != nil {
		t.Error(err)
	}
	empty(t, dir)
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFetchKnownRevision(t *testing.T) {
	s, dir := setup(t, nil, nil)
	got, err := s.Fetch(context.Background(), "main@sha1:abc")
	if err != nil || got.Tree != nil || got.Revision != "main@sha1:abc" {
		t.Errorf("%+v, %v", got, err)
	}
	empty(t, dir)
}

func TestFetchWaits(t *testing.T) {
	for name, change := range map[string]func(*sourcev1.GitRepository){
		"missing":     func(o *sourcev1.GitRepository) { o.Name = "other" },
		"no artifact": func(o *sourcev1.GitRepository) { o.Status.Artifact = nil },
		"not ready":   func(o *sourcev1.GitRepository) { o.Status.Conditions[0].Status = metav1.ConditionFalse },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := setup(t, nil, change)
			_, err := s.Fetch(context.Background(), "")
			if wait, ok := run.AsWait(err); !ok || wait.Reason != v1alpha1.ReasonDependencyNotReady || !wait.Until.IsZero() {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFetchRefusesAndFails(t *testing.T) {
	good := archive(t, entry{name: "a.yaml", content: "one\n"})
	for _, c := range []struct {
		name    string
		content []byte
		change  func(*sourcev1.GitRepository)
		refused bool
	}{
		{"other content than its digest", good, func(o *sourcev1.GitRepository) { o.Status.Artifact.Digest = digest(nil) }, false},
		{"other digest algorithm", good, func(o *sourcev1.GitRepository) { o.Status.Artifact.Digest = "md5:0" }, true},
		{"artifact gone", good, func(o *sourcev1.GitRepository) { o.Status.Artifact.URL += "x" }, false},
		{"no archive", []byte("hello"), nil, true},
		{"way out of the directory", archive(t, entry{name: "../a.yaml", content: "x"}), nil, true},
		{"too large", append(good, make([]byte, maxArtifact)...), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, dir := setup(t, c.content, c.change)
			_, err := s.Fetch(context.Background(), "")
			if _, refused := run.AsRefusal(err); err == nil || refused != c.refused {
				t.Errorf("got %v", err)
			}
			empty(t, dir)
		})
	}
}

func TestFetchRefusesOtherKinds(t *testing.T) {
	s, _ := setup(t, nil, nil)
	s.kind = "Bucket"
	if _, err := s.Fetch(context.Background(), ""); err == nil {
		t.Error("a Bucket is taken")
	}
	if Object("Bucket") != nil {
		t.Error("an object for a Bucket")
	}
}
