package catalog

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
)

// Deletion policies, as the API spells them.
const (
	policyDelete = "Delete"
	policyOrphan = "Orphan"
)

// guard adds the finalizer before anything is published, takes the objects of
// a deleted Catalog away and leaves a suspended one alone.
func (r *Reconciler) guard(ctx context.Context, p *pass) error {
	if !p.obj.DeletionTimestamp.IsZero() {
		return r.remove(ctx, p)
	}
	if controllerutil.AddFinalizer(p.obj, v1alpha1.Finalizer) {
		if err := r.patch(ctx, p); err != nil {
			return fmt.Errorf("add finalizer: %w", err)
		}
	}
	if p.obj.Spec.Suspend {
		return errDone
	}
	return nil
}

// begin writes that work goes on before the network is asked, so that whoever
// waits for a new generation does not take the old one's answer for its own.
func (r *Reconciler) begin(ctx context.Context, p *pass) error {
	if p.obj.Status.ObservedGeneration == p.obj.Generation {
		return nil
	}
	if c := report.Find(p.obj.Status.Conditions, v1alpha1.ConditionReconciling); c != nil && c.ObservedGeneration == p.obj.Generation {
		return nil
	}
	p.conditions(report.Progressing(v1alpha1.ReasonProgressing, fmt.Sprintf("fetching the source, for %s at most", timeout(p.obj.Spec))))
	return r.write(ctx, p)
}

// remove deletes what is published, as the deletion policy says, and lets the
// Catalog go.
func (r *Reconciler) remove(ctx context.Context, p *pass) error {
	if !controllerutil.ContainsFinalizer(p.obj, v1alpha1.Finalizer) {
		return errDone
	}
	if goes(p.obj.Spec) {
		if err := r.observe(ctx, p); err != nil {
			return err
		}
		if kept, err := r.deleteAll(ctx, p, p.obj.Status.Inventory); len(kept) > 0 {
			if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
				return fmt.Errorf("delete published objects: %w", err)
			}
			// The account may be deleted along with the Catalog, and a Catalog
			// that can never go would hold up its whole namespace.
			ctrl.LoggerFrom(ctx).Error(err, "published objects stay behind", "objects", len(kept))
			r.record.Emit(p.obj, report.Event{Type: "Warning", Reason: v1alpha1.ReasonPruneFailed, Message: fmt.Sprintf("%d objects stay behind: %v", len(kept), err)})
		}
	}
	controllerutil.RemoveFinalizer(p.obj, v1alpha1.Finalizer)
	if err := r.patch(ctx, p); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove finalizer: %w", err)
	}
	return errDone
}

// goes says whether published objects are deleted with their Catalog.
func goes(spec v1alpha1.CatalogSpec) bool {
	switch spec.DeletionPolicy {
	case policyDelete:
		return true
	case policyOrphan:
		return false
	default:
		return prunes(spec)
	}
}

func prunes(spec v1alpha1.CatalogSpec) bool { return spec.Prune == nil || *spec.Prune }

// patch writes everything but the status.
func (r *Reconciler) patch(ctx context.Context, p *pass) error {
	before := client.MergeFromWithOptions(p.stored, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, p.obj, before, client.FieldOwner(v1alpha1.FieldOwner)); err != nil {
		return err
	}
	p.stored = p.obj.DeepCopy()
	return nil
}
