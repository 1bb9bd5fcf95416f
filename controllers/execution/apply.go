package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/run"
)

// releaseDelay is when a run that just ended gives back its workspace: at
// once, in a pass of its own, after its end was written down.
const releaseDelay = time.Millisecond

// apply does what the plan says: stop, then start, then note what was proposed.
func (r *Reconciler) apply(ctx context.Context, p *pass) error {
	if p.decision.Stop != "" {
		if err := r.options.Engine.Stop(ctx, p.run, p.decision.Stop); err != nil {
			return fmt.Errorf("stop steps: %w", err)
		}
	}
	if err := r.start(ctx, p); err != nil {
		return err
	}
	return r.propose(ctx, p)
}

func (r *Reconciler) start(ctx context.Context, p *pass) error {
	if len(p.decision.Start) == 0 {
		return nil
	}
	scope, err := plan.Scope(p.run, p.seen)
	if err != nil {
		return err
	}
	for _, step := range p.run.Steps {
		if !slices.Contains(p.decision.Start, step.Name) {
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
			return fmt.Errorf("start step %s: %w", step.Name, err)
		}
		p.seen.Steps[step.Name] = run.Seen{State: run.Pending, Reason: v1alpha1.ReasonProgressing, Message: "started", Attempt: step.Attempt}
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

// known collects the values that are known before any step has run.
func (p *pass) known(snapshot *v1alpha1.RunSnapshot) (expr.Scope, error) {
	s := expr.Scope{
		Params: map[string]json.RawMessage{}, Outputs: map[string]map[string]json.RawMessage{},
		Target:    targetOf(snapshot.Target),
		Execution: map[string]string{"name": p.obj.Name, "namespace": p.obj.Namespace, "uid": string(p.obj.UID)},
	}
	if err := json.Unmarshal(raw(snapshot.Parameters), &s.Params); err != nil {
		return s, fmt.Errorf("read parameters of the snapshot: %w", err)
	}
	return s, nil
}
