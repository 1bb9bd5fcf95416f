package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// nonroot is the user that distroless images made a habit.
	nonroot = "65532:65532"
	// passwd lets libraries that look up their user find one.
	passwd = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n"
	group  = "root:x:0:\nnonroot:x:65532:\n"
)

// File is one file of an image. It belongs to root and only its mode lets
// others read it, so that an action cannot change itself.
type File struct {
	// Path in the image, absolute; a slash at the end makes an empty directory.
	Path string
	// Mode bits; zero means 0444, for a directory 0755.
	Mode int64
	// Content of the file, unless FromDisk names where it is read from.
	Content  []byte
	FromDisk string
}

// Spec describes an image. Equal specs make equal digests, on any machine and
// at any time.
type Spec struct {
	Files []File
	// Contract is put at ContractPath in a layer of its own, the last one, so
	// that it is read without pulling the rest. Nil means no contract.
	Contract        []byte
	Entrypoint, Cmd []string
	// User is "uid:gid"; empty means 65532:65532.
	User       string
	Env        []string
	Labels     map[string]string
	WorkingDir string
	// Architecture such as "arm64"; empty means amd64.
	Architecture string
}

// Build makes the image in memory.
func Build(s Spec) (v1.Image, error) {
	files, err := s.files()
	if err != nil {
		return nil, err
	}
	layers := [][]File{files}
	if s.Contract != nil {
		layers = append(layers, []File{{Path: ContractPath, Content: s.Contract}})
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range layers {
		layer, err := makeLayer(files)
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return nil, fmt.Errorf("append layer: %w", err)
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read image config: %w", err)
	}
	img, err = mutate.ConfigFile(img, s.config(config.DeepCopy()))
	if err != nil {
		return nil, fmt.Errorf("write image config: %w", err)
	}
	return img, nil
}

func (s Spec) config(c *v1.ConfigFile) *v1.ConfigFile {
	epoch := v1.Time{Time: time.Unix(0, 0).UTC()}
	c.OS, c.Architecture, c.Created = "linux", cmp.Or(s.Architecture, "amd64"), epoch
	c.Config = v1.Config{
		Entrypoint: s.Entrypoint,
		Cmd:        s.Cmd,
		User:       cmp.Or(s.User, nonroot),
		Env:        s.Env,
		Labels:     s.Labels,
		WorkingDir: s.WorkingDir,
	}
	for i := range c.History {
		c.History[i] = v1.History{Created: epoch, CreatedBy: "kubernaut"}
	}
	return c
}

// files adds what programs expect of any Linux and reads from disk.
func (s Spec) files() ([]File, error) {
	files := []File{
		{Path: "/etc/passwd", Content: []byte(passwd)},
		{Path: "/etc/group", Content: []byte(group)},
		{Path: "/tmp/", Mode: 0o1777},
	}
	for _, f := range s.Files {
		if f.FromDisk != "" {
			content, err := os.ReadFile(f.FromDisk)
			if err != nil {
				return nil, fmt.Errorf("read file for image: %w", err)
			}
			f.Content = content
		}
		files = append(files, f)
	}
	return files, nil
}

func makeLayer(files []File) (v1.Layer, error) {
	raw, err := writeTar(files)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, fmt.Errorf("compress layer: %w", err)
	}
	return layer, nil
}

// writeTar writes headers by hand: owner, time and order come from nowhere but
// the list of files.
func writeTar(files []File) ([]byte, error) {
	headers, contents := map[string]*tar.Header{}, map[string][]byte{}
	for _, f := range files {
		name := clean(f.Path)
		if name == "" || headers[name] != nil {
			return nil, fmt.Errorf("write layer: path %q is empty or used twice", f.Path)
		}
		headers[name], contents[name] = f.header(name), f.Content
	}
	for name := range contents {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if headers[dir] == nil {
				headers[dir] = File{Path: "/"}.header(dir)
			}
			if headers[dir].Typeflag != tar.TypeDir {
				return nil, fmt.Errorf("write layer: %s lies below the file %s", name, dir)
			}
		}
	}
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if err := archive.WriteHeader(headers[name]); err != nil {
			return nil, fmt.Errorf("write layer: %w", err)
		}
		if _, err := archive.Write(contents[name]); err != nil {
			return nil, fmt.Errorf("write layer: %w", err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("write layer: %w", err)
	}
	return buffer.Bytes(), nil
}

// header leaves owner and times zero: root, 1970.
func (f File) header(name string) *tar.Header {
	if strings.HasSuffix(f.Path, "/") {
		return &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: cmp.Or(f.Mode, 0o755), Format: tar.FormatPAX}
	}
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: cmp.Or(f.Mode, 0o444), Size: int64(len(f.Content)), Format: tar.FormatPAX}
}
