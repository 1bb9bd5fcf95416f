package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/internal/record"
)

// Reconciler publishes Catalogs.
type Reconciler struct {
	client client.Client
	live   client.Reader // past the cache: what is published must be known exactly
	record *record.Recorder
	needs  Required
	opts   Options
}

// pass is one reconciliation: the world as it was read, and what came of it.
type pass struct {
	// stored is the object as it was last read or written, obj what it becomes.
	stored, obj *v1alpha1.Catalog
	// before is the status that the pass began with.
	before   v1alpha1.CatalogStatus
	now      time.Time
	world    world
	snapshot source.Snapshot
	set      manifests.Set
	writer   client.Client
	// signed is the SourceVerified condition, nil if nothing is verified.
	signed   *metav1.Condition
	findings []v1alpha1.Finding
}

// errDone ends a pass early; nothing is said of it.
var errDone = errors.New("nothing more to do")

// Reconcile is the story of one attempt.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p := &pass{stored: &v1alpha1.Catalog{}, now: r.opts.Now()}
	if err := r.client.Get(ctx, req.NamespacedName, p.stored); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p.obj, p.before = p.stored.DeepCopy(), *p.stored.Status.DeepCopy()
	defer p.close(ctx)
	attempt, cancel := context.WithTimeout(ctx, timeout(p.obj.Spec))
	defer cancel()
	for _, step := range []func(context.Context, *pass) error{
		r.guard,    // finalizer first; a deleted catalog takes its objects along
		r.begin,    // a new generation is said to be in progress
		r.observe,  // what is published
		r.fetch,    // the revision to publish, if it is not published already
		r.verify,   // who signed it
		r.load,     // build and lint it
		r.claim,    // nothing of it belongs to somebody else or breaks a version
		r.rehearse, // the API server would take all of it
		r.apply,    // publish
		r.prune,    // take away what left
	} {
		if err := step(attempt, p); err != nil {
			return r.finish(ctx, p, err)
		}
	}
	return r.finish(ctx, p, nil)
}

// close frees the snapshot's files.
func (p *pass) close(ctx context.Context) {
	if p.snapshot.Close == nil {
		return
	}
	if err := p.snapshot.Close(); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "close snapshot")
	}
}

func timeout(spec v1alpha1.CatalogSpec) time.Duration {
	if spec.Timeout == nil || spec.Timeout.Duration <= 0 {
		return time.Minute
	}
	return spec.Timeout.Duration
}

// requested returns the token of a request that was not handled yet.
func requested(c *v1alpha1.Catalog) (token string, fresh bool) {
	token, ok := meta.ReconcileAnnotationValue(c.GetAnnotations())
	return token, ok && token != c.Status.LastHandledReconcileAt
}
