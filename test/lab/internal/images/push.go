package images

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// Ref is the image of one of the lab's own programs.
func Ref(program string) string { return place.Registry + "/lab/" + program + ":v1" }

// Push puts an image into the registry that holds one static program and
// nothing else.
func Push(ctx context.Context, path, ref string) error {
	binary, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read program: %w", err)
	}
	image, err := single(filepath.Base(path), binary)
	if err != nil {
		return fmt.Errorf("make image %s: %w", ref, err)
	}
	to, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		return fmt.Errorf("parse image %s: %w", ref, err)
	}
	if err := remote.Write(to, image, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push image %s: %w", ref, err)
	}
	return nil
}

func single(program string, binary []byte) (v1.Image, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	if err := w.WriteHeader(&tar.Header{Name: program, Mode: 0o555, Size: int64(len(binary))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: runtime.GOARCH, OS: "linux", RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/" + program}}})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layer)
}
