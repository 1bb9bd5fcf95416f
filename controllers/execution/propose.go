package execution

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

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
// so that it is followed to its end. The object outlives the run. A step whose
// pull request cannot be followed has failed, whatever its pod says: nobody
// would learn of the change, so onFailure and finally have to know.
func (r *Reconciler) propose(ctx context.Context, p *pass) error {
	for _, step := range p.run.Steps {
		seen := p.seen.Steps[step.Name]
		if step.ActionType != proposing || seen.State != run.Succeeded || len(seen.Outputs) == 0 {
			continue
		}
		err := r.follow(ctx, p, step, seen.Outputs)
		if refusal, ok := run.AsRefusal(err); ok {
			seen.State, seen.Reason, seen.Message, seen.Outputs = run.Failed, refusal.Reason, refusal.Message, nil
			p.seen.Steps[step.Name] = seen
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// follow makes the object for the pull request that outputs name.
func (r *Reconciler) follow(ctx context.Context, p *pass, step run.Step, outputs json.RawMessage) error {
	var out proposal
	if err := json.Unmarshal(outputs, &out); err != nil {
		return run.Refuse(v1alpha1.ReasonOutputsInvalid, "it put out a pull request that cannot be read: %v", err)
	}
	if out.Number == 0 || out.Repository == "" {
		return nil // nothing to change, so nothing was proposed
	}
	pr := r.pullRequest(p, step, out)
	err := r.client.Get(ctx, client.ObjectKeyFromObject(pr), &v1alpha1.PullRequest{})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read pull request %s: %w", pr.Name, err)
	}
	if err != nil {
		err = r.client.Create(ctx, pr, client.FieldOwner(v1alpha1.FieldOwner))
	}
	if apierrors.IsInvalid(err) {
		return run.Refuse(v1alpha1.ReasonOutputsInvalid, "it put out a pull request that cannot be followed: %v", err)
	}
	if client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("create pull request %s: %w", pr.Name, err)
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
