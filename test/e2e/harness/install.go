package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/cli/install"
)

// System is the controller's namespace and ServiceAccount.
const (
	System  = "kubernaut-system"
	Account = "kubernaut-controller"
)

// Install applies the lab's overlay; without an image the controller's
// Deployment is left out, for tests that run it as a process of their own.
func (l *Lab) Install(ctx context.Context, controllerImage string) error {
	objects, err := install.Build(filepath.Join(l.Root, "kustomize/overlays/lab"), controllerImage)
	if err != nil {
		return err
	}
	if controllerImage == "" {
		// Two controllers would work on the same objects.
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: System, Name: Account}}
		if err := client.IgnoreNotFound(l.Client.Delete(ctx, d, client.PropagationPolicy(metav1.DeletePropagationForeground))); err != nil {
			return err
		}
		kept := objects[:0]
		for _, o := range objects {
			if o.GetKind() != "Deployment" {
				kept = append(kept, o)
			}
		}
		objects = kept
	}
	return install.Apply(ctx, l.Config, objects, install.Options{Timeout: 2 * time.Minute})
}

// Policy lets images of the lab's registry run that the key signed.
func (l *Lab) Policy(ctx context.Context, name, glob string, key []byte) error {
	return l.sigstore(ctx, "v1beta1", "ClusterImagePolicy", name, map[string]any{
		"images":      []any{map[string]any{"glob": glob}},
		"authorities": []any{map[string]any{"name": "lab", "key": map[string]any{"data": string(key)}}},
	})
}

// ownedLabel marks the namespaces that Namespace made.
const ownedLabel = "e2e.kubernaut.ai/owned"

// Emptied waits until the namespaces that are being deleted are gone, which
// takes a controller that releases what it has finalizers on.
func (l *Lab) Emptied(ctx context.Context) error {
	return Until(ctx, 2*time.Minute, func(ctx context.Context) error {
		var list corev1.NamespaceList
		if err := l.Client.List(ctx, &list, client.MatchingLabels{ownedLabel: "true"}); err != nil {
			return err
		}
		for _, ns := range list.Items {
			if !ns.DeletionTimestamp.IsZero() {
				return fmt.Errorf("namespace %s is still there", ns.Name)
			}
		}
		return nil
	})
}

// Namespace makes a namespace.
func (l *Lab) Namespace(ctx context.Context, name string) error {
	err := l.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{ownedLabel: "true"}}})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
