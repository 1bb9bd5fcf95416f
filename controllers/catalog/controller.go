// Package catalog reconciles Catalogs: it fetches a revision, judges it as a whole and publishes it, or keeps the last good one.
package catalog

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fluxcd/pkg/runtime/predicates"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/internal/record"
)

// Required is what the controller cannot be without.
type Required struct {
	// Open returns the source that a Catalog names. It reads the Secrets that
	// the source needs. Errors are those of source.Source.
	Open func(ctx context.Context, c *v1alpha1.Catalog) (source.Source, error)
	// Verify says who signed a commit; keys is a Secret's data. An error is a
	// Refusal.
	Verify func(c source.Commit, keys map[string][]byte) (signer string, err error)
}

// Options may be left out.
type Options struct {
	// Sources are empty objects of the kinds that spec.sourceRef names and the
	// cluster has; changes of them wake the Catalogs that name them.
	Sources []client.Object
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Jitter spreads an interval, so that catalogs of one age do not ask one
	// host at one moment; nil means by 5 %.
	Jitter func(time.Duration) time.Duration
	// As returns a client that acts as a service account; nil means one made
	// of the manager's configuration.
	As func(namespace, account string) (client.Client, error)
}

// +kubebuilder:rbac:groups=kubernaut.ai,resources=catalogs,verbs=get;list;watch;update;patch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=catalogs/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=catalogs/finalizers,verbs=update
// +kubebuilder:rbac:groups=kubernaut.ai,resources=actions;workflows,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups=source.toolkit.fluxcd.io,resources=gitrepositories;ocirepositories;externalartifacts,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Setup adds the controller to the manager. One Catalog is handled at a time,
// as the build of a tree demands.
func Setup(mgr ctrl.Manager, needs Required, opts Options) error {
	if needs.Open == nil || needs.Verify == nil {
		return errors.New("set up catalog controller: it needs sources and a verifier")
	}
	r := newReconciler(mgr.GetClient(), mgr.GetAPIReader(), needs, opts)
	r.record = record.New(mgr.GetClient(), mgr.GetEventRecorder("catalog-controller"))
	if r.opts.As == nil {
		r.opts.As = impersonator(mgr)
	}
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicates.ReconcileRequestedPredicate{})
	b := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Catalog{}, builder.WithPredicates(changed)).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.catalogsOfSecret), builder.OnlyMetadata).
		Watches(&v1alpha1.Action{}, handler.EnqueueRequestsFromMapFunc(catalogOf), builder.WithPredicates(drift())).
		Watches(&v1alpha1.Workflow{}, handler.EnqueueRequestsFromMapFunc(catalogOf), builder.WithPredicates(drift()))
	for _, o := range r.opts.Sources {
		b = b.Watches(o, handler.EnqueueRequestsFromMapFunc(r.catalogsOfSource))
	}
	return b.Complete(r)
}

func newReconciler(c client.Client, live client.Reader, needs Required, opts Options) *Reconciler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Jitter == nil {
		opts.Jitter = func(d time.Duration) time.Duration {
			return d + time.Duration((rand.Float64()*2-1)*0.05*float64(d))
		}
	}
	return &Reconciler{client: c, live: live, needs: needs, opts: opts}
}

// impersonator makes clients that share the manager's scheme and mapping.
func impersonator(mgr ctrl.Manager) func(namespace, account string) (client.Client, error) {
	return func(namespace, account string) (client.Client, error) {
		config := rest.CopyConfig(mgr.GetConfig())
		config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + account}
		return client.New(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	}
}

// drift lets through what somebody else may have done to a published object.
func drift() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		DeleteFunc:  func(event.DeleteEvent) bool { return true },
		UpdateFunc:  predicate.GenerationChangedPredicate{}.Update,
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// catalogOf finds the Catalog that published an object.
func catalogOf(_ context.Context, o client.Object) []reconcile.Request {
	labels := o.GetLabels()
	if labels[v1alpha1.LabelCatalog] == "" || labels[v1alpha1.LabelCatalogNamespace] != o.GetNamespace() {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: labels[v1alpha1.LabelCatalog]}}}
}

// catalogsOfSecret finds the Catalogs that read a Secret.
func (r *Reconciler) catalogsOfSecret(ctx context.Context, o client.Object) []reconcile.Request {
	return r.which(ctx, o, func(c v1alpha1.Catalog) bool {
		if c.Spec.Git == nil {
			return false
		}
		refs := []*v1alpha1.LocalReference{c.Spec.Git.SecretRef, c.Spec.Git.CertSecretRef, c.Spec.Git.ProxySecretRef}
		if c.Spec.Git.Verify != nil {
			refs = append(refs, &c.Spec.Git.Verify.SecretRef)
		}
		for _, ref := range refs {
			if ref != nil && ref.Name == o.GetName() {
				return true
			}
		}
		return false
	})
}

// catalogsOfSource finds the Catalogs that name a source of an object's kind.
func (r *Reconciler) catalogsOfSource(ctx context.Context, o client.Object) []reconcile.Request {
	gvk, err := r.client.GroupVersionKindFor(o)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "find kind of source", "name", o.GetName())
		return nil
	}
	return r.which(ctx, o, func(c v1alpha1.Catalog) bool {
		return c.Spec.SourceRef != nil && c.Spec.SourceRef.Kind == gvk.Kind && c.Spec.SourceRef.Name == o.GetName()
	})
}

func (r *Reconciler) which(ctx context.Context, o client.Object, match func(v1alpha1.Catalog) bool) []reconcile.Request {
	var list v1alpha1.CatalogList
	if err := r.client.List(ctx, &list, client.InNamespace(o.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list catalogs", "because of", o.GetName())
		return nil
	}
	var out []reconcile.Request
	for _, c := range list.Items {
		if match(c) {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&c)})
		}
	}
	return out
}
