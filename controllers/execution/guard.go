package execution

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// guard adds the finalizer before anything else is written, and releases a run
// that is being deleted.
func (r *Reconciler) guard(ctx context.Context, p *pass) error {
	if !p.obj.DeletionTimestamp.IsZero() {
		return r.remove(ctx, p)
	}
	if controllerutil.ContainsFinalizer(p.obj, v1alpha1.Finalizer) {
		return nil
	}
	if err := r.finalize(ctx, p, controllerutil.AddFinalizer); err != nil {
		return fmt.Errorf("add finalizer: %w", err)
	}
	return nil
}

// remove stops what runs, waits until it ended, gives back the workspace and
// lets the object go.
func (r *Reconciler) remove(ctx context.Context, p *pass) error {
	if !controllerutil.ContainsFinalizer(p.obj, v1alpha1.Finalizer) {
		return errDone
	}
	p.restore()
	p.run.Fresh = true
	if err := r.options.Engine.Stop(ctx, p.run, v1alpha1.ReasonCancelled); err != nil {
		return fmt.Errorf("stop steps of the deleted run: %w", err)
	}
	err := r.options.Engine.Release(ctx, p.run)
	if _, waits := run.AsWait(err); waits {
		return err
	}
	if err != nil {
		return fmt.Errorf("release the deleted run: %w", err)
	}
	if err := r.finalize(ctx, p, controllerutil.RemoveFinalizer); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove finalizer: %w", err)
	}
	p.obj = nil
	return errDone
}

// finalize changes the finalizers in one request and keeps the status that the
// pass has computed so far.
func (r *Reconciler) finalize(ctx context.Context, p *pass, change func(client.Object, string) bool) error {
	next := p.stored.DeepCopy()
	change(next, v1alpha1.Finalizer)
	patch := client.MergeFromWithOptions(p.stored, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, next, patch, client.FieldOwner(v1alpha1.FieldOwner)); err != nil {
		return err
	}
	p.stored = next
	status := p.obj.Status
	p.obj = next.DeepCopy()
	p.obj.Status = status
	return nil
}

// settle gives back what a finished run holds and ends the pass.
func (r *Reconciler) settle(ctx context.Context, p *pass) error {
	if p.obj.Status.CompletedAt == nil {
		return nil
	}
	p.restore()
	if err := r.options.Engine.Stop(ctx, p.run, v1alpha1.ReasonCancelled); err != nil {
		return fmt.Errorf("stop steps of the finished run: %w", err)
	}
	seen, err := r.options.Engine.Observe(ctx, p.run)
	if err != nil {
		return fmt.Errorf("observe the finished run: %w", err)
	}
	p.run = plan.Expand(p.run, seen)
	p.obj.Status.Steps = report.Settled(p.obj.Status.Steps, p.run, seen)
	if err := r.options.Engine.Release(ctx, p.run); err != nil {
		return fmt.Errorf("release the finished run: %w", err)
	}
	p.obj.Status.WorkspacePVC = ""
	return errDone
}
