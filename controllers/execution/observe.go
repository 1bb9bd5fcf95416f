package execution

import (
	"context"
	"fmt"

	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/report"
)

// observe reads what the engine sees of the run.
func (r *Reconciler) observe(ctx context.Context, p *pass) error {
	p.restore()
	seen, err := r.options.Engine.Observe(ctx, p.run)
	if err != nil {
		return fmt.Errorf("observe the run: %w", err)
	}
	p.seen = seen
	return nil
}

// plan decides what is next.
func (r *Reconciler) plan(_ context.Context, p *pass) error {
	p.decision = plan.Next(plan.State{
		Run: p.run, Seen: p.seen, Now: p.now, MaxParallel: p.policy.MaxParallel,
		Suspended: p.obj.Spec.Suspend, Cancelled: p.obj.Spec.Cancel, Traits: r.options.Engine.Traits(),
	})
	return nil
}

// report computes the status and when to look again.
func (r *Reconciler) report(_ context.Context, p *pass) error {
	p.obj.Status = report.Execution{
		Old: p.obj.Status, Generation: p.obj.Generation, Run: p.run, Seen: p.seen, Decision: p.decision, Now: p.now,
	}.Status()
	if !p.decision.WakeAt.IsZero() {
		p.result.RequeueAfter = p.decision.WakeAt.Sub(p.now)
	}
	if p.decision.Outcome != nil {
		p.result.RequeueAfter = releaseDelay
	}
	return nil
}
