// Package action reconciles Actions: it verifies the image that one names and keeps the contract that is read from it.
package action

import (
	"context"
	"errors"
	"time"

	"github.com/fluxcd/pkg/runtime/predicates"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Images finds what a reference names. It reads the registry only.
type Images interface {
	Resolve(ctx context.Context, ref string, who verify.Subject) (verify.Image, error)
}

// Files reads a file of an image by its digest. It reads the registry only.
type Files interface {
	ReadFile(ctx context.Context, img verify.Image, path string, who verify.Subject) ([]byte, error)
}

// Required is what the controller cannot be without. Errors are a Refusal or
// worth a retry.
type Required struct {
	Images   Images
	Files    Files
	Verifier verify.Verifier
}

// Options may be left out.
type Options struct {
	// Policies are empty objects of the kinds of image policies that the
	// cluster has; a change of one has every Action judged again.
	Policies []client.Object
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Jitter spreads a delay; nil means not at all.
	Jitter func(time.Duration) time.Duration
	// Concurrent is how many Actions are judged at once; below 1 means 1.
	Concurrent int
}

// Delays between attempts at a registry that does not answer.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// +kubebuilder:rbac:groups=kubernaut.ai,resources=actions,verbs=get;list;watch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=actions/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=policy.sigstore.dev,resources=clusterimagepolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Setup adds the controller to the manager.
func Setup(mgr ctrl.Manager, needs Required, opts Options) error {
	if needs.Images == nil || needs.Files == nil || needs.Verifier == nil {
		return errors.New("set up action controller: it needs a registry and a verifier")
	}
	r := newReconciler(mgr.GetClient(), needs, opts)
	r.record = record.New(mgr.GetClient(), mgr.GetEventRecorder("action-controller"))
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicates.ReconcileRequestedPredicate{})
	b := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Action{}, builder.WithPredicates(changed)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: max(1, opts.Concurrent),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		})
	for _, policy := range opts.Policies {
		b = b.Watches(policy, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	return b.Complete(r)
}

func newReconciler(c client.Client, needs Required, opts Options) *Reconciler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Jitter == nil {
		opts.Jitter = func(d time.Duration) time.Duration { return d }
	}
	return &Reconciler{client: c, needs: needs, opts: opts}
}

// all finds every Action, since any policy may be about any image.
func (r *Reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	var list v1alpha1.ActionList
	if err := r.client.List(ctx, &list); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list actions")
		return nil
	}
	out := make([]reconcile.Request, 0, len(list.Items))
	for _, a := range list.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&a)})
	}
	return out
}
