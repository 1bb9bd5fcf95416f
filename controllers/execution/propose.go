package execution

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

// proposing is the action type whose outputs name a pull request.
const proposing = "git/create-pr"

// proposal is what such an action puts out.
type proposal struct {
	Number     int64  `json:"prNumber"`
	URL        string `json:"prURL"`
	Repository string `json:"repository"`
	Provider   string `json:"provider"`
	Base       string `json:"base"`
	Branch     string `json:"branch"`
	CauseKey   string `json:"causeKey"`
}

// propose makes a PullRequest object for each pull request that a step opened,
// so that it is followed to its end; the object outlives the run. A step whose
// pull request cannot be followed has failed, whatever became of its Job, and
// what follows from that is planned as after any failure. One whose object
// could not be made yet has not ended yet.
func (r *Reconciler) propose(ctx context.Context, p *pass) {
	for _, step := range p.run.Steps {
		if step.ActionType != proposing {
			continue
		}
		var units []string
		if step.ForEach == nil {
			units = []string{step.Name}
		}
		for i := range step.ForEach.Most() {
			units = append(units, run.Unit(step.Name, i))
		}
		for _, name := range units {
			r.proposed(ctx, p, step, name)
		}
	}
}

// proposed looks at the pull request of a step or of one item of it.
func (r *Reconciler) proposed(ctx context.Context, p *pass, step run.Step, name string) {
	seen := p.seen.Steps[name]
	if seen.State != run.Succeeded || len(seen.Outputs) == 0 {
		return
	}
	err := r.follow(ctx, p, step, name)
	refusal, refused := run.AsRefusal(err)
	switch {
	case err == nil:
		return
	case refused:
		seen.State, seen.Reason, seen.Message = run.Failed, refusal.Reason, refusal.Message
	default:
		p.trouble = err
		seen.State, seen.Reason, seen.Message, seen.Finished = run.Running, v1alpha1.ReasonProgressingWithRetry, err.Error(), time.Time{}
	}
	seen.Outputs = nil // nobody may build on what is not followed
	p.seen.Steps[name] = seen
}

// follow reads what a step put out and makes the object. What status tells of
// the step stands: a person may have deleted the object since.
func (r *Reconciler) follow(ctx context.Context, p *pass, step run.Step, name string) error {
	var out proposal
	if err := json.Unmarshal(p.seen.Steps[name].Outputs, &out); err != nil {
		return run.Refuse(v1alpha1.ReasonOutputsInvalid, "the pull request that it put out cannot be read: %v: look for it at the forge", err)
	}
	if out.Number == 0 {
		return nil // nothing to change, so nothing was proposed
	}
	pr := r.pullRequest(p, step, out)
	if !p.ended[name] {
		err := r.client.Get(ctx, client.ObjectKeyFromObject(pr), &v1alpha1.PullRequest{})
		if apierrors.IsNotFound(err) {
			err = client.IgnoreAlreadyExists(r.client.Create(ctx, pr, client.FieldOwner(v1alpha1.FieldOwner)))
		}
		if apierrors.IsInvalid(err) {
			return run.Refuse(v1alpha1.ReasonOutputsInvalid, "the pull request that it put out cannot be followed: %v: look for it at the forge", err)
		}
		if err != nil {
			return fmt.Errorf("make PullRequest %s of step %s: %w", pr.Name, name, err)
		}
	}
	p.obj.Status.PullRequest = &v1alpha1.PullRequestSummary{Name: pr.Name, URL: out.URL}
	return nil
}

func (r *Reconciler) pullRequest(p *pass, step run.Step, out proposal) *v1alpha1.PullRequest {
	pr := &v1alpha1.PullRequest{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.run.Namespace, Name: names.PullRequest(out.Repository, strconv.FormatInt(out.Number, 10)),
			Labels: map[string]string{v1alpha1.LabelExecution: names.Label(p.run.Name), v1alpha1.LabelStep: step.Base()},
		},
		Spec: v1alpha1.PullRequestSpec{
			Repository: out.Repository, Provider: out.Provider, Number: out.Number, Base: out.Base, Branch: out.Branch, CauseKey: out.CauseKey,
			Execution: &v1alpha1.ExecutionReference{Name: p.run.Name, UID: p.run.UID},
		},
	}
	// Where Git goes by ssh, its Secret opens nothing at the forge's API.
	if secret := cmp.Or(step.Credentials["forge"], step.Credentials["git"]); secret != "" {
		pr.Spec.SecretRef = &v1alpha1.LocalReference{Name: secret}
	}
	return pr
}
