package execution

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/plan"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/reuse"
	"github.com/kubernaut/kubernaut/internal/run"
)

// admit leads a run through the gate once, and writes down what it will run
// before anything is created. A run with a snapshot was admitted before.
func (r *Reconciler) admit(ctx context.Context, p *pass) error {
	var err error
	if p.policy, err = r.policyOf(ctx, p.obj.Namespace); err != nil {
		return err
	}
	if p.obj.Status.Snapshot != nil {
		return nil
	}
	return r.enter(ctx, p)
}

// prepare reads what is to run and has it judged.
func (r *Reconciler) prepare(ctx context.Context, p *pass) error {
	switch {
	case p.obj.Spec.Cancel || p.obj.Spec.Terminate:
		return run.Refuse(v1alpha1.ReasonCancelled, "cancelled before it started")
	case p.obj.Spec.Suspend:
		return &run.Wait{Reason: v1alpha1.ReasonSuspended, Message: "it has not started: " + plan.Suspended(p.obj.Spec.SuspendedBy, p.obj.Spec.SuspendReason)}
	}
	if err := r.retried(ctx, p); err != nil {
		return err
	}
	snapshot, schema, err := r.load(ctx, p)
	if err != nil {
		return err
	}
	values, err := parameters(schema, raw(p.obj.Spec.Parameters))
	if err != nil {
		return err
	}
	snapshot.Parameters = jsonOf(values)
	p.sensitive = catalog.Sensitive(schema)
	return r.walk(ctx, p, snapshot, schema)
}

// walk asks the gate and keeps what passed.
func (r *Reconciler) walk(ctx context.Context, p *pass, s *v1alpha1.RunSnapshot, schema []v1alpha1.Parameter) error {
	var approvals v1alpha1.ApprovalList
	if err := r.client.List(ctx, &approvals, client.InNamespace(p.obj.Namespace)); err != nil {
		return fmt.Errorf("list approvals: %w", err)
	}
	var actions v1alpha1.ActionExecutionList
	if err := r.client.List(ctx, &actions, client.InNamespace(p.obj.Namespace)); err != nil {
		return fmt.Errorf("list actions: %w", err)
	}
	scope, err := plan.Scope(run.Run{Values: p.values(s)}, run.Observation{})
	if err != nil {
		return err
	}
	c := &gate.Case{
		Run:         run.Run{Namespace: p.obj.Namespace, Name: p.obj.Name, UID: string(p.obj.UID), Steps: stepsOf(s)},
		ContentHash: s.ContentHash, Policy: p.policy, Approvals: approvals.Items, Now: p.now,
		Actions: gate.NamesOf(actions.Items), Scope: &scope, Sensitive: p.sensitive,
	}
	if err := p.judge(c, r.options.Gate.Walk(ctx, c)); err != nil {
		return err
	}
	if err := conditioned(s, schema, c.Contracts); err != nil {
		return err
	}
	if err := r.arrive(ctx, p); err != nil {
		return err
	}
	pin(s, c)
	status := &p.obj.Status
	status.Snapshot, status.Engine, status.StartedAt = s, r.options.Engine.Name(), seconds(p.now)
	status.Phase = v1alpha1.ExecutionExecuting
	said := "admitted; the first steps start"
	if p.before != nil {
		p.restore()
		taken, why := reuse.Steps(p.run, p.obj, p.before)
		status.Steps, said = taken, "admitted; "+why
	}
	p.conditions(append(report.Progressing(v1alpha1.ReasonProgressing, said), p.verified()...))
	return r.keep(ctx, p)
}

// pin writes the images that were verified into the snapshot.
func pin(s *v1alpha1.RunSnapshot, c *gate.Case) {
	s.Images = report.Images(c.Facts())
	at := 0
	for _, list := range listsOf(s) {
		for i := range list {
			list[i].Image, list[i].ActionType = c.Run.Steps[at].Image, c.Run.Steps[at].ActionType
			s.PolicySet = c.Results[at].PolicySet
			at++
		}
	}
}

// signed says who signed the images of a run.
func signed(c *gate.Case) metav1.Condition {
	signers, warnings := c.Told()
	return report.Passed("every image is signed as the policies demand: "+strings.Join(signers, ", "), warnings)
}

// conditioned checks the conditions of a run once more, now that the contracts
// of all its images are known, and keeps the types of what they name.
func conditioned(s *v1alpha1.RunSnapshot, schema []v1alpha1.Parameter, contracts []contract.Contract) error {
	outputs := map[string]map[string]string{}
	for i, step := range stepsOf(s) {
		outputs[step.Name] = catalog.OutputTypes(contracts[i])
	}
	types, faults := catalog.Conditions(v1alpha1.WorkflowSpec{Parameters: schema, Target: schemaOf(s.Target), Steps: s.Steps, OnFailure: s.OnFailure, Finally: s.Finally}, outputs)
	s.ParameterTypes, s.OutputTypes = types.Parameters, types.Outputs
	return refuse(faults)
}

// schemaOf is the least that a workflow with the target says.
func schemaOf(t *v1alpha1.Target) *v1alpha1.TargetSchema {
	if t == nil {
		return nil
	}
	return &v1alpha1.TargetSchema{Kinds: []string{t.APIVersion + "/" + t.Kind}}
}

// judge turns a verdict into the pass's end, and says what the signature gate
// found: it has results once every image passed it.
func (p *pass) judge(c *gate.Case, v run.Verdict) error {
	switch {
	case len(c.Results) > 0:
		p.conditions([]metav1.Condition{signed(c)})
	case v.Kind == run.Waiting:
		p.conditions([]metav1.Condition{report.Verified(metav1.ConditionUnknown, v.Reason, v.Message)})
	default:
		p.conditions([]metav1.Condition{report.Verified(metav1.ConditionFalse, v.Reason, v.Message)})
	}
	if v.Kind == run.Passed {
		return nil
	}
	if v.Kind == run.Waiting {
		return &run.Wait{Reason: v.Reason, Message: v.Message, Until: v.Until}
	}
	return &run.Refusal{Reason: v.Reason, Message: v.Message}
}

// keep writes the status now, so that a crash after it finds what was decided.
func (r *Reconciler) keep(ctx context.Context, p *pass) error {
	if err := r.record.Write(ctx, p.stored, p.obj, report.Events(p.stored.Status.Conditions, p.obj.Status.Conditions)); err != nil {
		return err
	}
	p.stored = p.obj.DeepCopy()
	return nil
}
