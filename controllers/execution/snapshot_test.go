package execution

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// What a workflow says of ends and failures reaches the planner through the
// snapshot; one that says nothing fails fast, as one of an earlier build does.
func TestSnapshotKeepsTheFlow(t *testing.T) {
	edge := v1alpha1.Edge{Step: "a", Ended: []v1alpha1.EdgeEnd{v1alpha1.EdgeFailed, v1alpha1.EdgeAlways}}
	steps := []v1alpha1.WorkflowStep{{Name: "a", OnFailure: v1alpha1.FailureContinues}, {Name: "b", After: []v1alpha1.Edge{edge}, OnFailure: v1alpha1.FailureFails}}
	for _, c := range []struct {
		failFast *bool
		goOn     bool
	}{{nil, false}, {ptr.To(true), false}, {ptr.To(false), true}} {
		w := newWorld(t)
		r := &Reconciler{client: w.client, options: Options{}}
		p := &pass{obj: twoSteps()}
		s, err := r.snapshot(t.Context(), p, v1alpha1.WorkflowSpec{Steps: steps, FailFast: c.failFast})
		if err != nil {
			t.Fatal(err)
		}
		p.obj.Status.Snapshot = s
		p.restore()
		if p.run.GoOn != c.goOn || !p.run.Steps[0].Continue || p.run.Steps[1].Continue {
			t.Errorf("failFast %v: the run goes on: %t; steps %+v", c.failFast, p.run.GoOn, p.run.Steps)
		}
		if diff := cmp.Diff([]run.Edge{{Step: "a", On: []run.State{run.Failed, run.AnyEnd}}}, p.run.Steps[1].After); diff != "" {
			t.Error(diff)
		}
	}
}
