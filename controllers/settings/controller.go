// Package settings follows the ConfigMap that holds the controller's settings.
package settings

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// Options of the controller.
type Options struct {
	// Namespace of the ConfigMap.
	Namespace string
	// Store gets what is in force.
	Store *settings.Store
	// Fixed is what counts more than the ConfigMap, the most first.
	Fixed []settings.Layer
	// Changed is called after other settings were put in force; nil if nobody
	// need be told.
	Changed func()
}

// The right to read the one ConfigMap is in kustomize/base/rbac/settings.yaml:
// it holds in the namespace of the controller alone.
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Setup adds the controller to the manager. It reads the ConfigMap once before
// it returns, so that no other controller begins with settings that are not
// meant.
func Setup(ctx context.Context, mgr ctrl.Manager, opts Options) error {
	r := &Reconciler{
		client: mgr.GetClient(), options: opts,
		record: record.New(mgr.GetClient(), mgr.GetEventRecorder("settings-controller")),
	}
	if err := r.begin(ctx, mgr.GetAPIReader()); err != nil {
		return fmt.Errorf("%w: install the Role kubernaut-settings again if the controller may not read it", err)
	}
	own := predicate.NewPredicateFuncs(func(o client.Object) bool {
		return client.ObjectKeyFromObject(o) == r.key()
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("settings").
		For(&corev1.ConfigMap{}, builder.WithPredicates(own)).
		// One that waits for the lease must know what holds when it gets it.
		WithOptions(controller.Options{MaxConcurrentReconciles: 1, NeedLeaderElection: ptr.To(false)}).
		Complete(r)
}
