// Package git brings catalog snapshots straight from a Git repository.
package git

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/gitops/repo"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Source is one reference of one repository.
type Source struct {
	remote repo.Remote
	ref    repo.Ref
	dir    string
}

// New returns a source that keeps its files below dir, "" meaning the system's
// directory for temporary files, until a snapshot is closed.
func New(remote repo.Remote, ref repo.Ref, dir string) *Source {
	return &Source{remote: remote, ref: ref, dir: dir}
}

// Open returns the source that a Catalog's spec.git describes. It reads the
// Secrets that it names; one that is missing is a Wait.
func Open(ctx context.Context, r client.Reader, namespace string, spec v1alpha1.GitSource, dir string) (*Source, error) {
	remote := repo.Remote{URL: spec.URL}
	data := map[string][]byte{}
	for _, ref := range []*v1alpha1.LocalReference{spec.SecretRef, spec.CertSecretRef} {
		more, err := secret(ctx, r, namespace, ref)
		if err != nil {
			return nil, err
		}
		for key, value := range more {
			data[key] = value
		}
	}
	auth, err := repo.AuthFromSecret(data)
	if err != nil {
		return nil, err
	}
	remote.Auth = auth
	if spec.ProxySecretRef != nil {
		data, err := secret(ctx, r, namespace, spec.ProxySecretRef)
		if err != nil {
			return nil, err
		}
		if remote.Proxy, err = repo.ProxyFromSecret(data); err != nil {
			return nil, err
		}
	}
	return New(remote, refOf(spec.Ref), dir), nil
}

func refOf(ref *v1alpha1.GitRef) repo.Ref {
	if ref == nil || *ref == (v1alpha1.GitRef{}) {
		return repo.Ref{Branch: "main"}
	}
	return repo.Ref{Branch: ref.Branch, Tag: ref.Tag, Semver: ref.SemVer, Commit: ref.Commit, Name: ref.Name}
}

func secret(ctx context.Context, r client.Reader, namespace string, ref *v1alpha1.LocalReference) (map[string][]byte, error) {
	if ref == nil {
		return nil, nil
	}
	var s corev1.Secret
	err := r.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, &s)
	if apierrors.IsNotFound(err) {
		return nil, run.WaitFor(v1alpha1.ReasonDependencyNotReady, time.Time{}, "Secret %s/%s does not exist: create it", namespace, ref.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", namespace, ref.Name, err)
	}
	return s.Data, nil
}

// Fetch brings the tree of the reference's commit, unless have is its revision.
func (s *Source) Fetch(ctx context.Context, have string) (source.Snapshot, error) {
	dir, err := os.MkdirTemp(s.dir, "catalog-git-")
	if err != nil {
		return source.Snapshot{}, fmt.Errorf("create directory: %w", err)
	}
	remove := func() error { return os.RemoveAll(dir) }
	got, err := repo.Fetch(ctx, s.remote, s.ref, dir, have)
	if err != nil || got.Dir == "" {
		return source.Snapshot{Revision: got.Revision, Close: func() error { return nil }}, first(err, remove())
	}
	root, err := os.OpenRoot(got.Dir)
	if err != nil {
		return source.Snapshot{}, first(fmt.Errorf("open tree: %w", err), remove())
	}
	c := source.Commit(got.Commit)
	return source.Snapshot{
		Revision: got.Revision, Tree: root.FS(), Commit: &c,
		Close: func() error { return first(root.Close(), remove()) },
	}, nil
}

// first returns the first error, so that tidying up hides none.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
