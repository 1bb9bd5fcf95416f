package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/dag"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// check looks at the workflow by itself.
func (r *Reconciler) check(_ context.Context, p *pass) error {
	p.order, _ = dag.Check(manifests.Graph(p.obj.Spec))
	p.hash = manifests.Hash(*p.obj)
	return refuse(manifests.Check(p.obj.Spec))
}

// refuse turns faults into a Refusal with the reason of the first that names
// them all; none are none.
func refuse(faults []manifests.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	lines := make([]string, 0, len(faults))
	for _, f := range faults {
		lines = append(lines, f.Field+": "+f.Message)
	}
	return run.Refuse(run.Reason(faults[0].Reason), "%s", strings.Join(lines, "; "))
}

// version refuses other content under a version that has run-able content
// already: runs and approvals name the version and must mean one thing by it.
func (r *Reconciler) version(_ context.Context, p *pass) error {
	s := p.obj.Status
	if s.ContentHash == "" || s.Version != p.obj.Spec.Version || s.ContentHash == p.hash {
		return nil
	}
	return run.Refuse(v1alpha1.ReasonVersionConflict, "version %s was published with content %.19s…, this is %.19s…: raise spec.version",
		s.Version, s.ContentHash, p.hash)
}

// actions reads the contracts of all Actions that the steps use and waits for
// those that are not ready.
func (r *Reconciler) actions(ctx context.Context, p *pass) error {
	p.contracts = map[string]contract.Contract{}
	var missing []string
	seen := map[string]bool{}
	for _, step := range manifests.Steps(p.obj.Spec) {
		if step.Action == "" || seen[step.Action] {
			continue
		}
		seen[step.Action] = true
		why, err := r.read(ctx, p, step.Action)
		if err != nil {
			return err
		}
		if why != "" {
			missing = append(missing, fmt.Sprintf("Action %s %s", step.Action, why))
		}
	}
	if len(missing) > 0 {
		return run.WaitFor(v1alpha1.ReasonDependencyNotReady, time.Time{}, "%s", strings.Join(missing, "; "))
	}
	return nil
}

// read keeps the contract of one Action, or says why there is none yet.
func (r *Reconciler) read(ctx context.Context, p *pass, name string) (why string, err error) {
	var a v1alpha1.Action
	err = r.client.Get(ctx, client.ObjectKey{Namespace: p.obj.Namespace, Name: name}, &a)
	if apierrors.IsNotFound(err) {
		return "does not exist", nil
	}
	if err != nil {
		return "", fmt.Errorf("read action %s: %w", name, err)
	}
	ready := report.Find(a.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil || ready.ObservedGeneration != a.Generation || a.Status.Contract == nil && ready.Status == metav1.ConditionTrue:
		return "is not checked yet", nil
	case ready.Status != metav1.ConditionTrue:
		return fmt.Sprintf("is not ready (%s): %s", ready.Reason, ready.Message), nil
	}
	var c contract.Contract
	if err := json.Unmarshal(a.Status.Contract.Raw, &c); err != nil {
		return "", fmt.Errorf("read contract of action %s: %w", name, err)
	}
	p.contracts[name] = c
	return "", nil
}
