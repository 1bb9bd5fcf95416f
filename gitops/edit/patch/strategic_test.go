package patch_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/notation"
	"github.com/kubernaut/kubernaut/gitops/edit/patch"
)

func strategic(t *testing.T, content, text string) (edit.Outcome, error) {
	t.Helper()
	object, err := edit.Read("f.yaml", []byte(content), edit.Selector{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := notation.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := patch.Strategic(object, v.(map[string]any))
	if err != nil {
		return edit.Outcome{}, err
	}
	return edit.Apply("f.yaml", []byte(content), edit.Selector{}, changes)
}

func containers(list string) string {
	return `{"spec": {"template": {"spec": {"containers": [` + list + `]}}}}`
}

// Bytes as they are wanted, and data as the API server would make it.
func TestStrategicMerges(t *testing.T) {
	const api = "- name: api\n        image: \"api:1\"  # pinned\n        args:\n        - --verbose\n"
	for name, c := range map[string]struct{ patch, old, changed string }{
		"a value":             {`{"spec": {"replicas": 5}}`, "replicas: 2", "replicas: 5"},
		"an item by its name": {containers(`{"name": "api", "image": "api:2"}`), `"api:1"`, `"api:2"`},
		"a list of values":    {containers(`{"name": "api", "args": ["--quiet"]}`), "--verbose", "--quiet"},
		"null deletes":        {containers(`{"name": "api", "args": null}`), "        args:\n        - --verbose\n", ""},
		"a new item":          {containers(`{"name": "new", "image": "n:1"}`), "            cpu: 500m\n", "            cpu: 500m\n      - name: new\n        image: n:1\n"},
		"an item is deleted":  {containers(`{"name": "sidecar", "$patch": "delete"}`), "      - name: sidecar\n        image: 'sidecar:1'\n", ""},
		"a map is replaced":   {containers(`{"name": "api", "resources": {"$patch": "replace", "limits": {"cpu": "1"}}}`), "            memory: 512Mi   # raised in March\n\n            # half a core\n            cpu: 500m", "\n            # half a core\n            cpu: \"1\""},
		"a new map":           {`{"metadata": {"annotations": {"a": "b", "c": null}}}`, "tier: \"web\"}\n", "tier: \"web\"}\n  annotations:\n    a: b\n"},
		"a port":              {containers(`{"name": "api", "ports": [{"containerPort": 80}]}`), "            cpu: 500m\n", "            cpu: 500m\n        ports:\n        - containerPort: 80\n"},
		"nothing":             {`{"spec": {"replicas": 2}}`, api, api},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := strategic(t, deployment, c.patch)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Replace(deployment, c.old, c.changed, 1), string(out.Content)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(served(t, c.patch), sorted(t, objectOf(t, string(out.Content)))); diff != "" {
				t.Errorf("the API server makes something else of it:\n%s", diff)
			}
		})
	}
}

func objectOf(t *testing.T, content string) []byte {
	v, err := edit.Read("f.yaml", []byte(content), edit.Selector{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// served is what the API server's own implementation makes of the patch.
func served(t *testing.T, text string) any {
	out, err := strategicpatch.StrategicMergePatch(objectOf(t, deployment), []byte(text), appsv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	return sorted(t, out)
}

// sorted takes the order out of lists of containers, which has no meaning there.
func sorted(t *testing.T, raw []byte) any {
	var d appsv1.Deployment
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	byName := map[string]any{}
	for _, c := range d.Spec.Template.Spec.Containers {
		byName[c.Name] = c
	}
	d.Spec.Template.Spec.Containers = nil
	return []any{d, byName}
}

func TestStrategicOfUnknownKindsReplacesLists(t *testing.T) {
	const custom = "kind: Shop\nitems:\n- name: a\n  v: 1 # one\n- name: b\n"
	out, err := strategic(t, custom, `{"items": [{"name": "a", "v": 2}]}`)
	if want := "kind: Shop\nitems:\n- name: a\n  v: 2 # one\n"; err != nil || string(out.Content) != want {
		t.Errorf("%v\n%s", err, out.Content)
	}
	out, err = strategic(t, "a: {b: [x, y]}\n", `{"a": {"$deleteFromPrimitiveList/b": ["x"]}}`)
	if err != nil || string(out.Content) != "a: {b: [y]}\n" {
		t.Errorf("%v\n%s", err, out.Content)
	}
}

func TestStrategicRefuses(t *testing.T) {
	for _, text := range []string{`{"$patch": "delete"}`, `{"spec": {"$patch": "other"}}`, `{"spec": {"$setElementOrder/a": []}}`, containers(`{"image": "x"}`),
		`{"spec": {"$deleteFromPrimitiveList/a": 1}}`, `{"metadata": {"annotations": {"$patch": "x"}}}`, `{"spec": {"replicas": "many"}}`} {
		if _, err := strategic(t, deployment, text); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}
