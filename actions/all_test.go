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
	for _, b := range actions.All(nil) {
		c, err := contract.Parse([]byte(b.Document))
		if err != nil {
			t.Errorf("%s: %v", b.Document, err)
			continue
		}
		t.Run(c.Metadata.Name, func(t *testing.T) {
			if diff := cmp.Diff(c, b.Action.Contract()); diff != "" {
				t.Errorf("document and action differ: %s", diff)
			}
			if names[c.Metadata.Name] || names[c.Spec.ActionType] {
				t.Error("name or type stands twice")
			}
			names[c.Metadata.Name], names[c.Spec.ActionType] = true, true
			promises(t, c)
			modestRights(t, c)
		})
	}
}

func promises(t *testing.T, c contract.Contract) {
	if !c.Spec.Idempotent {
		t.Error("it may not be repeated after a crash")
	}
	if len(c.Spec.Outputs) == 0 || c.Spec.Outputs[0].Name != "changed" || c.Spec.Outputs[0].Type != contract.Boolean {
		t.Error("the first output must be changed")
	}
	for _, in := range c.Spec.Inputs {
		if in.Description == "" {
			t.Errorf("input %s has no description", in.Name)
		}
	}
}

// modestRights: what ships with the product runs without an ExecutionPolicy.
func modestRights(t *testing.T, c contract.Contract) {
	if exceeding := rights.Exceeding(wanted(c), rights.Default()); len(exceeding) > 0 {
		t.Errorf("it needs more than the default ceiling: %v", exceeding)
	}
}

func wanted(c contract.Contract) []rights.Rule {
	var out []rights.Rule
	for _, p := range c.Spec.RBAC.Permissions {
		out = append(out, rights.Rule{APIGroups: p.APIGroups, Resources: p.Resources, Verbs: p.Verbs})
	}
	return out
}

// The controller holds the ceiling itself, so a right that no contract asks for
// has no place in it.
func TestTheCeilingHasNothingUnneeded(t *testing.T) {
	var all []rights.Rule
	for _, b := range actions.All(nil) {
		all = append(all, wanted(b.Action.Contract())...)
	}
	if unneeded := rights.Exceeding(rights.Default(), all); len(unneeded) > 0 {
		t.Errorf("no shipped contract asks for %v", unneeded)
	}
}

func TestFind(t *testing.T) {
	for _, name := range []string{"scale-deployment", "kubernetes/scale-deployment", "kubernetes/scale_deployment"} {
		if b, ok := actions.Find(nil, name); !ok || b.Action.Contract().Metadata.Name != "scale-deployment" {
			t.Errorf("%s was not found", name)
		}
	}
	if _, ok := actions.Find(nil, "kubernetes/scale-deploymen"); ok {
		t.Error("a near miss was found")
	}
}
