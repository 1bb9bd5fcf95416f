package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubernaut/kubernaut/internal/rights"
)

const overlays = "../../../kustomize/overlays"

func find(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	t.Fatalf("no %s %s among %d objects", kind, name, len(objects))
	return nil
}

func TestEveryOverlayBuilds(t *testing.T) {
	entries, err := os.ReadDir(overlays)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		objects, err := Build(filepath.Join(overlays, e.Name()), "")
		if err != nil {
			t.Fatal(err)
		}
		find(t, objects, "Deployment", "kubernaut-controller")
		for _, o := range objects {
			if strings.HasPrefix(o.GetAPIVersion(), "v1") && o.GetKind() == "Secret" {
				t.Errorf("%s: installs Secret %s", e.Name(), o.GetName())
			}
		}
	}
}

func TestBuildSetsTheImage(t *testing.T) {
	image := "registry.example.com/controller@sha256:" + strings.Repeat("a", 64)
	objects, err := Build(filepath.Join(overlays, "lab"), image)
	if err != nil {
		t.Fatal(err)
	}
	deployment := find(t, objects, "Deployment", "kubernaut-controller")
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	if got := containers[0].(map[string]any)["image"]; got != image {
		t.Errorf("image %v, want %s", got, image)
	}
	if err := setImage(nil, image); err == nil {
		t.Error("an overlay without the controller took an image")
	}
}

// The ceiling that Kubernetes enforces and the one that the gate reports must
// be the same, or a run would pass the gate and be refused afterwards.
func TestCeilingIsTheDefaultCeiling(t *testing.T) {
	objects, err := Build(filepath.Join(overlays, "default"), "")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	ceiling := find(t, objects, "ClusterRole", "kubernaut-ceiling")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(ceiling.Object, &role); err != nil {
		t.Fatal(err)
	}
	var got []rights.Rule
	for _, r := range role.Rules {
		got = append(got, rights.Rule{APIGroups: r.APIGroups, Resources: r.Resources, Verbs: r.Verbs})
	}
	if diff := cmp.Diff(rights.Default(), got); diff != "" {
		t.Error(diff)
	}
}

// With escalate or bind the ceiling would be none.
func TestControllerCannotRaiseItsOwnRights(t *testing.T) {
	objects, err := Build(filepath.Join(overlays, "default"), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubernaut-controller", "kubernaut-ceiling"} {
		rules, _, err := unstructured.NestedSlice(find(t, objects, "ClusterRole", name).Object, "rules")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			for _, verb := range r.(map[string]any)["verbs"].([]any) {
				if verb == "*" || verb == "escalate" || verb == "bind" || verb == "impersonate" {
					t.Errorf("%s may %s: %v", name, verb, r)
				}
			}
		}
	}
}
