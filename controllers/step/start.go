package step

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// settled ends the pass of an action that has ended or is being deleted.
func (r *Reconciler) settled(_ context.Context, p *pass) error {
	if run.State(p.obj.Status.Phase).Ended() || !p.obj.DeletionTimestamp.IsZero() {
		return errDone
	}
	return nil
}

// observe reads what became of the Job.
func (r *Reconciler) observe(ctx context.Context, p *pass) error {
	seen, err := r.options.Jobs.Observe(ctx, p.obj)
	if err != nil {
		return fmt.Errorf("observe the action: %w", err)
	}
	p.seen = seen
	return nil
}

// cancel stops an action that was asked to end. One that ended by itself
// before keeps its own result.
func (r *Reconciler) cancel(ctx context.Context, p *pass) error {
	if !p.obj.Spec.Cancel || p.seen.State == run.Succeeded {
		return nil
	}
	if p.seen.State == run.Failed { // that is how an action ends that is told to
		p.seen.State, p.seen.Reason, p.seen.Message = run.Cancelled, v1alpha1.ReasonCancelled, "the action was stopped: "+p.seen.Message
		p.seen.Cause, p.seen.Began, p.seen.Repeatable = "", false, false
		return nil
	}
	if p.seen.State == run.Absent {
		p.end(run.Seen{State: run.Cancelled, Reason: v1alpha1.ReasonCancelled, Message: "the action was stopped", Finished: p.now})
		return errDone
	}
	if err := r.options.Jobs.Stop(ctx, p.obj); err != nil {
		return fmt.Errorf("stop the action: %w", err)
	}
	p.seen.Reason, p.seen.Message = v1alpha1.ReasonCancelled, "the action is told to end"
	p.result.RequeueAfter = lookAgain
	return nil
}

// lookAgain is when an action is looked at whose Job was just made or told to
// end, though nothing woke it: what became of a Job while its watch was broken
// may be told to nobody. Broken watches are back within seconds.
const lookAgain = 30 * time.Second

// start leads an action through the gate and creates its Job. The run's gate
// was passed before, but between the two a policy may have changed.
func (r *Reconciler) start(ctx context.Context, p *pass) error {
	if p.seen.State != run.Absent {
		return nil
	}
	c, err := r.walk(ctx, p)
	if err != nil {
		return err
	}
	if err := r.keep(ctx, p); err != nil {
		return err
	}
	needs := gate.Needs(c.Contracts[0])
	if err := r.options.Jobs.DryRun(ctx, p.obj, needs); err != nil {
		return err
	}
	if err := r.options.Jobs.Start(ctx, p.obj, needs); err != nil {
		return fmt.Errorf("start the action: %w", err)
	}
	p.obj.Status.JobName = p.obj.Name
	p.result.RequeueAfter = lookAgain
	p.seen = run.Seen{State: run.Running, Reason: v1alpha1.ReasonRunning, Message: run.AwaitsPod}
	return nil
}

func (r *Reconciler) walk(ctx context.Context, p *pass) (*gate.Case, error) {
	var policies v1alpha1.ExecutionPolicyList
	if err := r.client.List(ctx, &policies, client.InNamespace(p.obj.Namespace)); err != nil {
		return nil, fmt.Errorf("list execution policies: %w", err)
	}
	var actions v1alpha1.ActionExecutionList
	if err := r.client.List(ctx, &actions, client.InNamespace(p.obj.Namespace)); err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	repository, digest, _ := strings.Cut(p.obj.Spec.Image, "@")
	c := &gate.Case{
		Run:    run.Run{Namespace: p.obj.Namespace, Name: p.obj.Spec.Execution.Name, UID: p.obj.Spec.Execution.UID, Steps: []run.Step{stepOf(p.obj)}},
		Object: p.obj.Name, Actions: gate.NamesOf(actions.Items),
		// How many steps there are was asked when the run was admitted.
		Policy: gate.PolicyOf(policies.Items, settings.Settings{}), Now: p.now,
		Images: []verify.Image{{Repository: repository, Digest: digest}},
	}
	v := r.options.Gate.Walk(ctx, c)
	p.signed(c, v)
	switch v.Kind {
	case run.Passed:
		return c, nil
	case run.Waiting:
		return nil, &run.Wait{Reason: v.Reason, Message: v.Message, Until: v.Until}
	}
	return nil, &run.Refusal{Reason: v.Reason, Message: v.Message}
}

// signed says what the signature gate found: it has a result once the image
// passed it, whatever came after it.
func (p *pass) signed(c *gate.Case, v run.Verdict) {
	switch s := &p.obj.Status; {
	case len(c.Results) > 0:
		s.Digest, s.Signer = c.Images[0].Digest, report.Cut(c.Results[0].Signer, 1024)
		s.Verification = gate.Verification(c.Results[0], p.now)
		p.verified(report.Passed("signed by "+c.Results[0].Signer, c.Results[0].Warnings))
	case v.Kind == run.Waiting:
		p.verified(report.Verified(metav1.ConditionUnknown, v.Reason, v.Message))
	default:
		p.verified(report.Verified(metav1.ConditionFalse, v.Reason, v.Message))
	}
}

// keep writes down what was verified before anything is created, so that a
// crash after it does not lose who signed what runs.
func (r *Reconciler) keep(ctx context.Context, p *pass) error {
	p.obj.Status.Phase = v1alpha1.StepPending
	p.conditions(report.Progressing(v1alpha1.ReasonProgressing, "the image is verified; its Job is created next"))
	what := report.VerifiedEvents(p.stored.Status.Conditions, p.obj.Status.Conditions)
	if err := r.record.Write(ctx, p.stored, p.obj, what); err != nil {
		return err
	}
	p.stored = p.obj.DeepCopy()
	return nil
}

func stepOf(ae *v1alpha1.ActionExecution) run.Step {
	s := run.Step{Name: ae.Spec.Step, ActionType: ae.Spec.ActionType, Image: ae.Spec.Image, Inputs: json.RawMessage("{}"),
		ServiceAccount: ae.Spec.ServiceAccountName, Credentials: map[string]string{}}
	if ae.Spec.Inputs != nil {
		s.Inputs = ae.Spec.Inputs.Raw
	}
	for _, c := range ae.Spec.Credentials {
		s.Credentials[c.Name] = c.SecretRef.Name
	}
	return s
}

// verified sets the Verified condition, which later passes keep.
func (p *pass) verified(c metav1.Condition) {
	s := &p.obj.Status
	s.Conditions = report.Merge(s.Conditions, []metav1.Condition{c}, p.obj.Generation, p.now)
}
