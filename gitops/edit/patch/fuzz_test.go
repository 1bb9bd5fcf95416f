package patch_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/util/strategicpatch"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/notation"
	"github.com/kubernaut/kubernaut/gitops/edit/patch"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Whatever the operations: a refusal, or a file that can be read.
func FuzzJSON(f *testing.F) {
	f.Add(`[{"op": "add", "path": "/spec/replicas", "value": 3}, {"op": "test", "path": "/kind", "value": "Deployment"}]`)
	f.Add(`[{"op": "move", "from": "/spec/template/spec/containers/0", "path": "/spec/template/spec/containers/1"}]`)
	f.Add(`[{"op": "copy", "from": "/metadata/labels", "path": "/metadata/annotations"}, {"op": "remove", "path": "/metadata/labels/app"}]`)
	f.Add(`[{"op": "replace", "path": "/metadata", "value": {"name": "x", "labels": [null, {"a": []}]}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		changes, err := patch.JSON([]byte(text))
		if err == nil {
			var out edit.Outcome
			if out, err = edit.Apply("f.yaml", []byte(deployment), edit.Selector{}, changes); err == nil {
				_, err = edit.Read("f.yaml", out.Content, edit.Selector{})
			}
		}
		if _, ok := run.AsRefusal(err); err != nil && !ok {
			t.Fatalf("not a refusal: %v", err)
		}
	})
}

// Whatever the patch: a refusal, or what the API server makes of it too.
func FuzzStrategic(f *testing.F) {
	for _, seed := range []string{`{"spec": {"replicas": 5, "paused": true}}`, `{"metadata": {"labels": {"app": null, "x": "y"}, "finalizers": ["a"]}}`,
		containers(`{"name": "api", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "b"}]}`), containers(`{"name": "sidecar", "$patch": "delete"}`),
		containers(`{"$patch": "replace"}, {"name": "only", "image": "x"}`), `{"spec": {"template": {"spec": {"tolerations": [{"key": "a"}], "$patch": "merge"}}}}`,
		`{"spec": {"template": {"metadata": {"$patch": "replace", "labels": {"a": "b"}}}}}`, `{"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := notation.Decode([]byte(text))
		given, isMap := v.(map[string]any)
		if err != nil || !isMap {
			return
		}
		object, err := edit.Read("f.yaml", []byte(deployment), edit.Selector{})
		if err != nil {
			t.Fatal(err)
		}
		changes, err := patch.Strategic(object, given)
		var out edit.Outcome
		if err == nil {
			out, err = edit.Apply("f.yaml", []byte(deployment), edit.Selector{}, changes)
		}
		if err != nil {
			if _, ok := run.AsRefusal(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		// Encoded anew, it has one value of keys that stand twice.
		served, err := strategicpatch.StrategicMergePatch(objectOf(t, deployment), encoding(t, given), appsv1.Deployment{})
		if err != nil {
			return
		}
		var want, got appsv1.Deployment
		if json.Unmarshal(served, &want) != nil || json.Unmarshal(objectOf(t, string(out.Content)), &got) != nil {
			return
		}
		if a, b := canonical(t, served), canonical(t, objectOf(t, string(out.Content))); !reflect.DeepEqual(a, b) {
			t.Errorf("%s\nthe API server makes\n%s\nand we\n%s", text, encoding(t, a), encoding(t, b))
		}
	})
}
