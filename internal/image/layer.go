package image

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// maxLayer bounds one compressed layer: an action is one static binary, and
	// an image with gigabytes would be read on each cold start.
	maxLayer = 256 << 20
	// maxUnpacked bounds what a layer may grow to, against compression bombs.
	maxUnpacked = 1 << 30
	// maxEntries bounds the headers that are looked at in one layer.
	maxEntries = 200_000
)

// said is what one layer says about one path.
type said struct {
	// data is the file; nil if the layer does not hold it.
	data []byte
	// removed is true if the layer hides what lower layers hold.
	removed bool
}

func (r *Repository) scan(ctx context.Context, layer v1.Descriptor, want string) (said, error) {
	zipped, err := compression(layer.MediaType)
	if err != nil {
		return said{}, err
	}
	if layer.Size > maxLayer {
		return said{}, unusable("it has %d bytes, at most %d are read; put the file into its own last layer", layer.Size, maxLayer)
	}
	rc, err := r.blob(ctx, layer.Digest, maxLayer)
	if err != nil {
		return said{}, err
	}
	defer rc.Close()
	raw := &remember{Reader: rc}
	found, err := unpack(raw, zipped, want)
	// Only at the end of the stream the digest is checked. Until then it may be
	// the registry's fault, or that of a proxy, what was read.
	_, _ = io.Copy(io.Discard, raw) // raw remembers the error
	if raw.err != nil {
		return said{}, fmt.Errorf("read layer %s: %w", layer.Digest, raw.err)
	}
	return found, err
}

// remember keeps the first true error of a stream that a decoder may rename.
type remember struct {
	io.Reader
	err error
}

func (r *remember) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF && r.err == nil {
		r.err = err
	}
	return n, err
}

func compression(kind types.MediaType) (gzipped bool, err error) {
	switch kind {
	case types.OCILayer, types.DockerLayer:
		return true, nil
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
		return false, nil
	default:
		return false, unusable("layer type %q is not supported; use gzip or plain tar", kind)
	}
}

func unpack(r io.Reader, zipped bool, want string) (said, error) {
	if zipped {
		z, err := gzip.NewReader(r)
		if err != nil {
			return said{}, unusable("it is not gzip: %v", err)
		}
		r = z
	}
	return scanTar(tar.NewReader(&limited{ReadCloser: io.NopCloser(r), left: maxUnpacked}), want)
}

// scanTar reads the whole archive: a second entry of the same name would win
// in some runtimes and lose in others.
func scanTar(archive *tar.Reader, want string) (said, error) {
	found := said{}
	for n := 0; ; n++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return said{}, unusable("its archive is malformed: %v", err)
		}
		if n == maxEntries {
			return said{}, unusable("it has more than %d entries", maxEntries)
		}
		if hides(header.Name, want) {
			found.removed = true
			continue
		}
		data, err := entry(archive, header, want)
		if err != nil {
			return said{}, err
		}
		if data != nil && found.data != nil {
			return said{}, unusable("it holds the file twice")
		}
		if data != nil {
			found.data = data
		}
	}
}

// entry returns the wanted file if header is it, and refuses what would lead
// the wanted path elsewhere.
func entry(archive *tar.Reader, header *tar.Header, want string) ([]byte, error) {
	name := clean(header.Name)
	if name != want {
		if strings.HasPrefix(want, name+"/") && name != "" && header.Typeflag != tar.TypeDir {
			return nil, unusable("%s is a link or file and not a directory", name)
		}
		return nil, nil
	}
	if header.Typeflag != tar.TypeReg {
		return nil, unusable("it is not a regular file but an entry of type %q", header.Typeflag)
	}
	if header.Size > maxFile {
		return nil, unusable("it has %d bytes, at most %d are allowed", header.Size, maxFile)
	}
	data, err := io.ReadAll(io.LimitReader(archive, maxFile+1))
	if err != nil {
		return nil, unusable("its archive is malformed: %v", err)
	}
	// Never nil: an empty file is there.
	return append([]byte{}, data...), nil
}

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// hides reports whether the entry is a whiteout, in OCI's way of writing one,
// of the wanted file, of a directory above it or of all that is in one.
func hides(name, want string) bool {
	dir, base := path.Split(clean(name))
	dir = strings.TrimSuffix(dir, "/")
	if base == ".wh..wh..opq" {
		return dir == "" || strings.HasPrefix(want, dir+"/")
	}
	hidden, whiteout := strings.CutPrefix(base, ".wh.")
	if !whiteout {
		return false
	}
	target := path.Join(dir, hidden)
	return want == target || strings.HasPrefix(want, target+"/")
}
