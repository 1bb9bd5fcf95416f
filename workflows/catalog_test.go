// Package workflows tests the shipped catalog.
package workflows

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/expr"
)

// tree is the shipped catalog with an Action for every image that we build.
func tree(t *testing.T) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{
		"kustomization.yaml": {Data: []byte("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [actions.yaml, workflows]\n")},
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".yaml") {
			continue
		}
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		out["workflows/"+f.Name()] = &fstest.MapFile{Data: text}
	}
	var manifests strings.Builder
	for _, a := range actions.All(nil) {
		c := a.Action.Contract()
		manifests.WriteString("---\napiVersion: kubernaut.ai/v1alpha1\nkind: Action\nmetadata: {name: " + c.Metadata.Name + "}\n" +
			"spec: {type: " + c.Spec.ActionType + ", version: " + c.Metadata.Version + ", image: \"registry.example.com/" + c.Metadata.Name + "@sha256:" + strings.Repeat("a", 64) + "\"}\n")
	}
	out["actions.yaml"] = &fstest.MapFile{Data: []byte(manifests.String())}
	return out
}

func load(t *testing.T) catalog.Set {
	t.Helper()
	set, findings := catalog.Load(tree(t), ".")
	for _, f := range findings {
		t.Errorf("%s:%d: %s: %s", f.File, f.Line, f.Reason, f.Message)
	}
	for _, f := range set.Missing(func(string) bool { return false }) {
		t.Errorf("%s:%d: %s", f.File, f.Line, f.Message)
	}
	return set
}

func TestTheShippedCatalogIsValid(t *testing.T) {
	set := load(t)
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	manifests := 0
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".yaml") && f.Name() != "kustomization.yaml" {
			manifests++
		}
	}
	if got := set.Count(catalog.KindWorkflow); got != manifests {
		t.Errorf("%d workflows in the set, %d files: list every file in kustomization.yaml", got, manifests)
	}
}

// Every step must give its action what the contract asks for, whatever values
// a run sets.
func TestStepsFitTheContractsOfTheirActions(t *testing.T) {
	for _, o := range load(t).Objects {
		if o.Workflow == nil {
			continue
		}
		scope := expr.Scope{Params: values(t, o.Workflow.Spec.Parameters), Execution: map[string]string{"name": "run", "namespace": "shop", "uid": "1"}}
		for _, step := range o.Workflow.Spec.Steps {
			built, ok := actions.Find(nil, step.Action)
			if !ok {
				t.Errorf("%s: step %s: no action %s", o.Name, step.Name, step.Action)
				continue
			}
			agreed := built.Action.Contract()
			inputs, err := expr.Resolve(step.Inputs.Raw, scope)
			if err != nil {
				t.Errorf("%s: step %s: %v", o.Name, step.Name, err)
			}
			if _, findings := agreed.ValidateInputs(inputs); len(findings) > 0 {
				t.Errorf("%s: step %s: %v", o.Name, step.Name, findings)
			}
			if missing := ungiven(agreed.Spec.Credentials, step.Credentials); missing != "" {
				t.Errorf("%s: step %s: credential %q is not given", o.Name, step.Name, missing)
			}
		}
	}
}

// values are plausible ones for each type of parameter.
func values(t *testing.T, parameters []v1alpha1.Parameter) map[string]json.RawMessage {
	t.Helper()
	out := map[string]json.RawMessage{}
	for _, p := range parameters {
		value := map[string]string{"integer": "3", "quantity": `"256Mi"`, "": `"main"`, "string": `"main"`}[p.Type]
		if p.Name == "repository" {
			value = `"https://git.example.com/team/shop.git"`
		}
		if err := catalog.CheckValue(p, []byte(value)); err != nil {
			t.Fatalf("parameter %s: %v", p.Name, err)
		}
		out[p.Name] = json.RawMessage(value)
	}
	return out
}

// ungiven names a credential that the contract demands and the step lacks.
func ungiven(wanted []contract.Credential, given []v1alpha1.Credential) string {
	for _, w := range wanted {
		if w.Required && !slices.ContainsFunc(given, func(c v1alpha1.Credential) bool { return c.Name == w.Name }) {
			return w.Name
		}
	}
	return ""
}
