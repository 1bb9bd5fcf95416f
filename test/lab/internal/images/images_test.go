package images

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func serve(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	handler, err := Handler(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func reference(t *testing.T, server *httptest.Server, repository string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + repository)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestImagesOutliveTheRegistry(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	first := serve(t, dir)
	for _, repository := range []string{"/a:v1", "/a:v2", "/b:v1"} {
		if err := Push(context.Background(), program, reference(t, first, repository).String()); err != nil {
			t.Fatal(err)
		}
	}
	if err := remote.Delete(reference(t, first, "/a:v2")); err != nil {
		t.Fatal(err)
	}
	first.Close()
	cutOff(t, filepath.Join(dir, "manifests.jsonl"))
	for range 2 { // the second proves that the first left the file whole
		server := serve(t, dir)
		starts(t, reference(t, server, "/a:v1"), "/program")
		if _, err := remote.Head(reference(t, server, "/a:v2")); err == nil {
			t.Error("what was deleted is back")
		}
		if err := Push(context.Background(), program, reference(t, server, "/d:v1").String()); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}

// cutOff ends a file in the middle of a line, as a crash may, which must not
// lose the lines before it.
func cutOff(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString(`{"method":"PUT","path":"/v2/c/mani`)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

// starts wants an image that starts a program.
func starts(t *testing.T, ref name.Reference, program string) {
	t.Helper()
	image, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil || !slices.Equal(config.Config.Entrypoint, []string{program}) {
		t.Errorf("the image's configuration: %+v, %v", config, err)
	}
}

func TestRefusedManifestIsNotKept(t *testing.T) {
	dir := t.TempDir()
	server := serve(t, dir)
	req, err := http.NewRequest(http.MethodPut, server.URL+"/v2/a/manifests/v1", strings.NewReader("no index"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.oci.image.index.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s", resp.Status)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "manifests.jsonl")); err != nil || len(kept) != 0 {
		t.Errorf("kept %q, %v", kept, err)
	}
}
