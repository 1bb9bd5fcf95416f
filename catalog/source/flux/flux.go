// Package flux brings catalog snapshots from the artifacts of Flux's source controller.
package flux

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/tar"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Bounds of an artifact. A catalog is text; an artifact may carry the rest of
// its repository, which source-controller users keep below its own limits.
const (
	maxArtifact = 50 << 20
	maxTree     = 200 << 20
	timeout     = 60 * time.Second
)

// Options of a source; every zero value is good.
type Options struct {
	// Client downloads artifacts; nil means one without redirects.
	Client *http.Client
	// Dir is where files are kept until a snapshot is closed; "" means the
	// system's directory for temporary files.
	Dir string
}

// Source is one Flux source object.
type Source struct {
	reader client.Reader
	name   types.NamespacedName
	kind   string
	opts   Options
}

// New returns the source that a Catalog's spec.sourceRef names.
func New(r client.Reader, namespace string, ref v1alpha1.SourceReference, opts Options) *Source {
	if opts.Client == nil {
		opts.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Source{reader: r, name: types.NamespacedName{Namespace: namespace, Name: ref.Name}, kind: ref.Kind, opts: opts}
}

// object is what the kinds of sources have in common.
type object interface {
	client.Object
	GetArtifact() *meta.Artifact
	GetConditions() []metav1.Condition
}

// Object returns an empty object of a kind of sourceRef, for reading and
// watching; nil for any other.
func Object(kind string) client.Object {
	if o := emptyObject(kind); o != nil {
		return o
	}
	return nil
}

func emptyObject(kind string) object {
	switch kind {
	case sourcev1.GitRepositoryKind:
		return &sourcev1.GitRepository{}
	case sourcev1.OCIRepositoryKind:
		return &sourcev1.OCIRepository{}
	case sourcev1.ExternalArtifactKind:
		return &sourcev1.ExternalArtifact{}
	}
	return nil
}

// Fetch downloads the artifact, holds it against its digest and unpacks it,
// unless have is its revision. A source that is missing or not ready is a
// Wait: it is watched for.
func (s *Source) Fetch(ctx context.Context, have string) (source.Snapshot, error) {
	artifact, err := s.artifact(ctx)
	if err != nil {
		return source.Snapshot{}, err
	}
	none := func() error { return nil }
	if artifact.Revision == have && have != "" {
		return source.Snapshot{Revision: have, Close: none}, nil
	}
	dir, err := os.MkdirTemp(s.opts.Dir, "catalog-flux-")
	if err != nil {
		return source.Snapshot{}, fmt.Errorf("create directory: %w", err)
	}
	tree := filepath.Join(dir, "tree")
	if err := s.bring(ctx, *artifact, filepath.Join(dir, "artifact"), tree); err != nil {
		return source.Snapshot{}, errors.Join(err, os.RemoveAll(dir))
	}
	root, err := os.OpenRoot(tree)
	if err != nil {
		return source.Snapshot{}, errors.Join(fmt.Errorf("open tree: %w", err), os.RemoveAll(dir))
	}
	return source.Snapshot{
		Revision: artifact.Revision, Tree: root.FS(),
		Close: func() error { return errors.Join(root.Close(), os.RemoveAll(dir)) },
	}, nil
}

func (s *Source) artifact(ctx context.Context) (*meta.Artifact, error) {
	o := emptyObject(s.kind)
	if o == nil {
		return nil, run.Refuse(v1alpha1.ReasonInvalid, "sourceRef.kind %q is not GitRepository, OCIRepository or ExternalArtifact", s.kind)
	}
	wait := func(format string, args ...any) error {
		return run.WaitFor(v1alpha1.ReasonDependencyNotReady, time.Time{}, "%s %s %s", s.kind, s.name, fmt.Sprintf(format, args...))
	}
	err := s.reader.Get(ctx, s.name, o)
	switch {
	case apierrors.IsNotFound(err):
		return nil, wait("does not exist: create it")
	case apimeta.IsNoMatchError(err):
		return nil, wait("cannot be read: the cluster has no such kind: install Flux's source-controller")
	case err != nil:
		return nil, fmt.Errorf("read %s %s: %w", s.kind, s.name, err)
	}
	ready := apimeta.FindStatusCondition(o.GetConditions(), meta.ReadyCondition)
	switch {
	case o.GetArtifact() == nil && ready != nil:
		return nil, wait("has no artifact: %s", ready.Message)
	case o.GetArtifact() == nil:
		return nil, wait("has no artifact yet")
	case ready != nil && ready.Status == metav1.ConditionFalse:
		// The last artifact of a source that fails is old: it was published
		// already, or it must not be. Unknown means that a new one is made.
		return nil, wait("is not ready: %s", ready.Message)
	}
	return o.GetArtifact(), nil
}

// bring downloads an artifact to a file and unpacks it into a directory, in
// this order, so that nothing unverified is unpacked.
func (s *Source) bring(ctx context.Context, a meta.Artifact, file, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := s.download(ctx, a, f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read artifact: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	if err := tar.Untar(f, dir, tar.WithMaxUntarSize(maxTree), tar.WithSkipSymlinks()); err != nil {
		return run.Refuse(v1alpha1.ReasonFetchFailed, "artifact of %s %s cannot be unpacked: %v", s.kind, s.name, err)
	}
	return nil
}

func (s *Source) download(ctx context.Context, a meta.Artifact, to io.Writer) error {
	want, ok := strings.CutPrefix(a.Digest, "sha256:")
	if !ok {
		return run.Refuse(v1alpha1.ReasonFetchFailed, "artifact of %s %s has digest %.80q, want sha256", s.kind, s.name, a.Digest)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return fmt.Errorf("request artifact: %w", err)
	}
	res, err := s.opts.Client.Do(req)
	if err != nil {
		return fmt.Errorf("download artifact of %s %s: %w", s.kind, s.name, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("download artifact of %s %s: the server answers %s", s.kind, s.name, res.Status)
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(res.Body, maxArtifact+1))
	switch {
	case err != nil:
		return fmt.Errorf("download artifact of %s %s: %w", s.kind, s.name, err)
	case n > maxArtifact:
		return run.Refuse(v1alpha1.ReasonFetchFailed, "artifact of %s %s is larger than %d MiB", s.kind, s.name, maxArtifact>>20)
	case hex.EncodeToString(hash.Sum(nil)) != want:
		// A new artifact may have taken the place of this one meanwhile.
		return fmt.Errorf("download artifact of %s %s: content does not have the digest %s", s.kind, s.name, a.Digest)
	}
	return nil
}
