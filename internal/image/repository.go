package image

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Manifest reads the image manifest that a tag names. ErrNotFound if there is none.
func (r *Repository) Manifest(ctx context.Context, tag string) (*v1.Manifest, error) {
	desc, err := r.get(ctx, r.name.Tag(tag))
	if err != nil {
		return nil, err
	}
	return parseManifest(desc)
}

// ManifestAt reads the image manifest with this digest; the bytes are checked
// against it. ErrNotFound if there is none.
func (r *Repository) ManifestAt(ctx context.Context, digest string) (*v1.Manifest, error) {
	desc, err := r.get(ctx, r.name.Digest(digest))
	if err != nil {
		return nil, err
	}
	return parseManifest(desc)
}

// get reads a manifest of any kind. The library believes what a registry says of
// the digest of a manifest in Docker's first format; nobody is believed here.
func (r *Repository) get(ctx context.Context, ref name.Reference) (*remote.Descriptor, error) {
	desc, err := r.session.puller.Get(ctx, ref)
	if err != nil {
		return nil, classify(err)
	}
	got, _, err := v1.SHA256(bytes.NewReader(desc.Manifest))
	if pinned, ok := ref.(name.Digest); err != nil || ok && got.String() != pinned.DigestStr() {
		return nil, fmt.Errorf("read manifest %s: the registry sent other bytes, with the digest %s", ref, got)
	}
	desc.Digest = got
	r.session.lists.read(r.name)
	return desc, nil
}

func parseManifest(desc *remote.Descriptor) (*v1.Manifest, error) {
	manifest, err := v1.ParseManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return nil, run.Refuse(v1alpha1.ReasonInvalid, "manifest %s is not JSON of an image: %v", desc.Digest, err)
	}
	return manifest, nil
}

// Content reads what a descriptor in a manifest stands for, at most limit bytes,
// and checks it against the digest. Small content may lie in the descriptor
// itself, and then nothing is asked.
func (r *Repository) Content(ctx context.Context, d v1.Descriptor, limit int64) ([]byte, error) {
	if d.Data == nil || int64(len(d.Data)) > limit {
		return r.Blob(ctx, d.Digest, limit)
	}
	got, _, err := v1.SHA256(bytes.NewReader(d.Data))
	if err != nil || got != d.Digest {
		return r.Blob(ctx, d.Digest, limit) // the digest is what counts
	}
	return d.Data, nil
}

// Blob reads a blob of at most limit bytes and checks it against its digest.
func (r *Repository) Blob(ctx context.Context, digest v1.Hash, limit int64) ([]byte, error) {
	rc, err := r.blob(ctx, digest, limit)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	data, err := io.ReadAll(rc)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", digest, err)
	}
	return data, nil
}

// blob streams a blob; the digest is checked at the end of the stream, so who
// believes what was read has to read to the end.
func (r *Repository) blob(ctx context.Context, digest v1.Hash, limit int64) (io.ReadCloser, error) {
	layer, err := r.session.puller.Layer(ctx, r.name.Digest(digest.String()))
	if err != nil {
		return nil, classify(err)
	}
	rc, err := layer.Compressed()
	if err != nil {
		return nil, classify(err)
	}
	return &limited{ReadCloser: rc, left: limit}, nil
}
