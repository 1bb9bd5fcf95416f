package helm_test

import (
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/helm"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	values = "# The shop.\nreplicaCount: 2   # two\nimage:\n  tag: \"v1\"\nresources: {}\n"
	schema = `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["image"], "additionalProperties": false, "properties": {
		"replicaCount": {"type": "integer", "maximum": 10}, "image": {"type": "object", "required": ["tag"], "properties": {"tag": {"type": "string"}}},
		"resources": {"type": "object"}, "old": {"type": "string"}}}`
)

func set(path string, value any) []edit.Change { return []edit.Change{{Path: path, Value: value}} }

func TestValuesAreSet(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		chart   helm.Chart
		changes []edit.Change
		want    string
	}{
		"without a schema":   {values, helm.Chart{}, set("replicaCount", 20), strings.Replace(values, "2   #", "20   #", 1)},
		"with a schema":      {values, helm.Chart{Schema: []byte(schema)}, set("replicaCount", 3), strings.Replace(values, "2   #", "3   #", 1)},
		"into {}":            {values, helm.Chart{Schema: []byte(schema)}, set("resources.limits.memory", "1Gi"), strings.Replace(values, " {}", "\n  limits:\n    memory: 1Gi", 1)},
		"over the defaults":  {"replicaCount: 1\n", helm.Chart{Schema: []byte(schema), Defaults: []byte(values)}, set("replicaCount", 3), "replicaCount: 3\n"},
		"what was wrong is":  {"old: 1\nimage: {tag: x}\n", helm.Chart{Schema: []byte(schema)}, set("replicaCount", 3), "old: 1\nimage: {tag: x}\nreplicaCount: 3\n"},
		"an empty file":      {"", helm.Chart{}, set("a.b", 1), "a:\n  b: 1\n"},
		"a file of comments": {"# none yet", helm.Chart{}, set("a", 1), "# none yet\na: 1\n"},
		"the same again":     {values, helm.Chart{Schema: []byte(schema)}, set("image.tag", "v1"), values},
		"a comment remains":  {"# none", helm.Chart{}, []edit.Change{{Op: edit.Delete, Path: "a"}}, "# none"},
	} {
		out, err := helm.SetValues("values.yaml", []byte(c.content), c.chart, c.changes)
		if err != nil || string(out.Content) != c.want || out.Changed() != (c.content != c.want) {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", name, err, out.Content, c.want)
		}
	}
}

func TestWhatTheSchemaForbidsIsRefused(t *testing.T) {
	remote := `{"$ref": "https://example.com/schema.json"}`
	for name, c := range map[string]struct {
		schema  string
		changes []edit.Change
		reason  run.Reason
		says    string
	}{
		"type":             {schema, set("replicaCount", "3"), v1alpha1.ReasonEditSchemaViolated, "/replicaCount"},
		"range":            {schema, set("replicaCount", 11), v1alpha1.ReasonEditSchemaViolated, "/replicaCount"},
		"misspelt key":     {schema, set("replicas", 3), v1alpha1.ReasonEditSchemaViolated, "replicas"},
		"required key":     {schema, []edit.Change{{Op: edit.Delete, Path: "image.tag"}}, v1alpha1.ReasonEditSchemaViolated, "tag"},
		"broken schema":    {"{", set("replicaCount", 3), v1alpha1.ReasonEditInvalid, "values.schema.json"},
		"wrong schema":     {`{"type": 3}`, set("replicaCount", 3), v1alpha1.ReasonEditInvalid, "values.schema.json"},
		"remote schema":    {remote, set("replicaCount", 3), v1alpha1.ReasonEditInvalid, "nothing outside"},
		"schema of a file": {`{"$ref": "file:///etc/passwd"}`, set("replicaCount", 3), v1alpha1.ReasonEditInvalid, "nothing outside"},
		"huge schema":      {strings.Repeat(" ", 3<<20), set("replicaCount", 3), v1alpha1.ReasonEditInvalid, "more than"},
	} {
		out, err := helm.SetValues("values.yaml", []byte(values), helm.Chart{Schema: []byte(c.schema)}, c.changes)
		if r, ok := run.AsRefusal(err); !ok || r.Reason != c.reason || !strings.Contains(err.Error(), c.says) || out.Content != nil {
			t.Errorf("%s: %v, want %s that says %q", name, err, c.reason, c.says)
		}
	}
}
