// Package pullrequest follows pull requests that runs have opened to their end.
package pullrequest

import (
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/fluxcd/pkg/runtime/predicates"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/internal/record"
)

// Forges makes the Forge of one repository. Credentials are the data of the
// Secret that the PullRequest names, with Flux's keys; nil if it names none.
type Forges func(provider, repository string, credentials map[string][]byte) (forge.Forge, error)

// Options of the controller.
type Options struct {
	// Forges makes the door to a repository's pull requests.
	Forges Forges
	// Secrets reads Secrets; it should not cache them.
	Secrets client.Reader
	// Now is the clock.
	Now func() time.Time
	// Jitter spreads an interval, so that many objects do not ask at once.
	Jitter func(time.Duration) time.Duration
}

// +kubebuilder:rbac:groups=kubernaut.ai,resources=pullrequests,verbs=get;list;watch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=pullrequests/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=kubernaut.ai,resources=executionpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// Setup adds the controller to the manager.
func Setup(mgr ctrl.Manager, opts Options) error {
	r := &Reconciler{
		client: mgr.GetClient(), options: opts,
		record: record.New(mgr.GetClient(), mgr.GetEventRecorder("pullrequest-controller")),
	}
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicates.ReconcileRequestedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.PullRequest{}, builder.WithPredicates(changed)).
		Complete(r)
}
