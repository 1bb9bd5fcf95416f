package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// ContractPath is where an action image carries its contract.
const ContractPath = "/action-contract.yaml"

const (
	// maxFile bounds the file that is read. The largest sensible contract is a
	// few KiB; 256 KiB leaves room and cannot hurt a parser.
	maxFile = 256 << 10
	// maxLayers is what container runtimes accept at most.
	maxLayers = 127
	// maxPlatforms bounds the images of an index.
	maxPlatforms = 16
)

// Files reads one file out of an image. It only reads, and may be repeated.
type Files interface {
	ReadFile(ctx context.Context, img verify.Image, path string, who verify.Subject) ([]byte, error)
}

// ReadFile returns the file that a container of img would see at path, without
// unpacking the image: the last layer that says something about path decides.
// Links, duplicates and files above 256 KiB are refused. All platforms of an
// index must carry the same bytes, else rights would depend on the node.
func (r *Registry) ReadFile(ctx context.Context, img verify.Image, file string, who verify.Subject) ([]byte, error) {
	repo, err := r.Open(ctx, img.Repository, who)
	if err != nil {
		return nil, Explain(err, img.String())
	}
	ctx, cancel := r.Bound(ctx)
	defer cancel()
	data, err := repo.file(ctx, img.Digest, file)
	var bad *unreadable
	if errors.As(err, &bad) {
		return nil, run.Refuse(v1alpha1.ReasonContractInvalid, "file %s of image %s cannot be used: %v", file, img, err)
	}
	if err != nil {
		return nil, Explain(fmt.Errorf("read file %s: %w", file, err), img.String())
	}
	return data, nil
}

// unreadable is a fault of the image itself, which no retry mends.
type unreadable struct{ why string }

func (u *unreadable) Error() string { return u.why }

func unusable(format string, args ...any) error {
	return &unreadable{why: fmt.Sprintf(format, args...)}
}

func (r *Repository) file(ctx context.Context, digest, file string) ([]byte, error) {
	desc, err := r.get(ctx, r.name.Digest(digest))
	if err != nil {
		return nil, err
	}
	index, err := isIndexDocument(desc.Manifest)
	if err != nil {
		return nil, err
	}
	if index {
		return r.fileOfIndex(ctx, desc.Manifest, file)
	}
	return r.fileOfImage(ctx, desc.Manifest, file)
}

// isIndexDocument looks at the signed bytes and not at the Content-Type, which
// nobody signed. A document that is both could mean one thing here and another
// on the node.
func isIndexDocument(raw []byte) (bool, error) {
	var document struct {
		Manifests, Layers json.RawMessage
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return false, unusable("its manifest is malformed: %v", err)
	}
	if document.Manifests != nil && document.Layers != nil {
		return false, unusable("its manifest is an index and an image at once")
	}
	return document.Manifests != nil, nil
}

func (r *Repository) fileOfIndex(ctx context.Context, raw []byte, file string) ([]byte, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, unusable("its index is malformed: %v", err)
	}
	children := platforms(index)
	if len(children) > maxPlatforms {
		return nil, unusable("its index has %d platforms, at most %d are read", len(children), maxPlatforms)
	}
	var found []byte
	from := ""
	for _, child := range children {
		if !child.MediaType.IsImage() {
			return nil, unusable("its index holds %s of type %q instead of an image", child.Digest, child.MediaType)
		}
		desc, err := r.get(ctx, r.name.Digest(child.Digest.String()))
		if err != nil {
			return nil, err
		}
		data, err := r.fileOfImage(ctx, desc.Manifest, file)
		if err != nil {
			return nil, fmt.Errorf("platform %s: %w", child.Platform, err)
		}
		if from != "" && !bytes.Equal(found, data) {
			return nil, unusable("platforms %s and %s carry different files; build all platforms with the same one", from, child.Platform)
		}
		found, from = data, child.Platform.String()
	}
	if from == "" {
		return nil, unusable("its index names no image for any platform")
	}
	return found, nil
}

// platforms leaves out what builders add beside images: attestations are marked
// with the platform unknown/unknown, and no node runs them.
func platforms(index *v1.IndexManifest) []v1.Descriptor {
	var kept []v1.Descriptor
	for _, m := range index.Manifests {
		if m.Platform == nil {
			m.Platform = &v1.Platform{}
		}
		if m.Platform.OS == "unknown" && m.Platform.Architecture == "unknown" {
			continue
		}
		kept = append(kept, m)
	}
	return kept
}

func (r *Repository) fileOfImage(ctx context.Context, raw []byte, file string) ([]byte, error) {
	manifest, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, unusable("its manifest is malformed: %v", err)
	}
	if len(manifest.Layers) > maxLayers {
		return nil, unusable("it has %d layers, at most %d are read", len(manifest.Layers), maxLayers)
	}
	want := strings.TrimPrefix(path.Clean("/"+file), "/")
	for i := len(manifest.Layers) - 1; i >= 0; i-- {
		verdict, err := r.scan(ctx, manifest.Layers[i], want)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		if verdict.data != nil {
			return verdict.data, nil
		}
		if verdict.removed {
			return nil, unusable("layer %d removes it", i+1)
		}
	}
	return nil, unusable("no layer holds it")
}
