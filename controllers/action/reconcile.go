package action

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Reconciler judges Actions.
type Reconciler struct {
	client client.Client
	record *record.Recorder
	needs  Required
	opts   Options
}

// attemptTimeout bounds everything that one attempt asks of registries.
const attemptTimeout = 2 * time.Minute

// pass is one reconciliation: what was read and what was found.
type pass struct {
	stored, obj *v1alpha1.Action
	now         time.Time
	who         verify.Subject
	image       verify.Image
	verdict     *verify.Result // nil until the image passed
	document    []byte
	contract    contract.Contract
}

// Reconcile is the story of one judgement.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p := &pass{stored: &v1alpha1.Action{}, now: r.opts.Now()}
	if err := r.client.Get(ctx, req.NamespacedName, p.stored); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !p.stored.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	p.obj = p.stored.DeepCopy()
	// Policies match on the object that will carry the image, which is a Job.
	p.who = verify.Subject{Namespace: p.obj.Namespace, Kind: "Job", Group: "batch", Version: "v1"}
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	for _, step := range []func(context.Context, *pass) error{
		r.begin,   // an answer to an older spec does not stand
		r.resolve, // the digest exists
		r.verify,  // it is signed as the policies demand
		r.read,    // its contract, by the digest that was verified
		r.match,   // the contract is the one that the Action claims
	} {
		if err := step(attempt, p); err != nil {
			return r.finish(ctx, p, err)
		}
	}
	return r.finish(ctx, p, nil)
}
