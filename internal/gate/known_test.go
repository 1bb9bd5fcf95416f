package gate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
)

// scope is what is known before a run has started.
func scope() *expr.Scope {
	return &expr.Scope{
		Params:    map[string]json.RawMessage{"x": []byte(`"https://git.example.com/team/app"`), "n": []byte("3"), "long": []byte(`"` + strings.Repeat("x", maxInputs) + `"`)},
		Execution: map[string]string{"name": "run", "namespace": "ops", "uid": "uid"},
	}
}

func TestWhatIsKnownIsJudgedBeforeTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		inputs string
		want   run.Reason
	}{
		"values":                         {`{"repository":"https://git.example.com/team/app"}`, ""},
		"references":                     {`{"repository":"$(params.x)","replicas":"$(params.n)"}`, ""},
		"an output":                      {`{"repository":"$(params.x)","replicas":"$(steps.b.outputs.n)"}`, ""},
		"repository of an output":        {`{"repository":"$(steps.b.outputs.url)"}`, ""},
		"repository of a parameter":      {`{"repository":"$(params.x)-evil"}`, v1alpha1.ReasonPolicyDenied},
		"repository of the run":          {`{"repository":"https://$(execution.name).example.com/"}`, v1alpha1.ReasonPolicyDenied},
		"repository beside an output":    {`{"repository":"https://evil.example.com/a","replicas":"$(steps.b.outputs.n)"}`, v1alpha1.ReasonPolicyDenied},
		"type of a literal":              {`{"repository":"$(params.x)","replicas":"many"}`, v1alpha1.ReasonInvalidParameters},
		"type of a parameter":            {`{"repository":"$(params.x)","replicas":"$(params.x)"}`, v1alpha1.ReasonInvalidParameters},
		"too long once it has its value": {`{"repository":"$(params.long)"}`, v1alpha1.ReasonInvalidParameters},
		"no such parameter":              {`{"repository":"$(params.gone)"}`, v1alpha1.ReasonInvalidReference},
		"none beside an output":          {`{"repository":"$(params.gone)","replicas":"$(steps.b.outputs.n)"}`, v1alpha1.ReasonInvalidReference},
		"no reference":                   {`{"repository":"$(what.ever)"}`, v1alpha1.ReasonInvalidReference},
	} {
		t.Run(name, func(t *testing.T) {
			k := caseOf()
			k.Scope, k.Policy.Repositories = scope(), [][]string{{"https://git.example.com/team/app"}}
			k.Run.Steps[0].Inputs = []byte(c.inputs)
			v := whole(&registry{document: document}).Walk(t.Context(), k)
			if v.Reason != c.want || (v.Kind == run.Passed) != (c.want == "") {
				t.Errorf("verdict %+v, want %q", v, c.want)
			}
			if string(k.Run.Steps[0].Inputs) != c.inputs {
				t.Errorf("the step's inputs became %s", k.Run.Steps[0].Inputs)
			}
		})
	}
}

func TestSensitiveParametersReachSensitiveInputsAlone(t *testing.T) {
	for inputs, want := range map[string]run.Reason{
		`{"repository":"https://git.example.com/team/app","token":"$(params.x)"}`: "",
		`{"repository":"https://git.example.com/$(params.x)"}`:                    v1alpha1.ReasonInvalidReference,
		`{"repository":"$(steps.b.outputs.n)","replicas":"$(params.x)"}`:          v1alpha1.ReasonInvalidReference,
		`{"repository":"https://git.example.com/team/app","token":"$(params.n)"}`: v1alpha1.ReasonInvalidParameters,
	} {
		k := caseOf()
		k.Scope, k.Sensitive = scope(), map[string]bool{"x": true, "n": true}
		k.Scope.Params["x"], k.Scope.Params["n"] = []byte(`"hunter"`), []byte(`"hunter2"`)
		k.Run.Steps[0].Inputs = []byte(inputs)
		v := whole(&registry{document: document}).Walk(t.Context(), k)
		if v.Reason != want || (v.Kind == run.Passed) != (want == "") || strings.Contains(v.Message, "hunter") {
			t.Errorf("%s: verdict %+v, want %q", inputs, v, want)
		}
	}
}

func TestWithoutAScopeEverythingIsAValue(t *testing.T) {
	k := caseOf()
	k.Policy.Repositories = [][]string{{"https://git.example.com/"}}
	k.Run.Steps[0].Inputs = []byte(`{"repository":"$(steps.b.outputs.url)"}`)
	if v := whole(&registry{document: document}).Walk(t.Context(), k); v.Reason != v1alpha1.ReasonPolicyDenied {
		t.Errorf("verdict %+v, want what looks like a reference taken as a value", v)
	}
}
