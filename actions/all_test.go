package actions_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/internal/rights"
)

// TestContracts holds every built-in contract to what all of them promise.
func TestContracts(t *testing.T) {
	names := map[string]bool{}
	for _, b := range actions.All() {
		c, err := contract.Parse([]byte(b.Document))
		if err != nil {
			t.Errorf("%s: %v", b.Document, err)
			continue
		}
		if diff := cmp.Diff(c, b.Action.Contract()); diff != "" {
			t.Errorf("%s: document and action differ: %s", c.Metadata.Name, diff)
		}
		if names[c.Metadata.Name] || names[c.Spec.ActionType] {
			t.Errorf("%s: name or type stands twice", c.Metadata.Name)
		}
		names[c.Metadata.Name], names[c.Spec.ActionType] = true, true
		if !c.Spec.Idempotent {
			t.Errorf("%s may not be repeated after a crash", c.Metadata.Name)
		}
		if len(c.Spec.Outputs) == 0 || c.Spec.Outputs[0].Name != "changed" || c.Spec.Outputs[0].Type != contract.Boolean {
			t.Errorf("%s: the first output must be changed", c.Metadata.Name)
		}
		for _, in := range c.Spec.Inputs {
			if in.Description == "" {
				t.Errorf("%s: input %s has no description", c.Metadata.Name, in.Name)
			}
		}
		var want []rights.Rule
		for _, p := range c.Spec.RBAC.Permissions {
			want = append(want, rights.Rule{APIGroups: p.APIGroups, Resources: p.Resources, Verbs: p.Verbs})
		}
		if exceeding := rights.Exceeding(want, rights.Default()); len(exceeding) > 0 {
			t.Errorf("%s needs more than the default ceiling: %v", c.Metadata.Name, exceeding)
		}
	}
}

func TestFind(t *testing.T) {
	for _, name := range []string{"scale-deployment", "kubernetes/scale-deployment", "kubernetes/scale_deployment"} {
		if b, ok := actions.Find(name); !ok || b.Action.Contract().Metadata.Name != "scale-deployment" {
			t.Errorf("%s was not found", name)
		}
	}
	if _, ok := actions.Find("kubernetes/scale-deploymen"); ok {
		t.Error("a near miss was found")
	}
}
