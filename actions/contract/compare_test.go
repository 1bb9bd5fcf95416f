package contract_test

import (
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/actions/contract"
)

func TestCompare(t *testing.T) {
	cases := map[string]struct{ from, to, want string }{
		"same":                  {"v1.2.3", "v1.2.3", ""},
		"patch":                 {"v1.2.3", "v1.2.4", ""},
		"older":                 {"v1.2.3", "v1.1.9", "metadata.version"},
		"new optional input":    {"    - {name: file,", "    - {name: extra, type: string}\n    - {name: file,", ""},
		"new required input":    {"    - {name: file,", "    - {name: extra, type: string, required: true}\n    - {name: file,", "inputs.extra"},
		"input gone":            {"    - {name: ratio, type: number, minimum: 0.5}\n", "", "inputs.ratio: found nothing"},
		"input of another type": {"{name: items, type: array}", "{name: items, type: string}", "inputs.items"},
		"now required":          {"{name: items, type: array}", "{name: items, type: array, required: true}", "optional as before"},
		"higher maximum":        {"maximum: 10", "maximum: 20", ""},
		"lower maximum":         {"maximum: 10", "maximum: 9", "the maximum as before"},
		"new maximum":           {"minimum: 0.5", "minimum: 0.5, maximum: 2", "the maximum as before"},
		"lower minimum":         {"minimum: 0.5", "minimum: 0.25", ""},
		"higher minimum":        {"minimum: 0.5", "minimum: 0.75", "the minimum as before"},
		"enum grows":            {"[fast, safe]", "[fast, safe, slow]", ""},
		"enum shrinks":          {"[fast, safe]", "[safe]", `"fast" as before`},
		"new enum":              {"{name: file, type: string}", "{name: file, type: string, enum: [a]}", "no enum"},
		"pattern gone":          {"      pattern: ^[a-z]+|x-[a-z]+$\n", "", ""},
		"other pattern":         {"^[a-z]+|x-[a-z]+$", "^[a-z]+$", "the pattern as before"},
		"now shown":             {"{name: token, type: string, sensitive: true,", "{name: token, type: string,", "sensitive as before"},
		"now hidden":            {"{name: items, type: array}", "{name: items, type: array, sensitive: true}", ""},
		"output gone":           {"    - {name: previous, type: integer}\n", "", "outputs.previous"},
		"output type":           {"{name: previous, type: integer}", "{name: previous, type: string}", "outputs.previous"},
		"idempotence lost":      {"  idempotent: true\n", "", "spec.idempotent"},
		"more rights":           {"verbs: [get, update]", "verbs: [get, update, delete]", `rbac: found "delete deployments apps Namespace"`},
		"wider scope":           {"verbs: [get, update]", "verbs: [get, update]\n        scope: Cluster", "apps Cluster"},
		"fewer rights":          {"verbs: [get, update]", "verbs: [get]", ""},
		"new credential":        {"    - {name: git, required: true}", "    - {name: git, required: true}\n    - {name: api, required: true}", "credentials.api"},
		"optional credential":   {"    - {name: git, required: true}", "    - {name: git, required: true}\n    - {name: api}", ""},
		"another action":        {"kubernetes/resize", "kubernetes/shrink", "spec.actionType"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			next := strings.Replace(full(t), c.from, c.to, 1)
			got := contract.Compare(parse(t, full(t)), parse(t, next))
			text := contract.Join(got.Breaking)
			if got.Lawful() != (c.want == "") || !strings.Contains(text, c.want) {
				t.Errorf("lawful %v, %q; want %q", got.Lawful(), text, c.want)
			}
			if name == "older" {
				return
			}
			major := contract.Compare(parse(t, full(t)), parse(t, strings.Replace(next, "v1.2", "v2.0", 1)))
			if !major.Lawful() {
				t.Error("a new major version may break")
			}
		})
	}
}

func TestCanonicalType(t *testing.T) {
	if got := contract.CanonicalType("kubernetes/scale_deployment"); got != "kubernetes/scale-deployment" {
		t.Error(got)
	}
}
