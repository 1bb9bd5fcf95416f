package execution

import (
	"cmp"
	"encoding/json"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/run"
)

// defaultTimeout bounds a run that says nothing: the origin's figure for an
// execution.
const defaultTimeout = 30 * time.Minute

// finallyTimeout bounds each closing stage that says nothing: the time that one
// action has by default.
const finallyTimeout = 10 * time.Minute

// restore rebuilds the run from its snapshot alone.
func (p *pass) restore() {
	p.run = run.Run{Namespace: p.obj.Namespace, Name: p.obj.Name, UID: string(p.obj.UID)}
	s := p.obj.Status.Snapshot
	if s == nil {
		return
	}
	p.run.Deadline = s.Deadline.Time
	p.run.Steps = stepsOf(s)
	p.run.FinallyTimeout = finallyTimeout
	if s.FinallyTimeout != nil {
		p.run.FinallyTimeout = s.FinallyTimeout.Duration
	}
	p.run.Closing = closingOf(p.obj.Status.Closing)
	p.run.Facts = p.facts(s)
	p.run.Started = started(p.obj.Status.Steps)
	p.run.Values = p.values(s)
	p.run.GoOn = s.FailFast != nil && !*s.FailFast
	if s.Workspace != nil {
		p.run.Workspace = &run.Workspace{Size: s.Workspace.Size, StorageClass: s.Workspace.StorageClassName}
	}
}

// started lists the newest attempts of what status knows to have been started
// and not to have ended.
func started(steps []v1alpha1.StepStatus) map[string]int {
	out := map[string]int{}
	for _, s := range steps {
		for _, one := range append(itemsOf(s), s) {
			if one.Attempts > 0 && !run.State(one.Phase).Ended() {
				out[one.Name] = int(one.Attempts)
			}
		}
	}
	return out
}

// values are what the conditions of the run may name. What is no object was
// refused when the run was admitted.
func (p *pass) values(s *v1alpha1.RunSnapshot) run.Values {
	v := run.Values{Target: targetOf(s.Target), ParameterTypes: s.ParameterTypes, OutputTypes: s.OutputTypes,
		Execution: map[string]string{"name": p.obj.Name, "namespace": p.obj.Namespace, "uid": string(p.obj.UID)}}
	_ = json.Unmarshal(raw(s.Parameters), &v.Parameters)
	return v
}

// targetOf lists what references and conditions may name of a target.
func targetOf(t *v1alpha1.Target) map[string]string {
	if t == nil {
		return nil
	}
	return map[string]string{"apiVersion": t.APIVersion, "kind": t.Kind, "namespace": t.Namespace, "name": t.Name}
}

// facts are what an action may tell the reviewer of its work.
func (p *pass) facts(s *v1alpha1.RunSnapshot) map[string]string {
	type image struct {
		Step  string `json:"step"`
		Image string `json:"image"`
	}
	var images []image
	for _, step := range stepsOf(s) {
		images = append(images, image{step.Name, step.Image})
	}
	provenance, _ := json.Marshal(images) // strings cannot fail
	facts := map[string]string{
		"KUBERNAUT_EXECUTION":        p.obj.Namespace + "/" + p.obj.Name,
		"KUBERNAUT_EXECUTION_UID":    string(p.obj.UID),
		"KUBERNAUT_WORKFLOW":         s.Workflow,
		"KUBERNAUT_WORKFLOW_HASH":    s.ContentHash,
		"KUBERNAUT_CATALOG_REVISION": s.CatalogRevision,
		"KUBERNAUT_REASON":           p.obj.Spec.Reason,
		"KUBERNAUT_PROVENANCE":       string(provenance),
	}
	if s.Version != "" {
		facts["KUBERNAUT_WORKFLOW"] += "@" + s.Version
	}
	if p.obj.Status.StartedAt != nil {
		facts["KUBERNAUT_STARTED_AT"] = p.obj.Status.StartedAt.UTC().Format(time.RFC3339)
	}
	return facts
}

// closingOf reads what a run came to before its closing stage.
func closingOf(c *v1alpha1.Closing) *run.Closing {
	if c == nil {
		return nil
	}
	states := map[v1alpha1.ExecutionPhase]run.State{v1alpha1.ExecutionCompleted: run.Succeeded, v1alpha1.ExecutionFailed: run.Failed, v1alpha1.ExecutionCancelled: run.Cancelled}
	return &run.Closing{Stage: run.Stage(c.Stage), Deadline: c.Deadline.Time,
		Outcome: run.Outcome{State: states[c.Phase], Reason: run.Reason(c.Reason), Message: c.Message}}
}

// listsOf are the steps of a snapshot, in the order of run.Stages.
func listsOf(s *v1alpha1.RunSnapshot) [][]v1alpha1.WorkflowStep {
	return [][]v1alpha1.WorkflowStep{s.Steps, s.OnFailure, s.Finally}
}

// stepsOf lists all steps of a snapshot, stage by stage.
func stepsOf(s *v1alpha1.RunSnapshot) []run.Step {
	var out []run.Step
	for i, list := range listsOf(s) {
		out = append(out, stageOf(run.Stages()[i], list)...)
	}
	return out
}

func stageOf(stage run.Stage, in []v1alpha1.WorkflowStep) []run.Step {
	out := make([]run.Step, 0, len(in))
	for _, s := range in {
		step := run.Step{
			Name: s.Name, Stage: stage, ActionType: s.ActionType, Image: s.Image, Inputs: raw(s.Inputs),
			RunAfter: s.RunAfter, UsesWorkspace: s.UsesWorkspace, ServiceAccount: s.ServiceAccountName,
		}
		step.Retries = retriesOf(s.Retries)
		step.When = s.When
		if s.ForEach != nil {
			step.ForEach = &run.ForEach{Items: s.ForEach.Items.Raw, Max: int(cmp.Or(s.ForEach.MaxItems, catalog.DefaultMaxItems))}
		}
		for _, c := range s.Preconditions {
			step.Preconditions = append(step.Preconditions, run.Precondition(c))
		}
		step.Continue = s.OnFailure == v1alpha1.FailureContinues
		for _, edge := range s.After {
			step.After = append(step.After, edgeOf(edge))
		}
		if s.Timeout != nil {
			step.Timeout = s.Timeout.Duration
		}
		if len(s.Credentials) > 0 {
			step.Credentials = make(map[string]string, len(s.Credentials))
		}
		for _, c := range s.Credentials {
			step.Credentials[c.Name] = c.SecretRef.Name
		}
		out = append(out, step)
	}
	return out
}

// retriesOf fills in what a step does not say about its retries.
func retriesOf(r *v1alpha1.Retries) run.Retries {
	out := run.DefaultRetries()
	if r == nil {
		return out
	}
	if r.Limit != nil {
		out.Limit = int(*r.Limit)
	}
	if len(r.Causes) > 0 {
		out.Causes = nil
	}
	for _, c := range r.Causes {
		out.Causes = append(out.Causes, run.Cause(c))
	}
	if b := r.Backoff; b != nil {
		out.Initial, out.Max = timed(b.Initial, out.Initial), timed(b.Max, out.Max)
		out.Factor = cmp.Or(int(b.Factor), out.Factor)
	}
	return out
}

func timed(d *metav1.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.Duration
}

func edgeOf(e v1alpha1.Edge) run.Edge {
	out := run.Edge{Step: e.Step}
	for _, end := range e.Ended {
		out.On = append(out.On, run.State(end))
	}
	return out
}

// raw returns the JSON of an optional object; absent is empty.
func raw(j *apiextensionsv1.JSON) json.RawMessage {
	if j == nil || len(j.Raw) == 0 {
		return json.RawMessage("{}")
	}
	return j.Raw
}
