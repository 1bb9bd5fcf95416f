package execution

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fluxcd/pkg/runtime/conditions"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/reuse"
	"github.com/kubernaut/kubernaut/internal/run"
)

// load reads the definition of a run that has not started: its workflow, or
// the steps that it carries itself.
func (r *Reconciler) load(ctx context.Context, p *pass) (*v1alpha1.RunSnapshot, []v1alpha1.Parameter, error) {
	if p.obj.Spec.WorkflowRef == nil {
		spec := v1alpha1.WorkflowSpec{Steps: p.obj.Spec.Steps, Target: schemaOf(p.obj.Spec.Target)}
		if err := sound(spec); err != nil {
			return nil, nil, err
		}
		s, err := r.snapshot(ctx, p, spec)
		if err != nil {
			return nil, nil, err
		}
		s.Workflow, s.ContentHash = p.obj.Spec.WorkflowType, catalog.Hash(v1alpha1.Workflow{Spec: spec})
		return s, nil, nil
	}
	w := &v1alpha1.Workflow{}
	key := types.NamespacedName{Namespace: p.obj.Namespace, Name: p.obj.Spec.WorkflowRef.Name}
	if err := r.client.Get(ctx, key, w); err != nil {
		return nil, nil, missing(err, "Workflow", key)
	}
	if err := usable(w, "Workflow", conditions.IsStalled(w)); err != nil {
		return nil, nil, err
	}
	s, err := r.snapshot(ctx, p, w.Spec)
	if err != nil {
		return nil, nil, err
	}
	s.Workflow, s.Version, s.ContentHash = w.Name, w.Spec.Version, w.Status.ContentHash
	s.CatalogRevision = w.Annotations[v1alpha1.AnnotationRevision]
	return s, w.Spec.Parameters, nil
}

// snapshot copies what a run is started with; actions of the catalog become
// their images.
func (r *Reconciler) snapshot(ctx context.Context, p *pass, spec v1alpha1.WorkflowSpec) (*v1alpha1.RunSnapshot, error) {
	target, err := aim(spec.Target, p.obj)
	if err != nil {
		return nil, err
	}
	spec = *spec.DeepCopy()
	s := &v1alpha1.RunSnapshot{FailFast: spec.FailFast, Target: target, Steps: spec.Steps, OnFailure: spec.OnFailure, Finally: spec.Finally, FinallyTimeout: spec.FinallyTimeout}
	for _, list := range listsOf(s) {
		for i := range list {
			step := &list[i]
			if err := r.pin(ctx, p.obj.Namespace, step); err != nil {
				return nil, err
			}
			if step.UsesWorkspace && s.Workspace == nil {
				s.Workspace = workspaceOf(spec.Workspace)
			}
		}
	}
	timeout := defaultTimeout
	if spec.Timeout != nil {
		timeout = spec.Timeout.Duration
	}
	if p.obj.Spec.Timeout != nil {
		timeout = p.obj.Spec.Timeout.Duration
	}
	p.patience = defaultQueueTimeout
	if spec.QueueTimeout != nil {
		p.patience = spec.QueueTimeout.Duration
	}
	s.Deadline = *seconds(p.now.Add(timeout))
	return s, nil
}

// aim holds the target of a run against what its workflow works on.
func aim(schema *v1alpha1.TargetSchema, e *v1alpha1.WorkflowExecution) (*v1alpha1.Target, error) {
	t := e.Spec.Target.DeepCopy()
	switch {
	case schema == nil && t == nil:
		return nil, nil
	case schema == nil:
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "the run names %s %s as its target, and the workflow works on none: take out spec.target", t.Kind, t.Name)
	case t == nil:
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "the run names no target, and the workflow works on one of %s: create another run with spec.target", strings.Join(schema.Kinds, ", "))
	case !slices.Contains(schema.Kinds, t.APIVersion+"/"+t.Kind):
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "the run's target is of kind %s/%s, want one of %s", t.APIVersion, t.Kind, strings.Join(schema.Kinds, ", "))
	}
	t.Namespace = cmp.Or(t.Namespace, e.Namespace)
	return t, nil
}

func workspaceOf(w *v1alpha1.Workspace) *v1alpha1.Workspace {
	out := &v1alpha1.Workspace{}
	if w != nil {
		out = w.DeepCopy()
	}
	if out.Size == "" {
		out.Size = "1Gi"
	}
	return out
}

// pin replaces the name of an Action by its type and image.
func (r *Reconciler) pin(ctx context.Context, namespace string, step *v1alpha1.WorkflowStep) error {
	if step.Action == "" {
		return nil
	}
	a := &v1alpha1.Action{}
	key := types.NamespacedName{Namespace: namespace, Name: step.Action}
	if err := r.client.Get(ctx, key, a); err != nil {
		return missing(err, "Action", key)
	}
	if err := usable(a, "Action", conditions.IsStalled(a)); err != nil {
		return err
	}
	step.Action, step.ActionType, step.Image = "", a.Spec.Type, a.Spec.Image
	return nil
}

// retried reads the run that this one retries, if it does.
func (r *Reconciler) retried(ctx context.Context, p *pass) error {
	if p.obj.Spec.RetryOf == nil {
		return nil
	}
	p.before = &v1alpha1.WorkflowExecution{}
	name := p.obj.Spec.RetryOf.Name
	err := r.client.Get(ctx, types.NamespacedName{Namespace: p.obj.Namespace, Name: name}, p.before)
	if apierrors.IsNotFound(err) {
		return run.Refuse(v1alpha1.ReasonRetryRefused, "cannot retry run %s: there is none in namespace %s, or it was deleted; create a run without retryOf", name, p.obj.Namespace)
	}
	if err != nil {
		return fmt.Errorf("read the run that is retried: %w", err)
	}
	return reuse.Judge(p.obj, p.before)
}

func missing(err error, kind string, key types.NamespacedName) error {
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("read %s %s: %w", kind, key, err)
	}
	return &run.Wait{Reason: v1alpha1.ReasonDependencyNotReady,
		Message: fmt.Sprintf("waits for %s %s, which does not exist in namespace %s: publish it there or mend the reference", kind, key.Name, key.Namespace)}
}

// usable waits for a referenced object that is not ready and refuses one that
// never will be as it stands.
func usable(o conditions.Getter, kind string, stalled bool) error {
	if conditions.IsReady(o) && conditions.GetObservedGeneration(o, v1alpha1.ConditionReady) == o.GetGeneration() {
		return nil
	}
	said := conditions.GetMessage(o, v1alpha1.ConditionReady)
	if stalled {
		return run.Refuse(run.Reason(conditions.GetReason(o, v1alpha1.ConditionReady)), "%s %s cannot be used: %s", kind, o.GetName(), said)
	}
	return &run.Wait{Reason: v1alpha1.ReasonDependencyNotReady,
		Message: fmt.Sprintf("waits for %s %s to be ready: %s", kind, o.GetName(), said)}
}

// policyOf reads the guard rails of the namespace.
func (r *Reconciler) policyOf(ctx context.Context, namespace string) (gate.Policy, error) {
	var list v1alpha1.ExecutionPolicyList
	if err := r.client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return gate.Policy{}, fmt.Errorf("list execution policies: %w", err)
	}
	return gate.PolicyOf(list.Items, r.options.Settings()), nil
}

func jsonOf(raw []byte) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: raw} }
