package install

import (
	"os"
	"path/filepath"
	"slices"
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
			if o.GetKind() == "Secret" {
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
	var got []rights.Rule
	for _, r := range clusterRole(t, objects, "kubernaut-ceiling").Rules {
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
	forbidden := []string{"*", "escalate", "bind", "impersonate"}
	for _, name := range []string{"kubernaut-controller", "kubernaut-ceiling"} {
		for _, rule := range clusterRole(t, objects, name).Rules {
			if slices.ContainsFunc(rule.Verbs, func(v string) bool { return slices.Contains(forbidden, v) }) {
				t.Errorf("%s holds %v", name, rule)
			}
		}
	}
}

func clusterRole(t *testing.T, objects []*unstructured.Unstructured, name string) rbacv1.ClusterRole {
	t.Helper()
	var role rbacv1.ClusterRole
	found := find(t, objects, "ClusterRole", name)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, &role); err != nil {
		t.Fatal(err)
	}
	return role
}
