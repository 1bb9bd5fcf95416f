package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/kubernaut/kubernaut/test/registry"
)

func spec() Spec {
	return Spec{
		Files: []File{
			{Path: "/usr/bin/z", Mode: 0o555, Content: []byte("z")},
			{Path: "/action-entrypoint", Mode: 0o555, Content: []byte("binary")},
		},
		Contract:   []byte("kind: ActionContract\n"),
		Entrypoint: []string{"/action-entrypoint"},
		Env:        []string{"A=b"},
		Labels:     map[string]string{"z": "1", "a": "2"},
		WorkingDir: "/workspace",
	}
}

func digest(t *testing.T, s Spec) v1.Hash {
	t.Helper()
	img, err := Build(s)
	if err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestBuildIsReproducible(t *testing.T) {
	first := digest(t, spec())
	fromDisk := spec()
	file := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(file, []byte("binary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, time.Unix(7, 0), time.Unix(7, 0)); err != nil {
		t.Fatal(err)
	}
	fromDisk.Files = []File{{Path: "/action-entrypoint", Mode: 0o555, FromDisk: file}, spec().Files[0]}
	if second := digest(t, fromDisk); second != first {
		t.Errorf("order or source of files changed the digest: %s, %s", first, second)
	}
	other := spec()
	other.Contract = []byte("kind: Other\n")
	if digest(t, other) == first {
		t.Error("another contract has the same digest")
	}
	// Written down, so that a change of the toolchain's gzip or of this code is
	// noticed: every action image gets a new digest then, and needs a new signature.
	const want = "sha256:8ada9b7a462395b5bb88e57d9bcbfdb3e06a527f468d7090a1d95f9a13d5bb76"
	if first.String() != want {
		t.Errorf("digest of the sample image is %s, want %s", first, want)
	}
}

func TestBuild(t *testing.T) {
	img, err := Build(spec())
	if err != nil {
		t.Fatal(err)
	}
	validatePushed(t, img)
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.MediaType != types.OCIManifestSchema1 || manifest.Config.MediaType != types.OCIConfigJSON || len(manifest.Layers) != 2 {
		t.Errorf("manifest is %+v", manifest)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		Entrypoint: []string{"/action-entrypoint"}, User: "65532:65532", Env: []string{"A=b"},
		Labels: map[string]string{"z": "1", "a": "2"}, WorkingDir: "/workspace",
	}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if config.OS != "linux" || config.Architecture != "amd64" || !config.Created.Time.Equal(time.Unix(0, 0)) {
		t.Errorf("config is %+v", config)
	}
}

func TestBuildLayers(t *testing.T) {
	img, err := Build(spec())
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{
		{"dr0755 etc/", "-r0444 etc/group", "-r0444 etc/passwd", "-r0555 action-entrypoint", "dr1777 tmp/", "dr0755 usr/", "dr0755 usr/bin/", "-r0555 usr/bin/z"},
		{"-r0444 action-contract.yaml"},
	} {
		got := list(t, layers[i])
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("layer %d (-want +got):\n%s", i+1, diff)
		}
	}
}

// validatePushed has the library check everything after a trip to a registry.
func validatePushed(t *testing.T, img v1.Image) {
	t.Helper()
	ref, err := name.NewTag(registry.New(t, registry.Options{}).Image("actions/a") + ":v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	back, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(back); err != nil {
		t.Error(err)
	}
}

// list reads a layer as "type mode name" and checks what must be zero.
func list(t *testing.T, layer v1.Layer) []string {
	t.Helper()
	rc, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	var lines []string
	for archive := tar.NewReader(rc); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("header of %s is %+v", h.Name, h)
		}
		kind := "-r"
		if h.Typeflag == tar.TypeDir {
			kind = "dr"
		}
		lines = append(lines, kind+octal(h.Mode)+" "+h.Name)
	}
}

func octal(mode int64) string {
	return string([]byte{'0' + byte(mode>>9&7), '0' + byte(mode>>6&7), '0' + byte(mode>>3&7), '0' + byte(mode&7)})
}

func TestBuildRefuses(t *testing.T) {
	for name, files := range map[string][]File{
		"twice":            {{Path: "/a"}, {Path: "a"}},
		"twice, unclean":   {{Path: "/a/b"}, {Path: "/a/c/../b"}},
		"no path":          {{Path: "/"}},
		"missing on disk":  {{Path: "/a", FromDisk: filepath.Join(t.TempDir(), "missing")}},
		"file of our own":  {{Path: "/etc/passwd"}},
		"file as a folder": {{Path: "/a"}, {Path: "/a/b"}},
	} {
		if _, err := Build(Spec{Files: files}); err == nil {
			t.Errorf("%s: built", name)
		}
	}
}
