package job

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Engine runs the steps of a run as ActionExecutions, which become Jobs.
type Engine struct{ server }

// NewEngine returns an Engine that reads the cache of c and, where it matters,
// live, and is told the time by now.
func NewEngine(c client.Client, live client.Reader, now func() time.Time) *Engine {
	return &Engine{server{client: c, live: live, now: now}}
}

// Name returns "job".
func (e *Engine) Name() string { return "job" }

// Traits says that the planner keeps the order and that 2 KiB of outputs travel.
func (e *Engine) Traits() run.Traits { return run.Traits{MaxOutputBytes: maxOutputs} }

// Observe reads the ActionExecutions and the claim of a run from the cache.
func (e *Engine) Observe(ctx context.Context, r run.Run) (run.Observation, error) {
	out := run.Observation{Steps: map[string]run.Seen{}}
	children, err := e.children(ctx, e.from(r), r)
	if err == nil && !r.Fresh && lacks(children, r.Started) {
		children, err = e.children(ctx, e.live, r)
	}
	if err != nil {
		return out, err
	}
	lost := map[string]int{}
	for _, ae := range children { // the earlier attempts first
		seen := seenOf(&ae)
		name := unitOf(ae.Spec)
		seen.Lost = lost[name]
		out.Steps[name] = seen
		if seen.Uncounted() {
			lost[name]++
		}
	}
	claim, err := e.claim(ctx, r)
	if err != nil {
		return out, err
	}
	if claim != nil {
		out.Workspace = claim.Name
	}
	return out, nil
}

// unitOf names the step, or the one item of it, that an ActionExecution is for.
func unitOf(s v1alpha1.ActionExecutionSpec) string {
	if s.Item == nil {
		return s.Step
	}
	return run.Unit(s.Step, int(*s.Item))
}

func (e *Engine) from(r run.Run) client.Reader {
	if r.Fresh {
		return e.live
	}
	return e.client
}

// lacks says whether an attempt that was started is not among those found.
func lacks(found []v1alpha1.ActionExecution, started map[string]int) bool {
	newest := map[string]int{}
	for _, ae := range found {
		name := unitOf(ae.Spec)
		newest[name] = max(newest[name], 1, int(ae.Spec.Attempt))
	}
	for name, attempt := range started {
		if newest[name] < attempt {
			return true
		}
	}
	return false
}

// children lists the ActionExecutions of a run in the order of their attempts.
func (e *Engine) children(ctx context.Context, from client.Reader, r run.Run) ([]v1alpha1.ActionExecution, error) {
	var list v1alpha1.ActionExecutionList
	err := from.List(ctx, &list, client.InNamespace(r.Namespace), client.MatchingLabels{v1alpha1.LabelExecution: names.Label(r.Name)})
	if err != nil {
		return nil, fmt.Errorf("list steps of run %s: %w", r.Name, err)
	}
	out := list.Items[:0]
	for _, ae := range list.Items {
		if metav1.IsControlledBy(&ae, owner(r)) {
			out = append(out, ae)
		}
	}
	slices.SortStableFunc(out, func(a, b v1alpha1.ActionExecution) int { return cmp.Compare(a.Spec.Attempt, b.Spec.Attempt) })
	return out, nil
}

// owner is the run as the owner of its children.
func owner(r run.Run) metav1.Object {
	return &metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name, UID: types.UID(r.UID)}
}

// seenOf translates an ActionExecution's status. One that was made and not
// looked at yet runs as any other that was started.
func seenOf(ae *v1alpha1.ActionExecution) run.Seen {
	s := ae.Status
	seen := run.Seen{State: run.State(s.Phase), Ref: ae.Name, Node: s.NodeName, Stopping: ae.Spec.Cancel,
		Attempt: max(1, int(ae.Spec.Attempt)), Cause: run.Cause(s.FailureCause), Began: s.Began, Repeatable: s.Repeatable}
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			seen.Reason, seen.Message = run.Reason(c.Reason), c.Message
		}
	}
	switch {
	case report.UnderWay(s.Phase, string(seen.Reason)): // as its run told it when it started
		seen.State, seen.Reason, seen.Message = run.Running, v1alpha1.ReasonRunning, run.Accepted
	case seen.State == run.Absent:
		seen.State = run.Pending
	}
	if s.StartedAt != nil {
		seen.Started = s.StartedAt.Time
	}
	if s.CompletedAt != nil {
		seen.Finished = s.CompletedAt.Time
	}
	if s.Outputs != nil {
		seen.Outputs = s.Outputs.Raw
	}
	return seen
}

// Start makes the claim if a step uses it, and an ActionExecution for each step.
func (e *Engine) Start(ctx context.Context, r run.Run, steps []run.Step) error {
	var node string
	for _, step := range steps {
		if !step.UsesWorkspace {
			continue
		}
		seen, err := e.Observe(ctx, r)
		if err != nil {
			return err
		}
		if seen.Workspace == "" {
			err = e.create(ctx, claimOf(r), owner(r))
		}
		if err != nil {
			return err
		}
		for _, s := range seen.Steps {
			node = max(node, s.Node)
		}
		break
	}
	for _, step := range steps {
		if err := e.begin(ctx, r, step, node); err != nil {
			return err
		}
	}
	return nil
}

// begin makes the ActionExecution of an attempt. One of the same name that is
// the run's but of another step or attempt is not taken for it.
func (e *Engine) begin(ctx context.Context, r run.Run, step run.Step, node string) error {
	ae := actionExecution(r, step, node)
	want := ae.Spec
	if err := e.create(ctx, ae, owner(r)); err != nil {
		return err
	}
	if unitOf(ae.Spec) != unitOf(want) || max(1, ae.Spec.Attempt) != want.Attempt {
		return run.Refuse(v1alpha1.ReasonForeignObject, "ActionExecution %s/%s is of attempt %d of step %s, and attempt %d of step %s needs the name: rename the step",
			ae.Namespace, ae.Name, max(1, ae.Spec.Attempt), unitOf(ae.Spec), want.Attempt, unitOf(want))
	}
	return nil
}

// actionExecution returns the object of an attempt: the same object each time.
func actionExecution(r run.Run, step run.Step, node string) *v1alpha1.ActionExecution {
	var item *int32
	if step.Of != nil {
		item = ptr.To(int32(step.Of.Index))
	}
	ae := &v1alpha1.ActionExecution{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.Namespace, Name: names.Attempt(r.Name, step.Name, step.Attempt),
			Labels:          map[string]string{v1alpha1.LabelExecution: names.Label(r.Name), v1alpha1.LabelStep: step.Base()},
			OwnerReferences: []metav1.OwnerReference{ownedBy(owner(r), "WorkflowExecution", types.UID(r.UID))},
		},
		Spec: v1alpha1.ActionExecutionSpec{
			Execution: v1alpha1.ExecutionReference{Name: r.Name, UID: r.UID}, Step: step.Base(), Item: item, Attempt: int32(max(1, step.Attempt)),
			ActionType: step.ActionType, Image: step.Image, ImageVerification: "strict",
			Inputs: &apiextensionsv1.JSON{Raw: step.Inputs}, ServiceAccountName: step.ServiceAccount, Facts: r.Facts,
		},
	}
	if step.Timeout > 0 {
		ae.Spec.Timeout = &metav1.Duration{Duration: step.Timeout}
	}
	for name, secret := range step.Credentials {
		ae.Spec.Credentials = append(ae.Spec.Credentials, v1alpha1.Credential{Name: name, SecretRef: v1alpha1.LocalReference{Name: secret}})
	}
	sortCredentials(ae.Spec.Credentials)
	if step.UsesWorkspace {
		ae.Spec.NodeName = node
		ae.Spec.Volumes = []v1alpha1.ActionVolume{{Name: "workspace", PVCName: names.Workspace(r.Name), MountPath: "/workspace"}}
	}
	return ae
}

// Stop sets cancel on every step that has not ended.
func (e *Engine) Stop(ctx context.Context, r run.Run, _ run.Reason) error {
	children, err := e.children(ctx, e.from(r), r)
	if err != nil {
		return err
	}
	for _, ae := range children {
		if ae.Spec.Cancel || run.State(ae.Status.Phase).Ended() {
			continue
		}
		next := ae.DeepCopy()
		next.Spec.Cancel = true
		if err := e.client.Patch(ctx, next, client.MergeFrom(&ae), client.FieldOwner(v1alpha1.FieldOwner)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("cancel step %s: %w", ae.Spec.Step, err)
		}
	}
	return nil
}
