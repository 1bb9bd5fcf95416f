package helm_test

import (
	"testing"

	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/helm"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Whatever the file, its schema and its defaults: a refusal, or a file in which
// the value is set.
func FuzzSetValues(f *testing.F) {
	for _, s := range []string{schema, "", `{"$ref": "#"}`, `{"$ref": "https://example.com"}`, `{"pattern": "(", "type": []}`, `{"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}`, `true`, `[]`} {
		for _, v := range []string{values, "", "# none", "a: &x 1\nb: *x\n", "[1]", "1: 2\n", "a: 2026-01-02\n"} {
			f.Add(v, s, values, "replicaCount")
			f.Add(v, s, "", "image.tag")
		}
	}
	f.Fuzz(func(t *testing.T, content, schema, defaults, path string) {
		chart := helm.Chart{Schema: []byte(schema), Defaults: []byte(defaults)}
		out, err := helm.SetValues("values.yaml", []byte(content), chart, set(path, "x"))
		if err != nil {
			if _, ok := run.AsRefusal(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		_, err = edit.Apply("values.yaml", out.Content, edit.Selector{}, []edit.Change{{Op: edit.Test, Path: path, Value: "x"}})
		if err != nil {
			t.Fatalf("the value is not there: %v\n%q", err, out.Content)
		}
	})
}
