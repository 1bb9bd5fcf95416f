package catalog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
)

func TestCheckValue(t *testing.T) {
	list := []apiextensionsv1.JSON{{Raw: []byte(`"a"`)}, {Raw: []byte(`{"x": 1, "y": 2}`)}}
	for _, c := range []struct {
		name  string
		p     v1alpha1.Parameter
		value string
		ok    bool
	}{
		{"default type is string", v1alpha1.Parameter{}, `"x"`, true},
		{"number for a string", v1alpha1.Parameter{}, `1`, false},
		{"integer", v1alpha1.Parameter{Type: "integer"}, `9007199254740993`, true},
		{"fraction for an integer", v1alpha1.Parameter{Type: "integer"}, `1.5`, false},
		{"text for an integer", v1alpha1.Parameter{Type: "integer"}, `"1"`, false},
		{"number", v1alpha1.Parameter{Type: "number", Minimum: "0.5"}, `0.5`, true},
		{"below", v1alpha1.Parameter{Type: "number", Minimum: "0.5"}, `0.4`, false},
		{"boolean", v1alpha1.Parameter{Type: "boolean"}, `false`, true},
		{"array", v1alpha1.Parameter{Type: "array"}, `[1]`, true},
		{"object for an array", v1alpha1.Parameter{Type: "array"}, `{}`, false},
		{"duration", v1alpha1.Parameter{Type: "duration", Maximum: "1h"}, `"60m"`, true},
		{"above", v1alpha1.Parameter{Type: "duration", Maximum: "1h"}, `"61m"`, false},
		{"quantity", v1alpha1.Parameter{Type: "quantity", Minimum: "1000Mi"}, `"1Gi"`, true},
		{"quantity as number", v1alpha1.Parameter{Type: "quantity"}, `2`, true},
		{"pattern holds the whole", v1alpha1.Parameter{Pattern: "a|b"}, `"ab"`, false},
		{"pattern", v1alpha1.Parameter{Pattern: "a|b"}, `"b"`, true},
		{"enum", v1alpha1.Parameter{Enum: list}, `"a"`, true},
		{"not in enum", v1alpha1.Parameter{Enum: list}, `"b"`, false},
		{"enum of objects, other order", v1alpha1.Parameter{Type: "object", Enum: list}, `{"y":2,"x":1}`, true},
		{"null", v1alpha1.Parameter{}, `null`, false},
		{"no JSON", v1alpha1.Parameter{}, `x`, false},
		{"unknown type refuses", v1alpha1.Parameter{Type: "secret"}, `"x"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := CheckValue(c.p, []byte(c.value)); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCheckValueHidesWhatIsSensitive(t *testing.T) {
	for _, p := range []v1alpha1.Parameter{
		{Type: "integer"}, {Pattern: "x"}, {Type: "unknown"}, {Type: "duration"},
		{Enum: []apiextensionsv1.JSON{{Raw: []byte(`"x"`)}}},
	} {
		p.Sensitive = true
		for _, value := range []string{`"hunter2"`, `hunter2`} {
			if err := CheckValue(p, []byte(value)); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%+v: got %v", p, err)
			}
		}
	}
	low := v1alpha1.Parameter{Type: "integer", Maximum: "1", Minimum: "1", Sensitive: true}
	for _, value := range []string{"-4711", "4711"} {
		if err := CheckValue(low, []byte(value)); err == nil || strings.Contains(err.Error(), "4711") {
			t.Errorf("got %v", err)
		}
	}
}

func TestExposed(t *testing.T) {
	sensitive := Sensitive([]v1alpha1.Parameter{{Name: "a"}, {Name: "b", Sensitive: true}})
	for name, want := range map[string]bool{"a": false, "b": true} {
		refs := []expr.Ref{{Kind: expr.Output, Step: "s", Name: "b"}, {Kind: expr.Param, Name: name}}
		if got := Exposed(sensitive, refs); (got != "") != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestHash(t *testing.T) {
	base := v1alpha1.Workflow{Spec: v1alpha1.WorkflowSpec{Version: "v1.0.0", Parameters: []v1alpha1.Parameter{{Name: "a"}}, Workspace: &v1alpha1.Workspace{},
		Steps: []v1alpha1.WorkflowStep{{Name: "s", Action: "x", Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"b":1,"a":2}`)}}}}}
	same := base.DeepCopy()
	same.Name, same.Labels, same.Status.ContentHash = "other", map[string]string{"a": "b"}, "x"
	same.Spec.Engine, same.Spec.Parameters[0].Type, same.Spec.Workspace.Size = "auto", "string", "1Gi"
	same.Spec.Steps[0].Inputs.Raw = []byte(`{ "a":2, "b":1 }`)
	if Hash(base) != Hash(*same) {
		t.Error("defaults, metadata or the order of keys changed the hash")
	}
	for name, change := range map[string]func(*v1alpha1.WorkflowSpec){
		"input":   func(s *v1alpha1.WorkflowSpec) { s.Steps[0].Inputs.Raw = []byte(`{"b":1,"a":3}`) },
		"step":    func(s *v1alpha1.WorkflowSpec) { s.Steps = append(s.Steps, v1alpha1.WorkflowStep{Name: "t"}) },
		"version": func(s *v1alpha1.WorkflowSpec) { s.Version = "v1.0.1" },
		"engine":  func(s *v1alpha1.WorkflowSpec) { s.Engine = "job" },
	} {
		other := base.DeepCopy()
		change(&other.Spec)
		if Hash(base) == Hash(*other) {
			t.Errorf("%s does not change the hash", name)
		}
	}
	if base.Spec.Engine != "" {
		t.Error("hashing changed the workflow")
	}
}

func TestDiff(t *testing.T) {
	e := func(id string) v1alpha1.InventoryEntry { return v1alpha1.InventoryEntry{ID: id, Version: "v1alpha1"} }
	added, gone := Diff([]v1alpha1.InventoryEntry{e("a"), e("b")}, []v1alpha1.InventoryEntry{e("b"), e("c")})
	if diff := cmp.Diff([]v1alpha1.InventoryEntry{e("c")}, added); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]v1alpha1.InventoryEntry{e("a")}, gone); diff != "" {
		t.Error(diff)
	}
}

func TestParseID(t *testing.T) {
	id, ok := ParseID("ops_git-clone_kubernaut.ai_Action")
	if want := (ID{Namespace: "ops", Name: "git-clone", Group: "kubernaut.ai", Kind: "Action"}); !ok || id != want {
		t.Errorf("got %v, %v", id, ok)
	}
	for _, bad := range []string{"", "a_b_c", "a_b_c_d_e", "_b_c_d"} {
		if _, ok := ParseID(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestCheckRetries(t *testing.T) {
	long, short := &metav1.Duration{Duration: time.Hour}, &metav1.Duration{Duration: time.Second}
	for name, c := range map[string]struct {
		retries *v1alpha1.Retries
		says    string
	}{
		"none":                    {nil, ""},
		"no backoff":              {&v1alpha1.Retries{}, ""},
		"both":                    {&v1alpha1.Retries{Backoff: &v1alpha1.Backoff{Initial: short, Max: long}}, ""},
		"the same":                {&v1alpha1.Retries{Backoff: &v1alpha1.Backoff{Initial: long, Max: long}}, ""},
		"the wrong way round":     {&v1alpha1.Retries{Backoff: &v1alpha1.Backoff{Initial: long, Max: short}}, "1h0m0s is longer than the longest one of 1s"},
		"above the usual longest": {&v1alpha1.Retries{Backoff: &v1alpha1.Backoff{Initial: long}}, "longest one of 10m0s: lower initial or raise max"},
		"below the usual first":   {&v1alpha1.Retries{Backoff: &v1alpha1.Backoff{Max: short}}, "first pause of 10s"},
	} {
		faults := Check(v1alpha1.WorkflowSpec{Steps: []v1alpha1.WorkflowStep{{Name: "a"}, {Name: "b", Retries: c.retries}}})
		if len(faults) == 0 && c.says == "" {
			continue
		}
		if len(faults) != 1 || c.says == "" || faults[0].Field != "spec.steps[1].retries.backoff" || !strings.Contains(faults[0].Message, c.says) {
			t.Errorf("%s: %+v, want %q", name, faults, c.says)
		}
	}
}
