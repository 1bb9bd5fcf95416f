package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/run"
)

// releaseDelay is when a run that just ended gives back its workspace: at
// once, in a pass of its own, after its end was written down.
const releaseDelay = time.Millisecond

// apply does what the plan says: stop, then start.
func (r *Reconciler) apply(ctx context.Context, p *pass) error {
	if p.decision.Stop != "" {
		if err := r.options.Engine.Stop(ctx, p.run, p.decision.Stop); err != nil {
			return fmt.Errorf("stop steps: %w", err)
		}
	}
	return r.start(ctx, p)
}

func (r *Reconciler) start(ctx context.Context, p *pass) error {
	if len(p.decision.Start) == 0 {
		return nil
	}
	if err := r.current(ctx, p); err != nil {
		return err
	}
	scope, err := plan.Scope(p.run, p.seen)
	if err != nil {
		return err
	}
	r.unsure.Store(p.obj.UID, nil)
	for _, step := range p.run.Steps {
		if !slices.Contains(p.decision.Start, step.Name) {
			continue
		}
		if p.trouble != nil {
			p.postpone(step.Name)
			continue
		}
		step.Attempt = p.seen.Steps[step.Name].Attempt + 1
		err := r.begin(ctx, p, step, scope)
		if refusal, ok := run.AsRefusal(err); ok {
			// What the failure of the step means for the run is planned next.
			p.decision.Fail = append(p.decision.Fail, run.Note{Step: step.Name, Reason: refusal.Reason, Message: refusal.Message})
			p.decision.WakeAt = p.now
			continue
		}
		if err != nil {
			// Those that were started before it are written down first.
			p.trouble = fmt.Errorf("start step %s: %w", step.Name, err)
			p.postpone(step.Name)
			continue
		}
		p.seen.Steps[step.Name] = run.Seen{State: run.Running, Reason: v1alpha1.ReasonRunning, Message: run.Accepted,
			Attempt: step.Attempt, Ref: names.Attempt(p.run.Name, step.Name, step.Attempt)}
	}
	return nil
}

// postpone holds a step that was to start now until the next pass.
func (p *pass) postpone(step string) {
	p.decision.Hold = append(p.decision.Hold, run.Note{Step: step, Reason: v1alpha1.ReasonProgressingWithRetry, Message: p.trouble.Error(), RetryAt: p.now})
}

// current asks the API server whether the run is still as this pass read it: by
// a late cache a step would start in a run that was suspended, cancelled or has
// ended.
func (r *Reconciler) current(ctx context.Context, p *pass) error {
	now := &v1alpha1.WorkflowExecution{}
	if err := r.options.Live.Get(ctx, client.ObjectKeyFromObject(p.stored), now); err != nil {
		return fmt.Errorf("read the run before its steps start: %w", err)
	}
	if now.UID != p.stored.UID || now.ResourceVersion != p.stored.ResourceVersion {
		return apierrors.NewConflict(schema.GroupResource{Group: v1alpha1.GroupVersion().Group, Resource: "workflowexecutions"}, p.stored.Name,
			errors.New("it was changed since it was read"))
	}
	return nil
}

// begin starts one step with the values of its inputs. A Refusal is about this
// step alone.
func (r *Reconciler) begin(ctx context.Context, p *pass, step run.Step, scope expr.Scope) (err error) {
	if step.Of != nil {
		scope.Item, scope.Index = step.Of.Value, step.Of.Index
	}
	if step.Inputs, err = expr.Resolve(step.Inputs, scope); err != nil {
		return run.Refuse(v1alpha1.ReasonInvalidReference, "inputs: %v", err)
	}
	return r.options.Engine.Start(ctx, p.run, []run.Step{step})
}
