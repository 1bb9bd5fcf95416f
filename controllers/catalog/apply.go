package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/run"
)

// apply publishes the set. What is new is written into the inventory first, so
// that nothing that a crash leaves behind is forgotten.
func (r *Reconciler) apply(ctx context.Context, p *pass) error {
	if added, _ := manifests.Diff(p.obj.Status.Inventory, p.set.Inventory()); len(added) > 0 {
		p.inventory(append(added, p.obj.Status.Inventory...))
		if err := r.write(ctx, p); err != nil {
			return err
		}
	}
	for _, o := range p.set.Objects {
		err := p.restore(ctx, o)
		if err == nil {
			err = send(ctx, p.writer, o)
		}
		if err != nil {
			if found := explain(o, err); len(found) > 0 {
				return p.refuse(found)
			}
			return &applyError{fmt.Errorf("apply %s %s: %w", o.Kind, o.Name, err)}
		}
	}
	p.obj.Status.LastAppliedRevision = p.snapshot.Revision
	p.obj.Status.Actions = int32(p.set.Count(manifests.KindAction))
	p.obj.Status.Workflows = int32(p.set.Count(manifests.KindWorkflow))
	return nil
}

// restore puts back the whole spec of an object that somebody edited: an apply
// alone takes over fields that it names and leaves those that were added.
func (p *pass) restore(ctx context.Context, o manifests.Object) error {
	live := p.world.find(o.Kind, o.Name)
	if live == nil || !edited(live) && !restored(live) {
		return nil
	}
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec", "value": o.Manifest.Object["spec"]}})
	if err != nil {
		return fmt.Errorf("encode spec: %w", err)
	}
	err = p.writer.Patch(ctx, live, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(v1alpha1.FieldOwner))
	return client.IgnoreNotFound(err)
}

// applyError marks what went wrong while objects were written.
type applyError struct{ cause error }

func (e *applyError) Error() string { return e.cause.Error() }
func (e *applyError) Unwrap() error { return e.cause }

// send applies one object and takes over fields that somebody else set.
func send(ctx context.Context, c client.Client, o manifests.Object, opts ...client.ApplyOption) error {
	opts = append(opts, client.FieldOwner(v1alpha1.FieldOwner), client.ForceOwnership)
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.Manifest.DeepCopy()), opts...)
}

// inventory sets the status's, sorted.
func (p *pass) inventory(entries []v1alpha1.InventoryEntry) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b v1alpha1.InventoryEntry) int { return cmp.Compare(a.ID, b.ID) })
	p.obj.Status.Inventory = entries
}

// prune deletes what left the catalog. What could not be deleted stays in the
// inventory.
func (r *Reconciler) prune(ctx context.Context, p *pass) error {
	now := p.set.Inventory()
	_, gone := manifests.Diff(p.obj.Status.Inventory, now)
	if len(gone) == 0 || !prunes(p.obj.Spec) {
		p.inventory(now)
		return nil
	}
	kept, err := r.deleteAll(ctx, p, gone)
	p.inventory(append(now, kept...))
	if err != nil {
		return &pruneError{err}
	}
	return nil
}

// pruneError marks objects that could not be deleted.
type pruneError struct{ cause error }

func (e *pruneError) Error() string { return "prune: " + e.cause.Error() }
func (e *pruneError) Unwrap() error { return e.cause }

// deleteAll deletes objects that carry the Catalog's labels and returns the
// entries of those that stay, with the reason.
func (r *Reconciler) deleteAll(ctx context.Context, p *pass, entries []v1alpha1.InventoryEntry) (kept []v1alpha1.InventoryEntry, err error) {
	for _, e := range entries {
		id, ok := manifests.ParseID(e.ID)
		if !ok {
			continue
		}
		o := p.world.find(id.Kind, id.Name)
		if o == nil || !owns(p.obj, o) {
			continue
		}
		uid := o.GetUID()
		failed := p.writer.Delete(ctx, o, client.Preconditions{UID: &uid})
		if failed != nil && !apierrors.IsNotFound(failed) && !apierrors.IsConflict(failed) {
			kept = append(kept, e)
			err = errors.Join(err, fmt.Errorf("delete %s %s: %w", id.Kind, id.Name, failed))
		}
	}
	return kept, err
}

// reasonFor names the stage in which a retryable error came up.
func reasonFor(err error) run.Reason {
	var fetching *fetchError
	var applying *applyError
	var pruning *pruneError
	switch {
	case errors.As(err, &fetching):
		return v1alpha1.ReasonFetchFailed
	case errors.As(err, &applying):
		return v1alpha1.ReasonApplyFailed
	case errors.As(err, &pruning):
		return v1alpha1.ReasonPruneFailed
	}
	return v1alpha1.ReasonProgressingWithRetry
}
