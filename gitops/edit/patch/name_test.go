package patch_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/patch"
	"github.com/kubernaut/kubernaut/internal/run"
)

const deployment = `# the API of the shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api   # do not rename
  labels: {app: api, tier: "web"}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: sidecar
        image: 'sidecar:1'
      - name: api
        image: "api:1"  # pinned
        args:
        - --verbose
        resources:
          limits:
            memory: 512Mi   # raised in March

            # half a core
            cpu: 500m
      restartPolicy: Always
`

func TestByNameIsAnotherWayToWriteChanges(t *testing.T) {
	changes, err := patch.ByName([]byte(`{"spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "api", "resources": {"limits": {"memory": "768Mi"}}}]}}}, "metadata": {"annotations": {"a.b/c": "true"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	out, err := edit.Apply("f.yaml", []byte(deployment), edit.Selector{Kind: "Deployment"}, changes)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("replicas: 2", "replicas: 3", "512Mi ", "768Mi ",
		"tier: \"web\"}\n", "tier: \"web\"}\n  annotations:\n    a.b/c: \"true\"\n").Replace(deployment)
	if string(out.Content) != want {
		t.Error(cmp.Diff(want, string(out.Content)))
	}
	for _, bad := range []string{"", "- a", "a: null", "a: [{x: 1}]", "a: &x 1\nb: *x", "a: [[1]]", "{", "a: 1\n---\nb: 1"} {
		if _, err := patch.ByName([]byte(bad)); err == nil {
			t.Errorf("patch %q was taken", bad)
		}
	}
}

func FuzzByName(f *testing.F) {
	f.Add("a: {b: [{name: x, c: 1}]}")
	f.Add("{\"a.b\": [1, \"2\"], \"[\": {}}")
	f.Fuzz(func(t *testing.T, text string) {
		changes, err := patch.ByName([]byte(text))
		if err != nil {
			if _, ok := run.AsRefusal(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		for _, c := range changes {
			_, err := edit.Apply("f.yaml", []byte("a: 1\n"), edit.Selector{}, []edit.Change{{Op: edit.Delete, Path: c.Path}})
			if r, ok := run.AsRefusal(err); ok && r.Reason == v1alpha1.ReasonEditInvalid && len(c.Path) < 4096 && strings.Count(c.Path, ".") < 32 {
				t.Fatalf("patch makes a path that is not one: %v", err)
			}
		}
	})
}
