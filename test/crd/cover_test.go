package crd

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// rule is one CEL rule of a kind.
type rule struct{ kind, message string }

// Every CEL rule has a case that is refused with its words, and its kind one
// that is accepted; a rule about changes needs an accepted change.
func TestEveryRuleHasItsCases(t *testing.T) {
	var wants []string
	for _, file := range samples(t, rejected) {
		wants = append(wants, wanted(t, file))
	}
	for r, transition := range rules(t) {
		if !covered(r.message, wants) {
			t.Errorf("%s: no file in test/rejected wants %q", r.kind, r.message)
		}
		least := 1
		if transition {
			least = 2
		}
		if most := longest(t, r.kind); most < least {
			t.Errorf("%s: %q needs an accepted sample of %d documents, there is one of %d", r.kind, r.message, least, most)
		}
	}
}

// Of what was asked for, only these fields may change: a field that comes to
// such a kind later must be named by its rule.
func TestRunsHoldStill(t *testing.T) {
	for kind, free := range map[string][]string{
		"WorkflowExecution": {"suspend", "suspendReason", "suspendedBy", "cancel", "terminate"},
		"ActionExecution":   {"cancel"},
	} {
		var text string
		for _, v := range spec(t, kind).XValidations {
			if strings.Contains(v.Message, "cannot be changed but for "+free[0]) {
				text = v.Rule
			}
		}
		for field := range spec(t, kind).Properties {
			held := regexp.MustCompile(`self\.` + field + ` == oldSelf\.` + field + `\b`).MatchString(text)
			if held == slices.Contains(free, field) {
				t.Errorf("%s: the rule holds spec.%s: %t", kind, field, held)
			}
		}
	}
}

func covered(message string, wants []string) bool {
	for _, w := range wants {
		if strings.Contains(message, w) {
			return true
		}
	}
	return false
}

// longest counts the documents of the kind's longest accepted sample.
func longest(t *testing.T, kind string) int {
	t.Helper()
	most := 0
	for _, file := range samples(t, filepath.Join(accepted, strings.ToLower(kind))) {
		most = max(most, len(documents(t, file)))
	}
	return most
}

// rules reads the CEL rules of all kinds; the value says whether the rule
// compares with the object before.
func rules(t *testing.T) map[rule]bool {
	t.Helper()
	out := map[rule]bool{}
	for _, crd := range crds(t) {
		for _, v := range crd.Spec.Versions {
			collect(crd.Spec.Names.Kind, v.Schema.OpenAPIV3Schema, out)
		}
	}
	return out
}

// spec is the schema of what is asked for by a kind.
func spec(t *testing.T, kind string) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	for _, crd := range crds(t) {
		if crd.Spec.Names.Kind == kind {
			return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		}
	}
	t.Fatalf("no CRD of kind %s", kind)
	return apiextensionsv1.JSONSchemaProps{}
}

func crds(t *testing.T) []apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	files, err := filepath.Glob("../../kustomize/base/crd/kubernaut.ai_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs: %v", err)
	}
	var out []apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			t.Fatal(err)
		}
		out = append(out, crd)
	}
	return out
}

func collect(kind string, s *apiextensionsv1.JSONSchemaProps, out map[rule]bool) {
	if s == nil {
		return
	}
	for _, v := range s.XValidations {
		out[rule{kind, v.Message}] = strings.Contains(v.Rule, "oldSelf")
	}
	for _, p := range s.Properties {
		collect(kind, &p, out)
	}
	if s.Items != nil {
		collect(kind, s.Items.Schema, out)
	}
	if s.AdditionalProperties != nil {
		collect(kind, s.AdditionalProperties.Schema, out)
	}
}
