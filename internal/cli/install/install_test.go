package install

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
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

// The controller gives memory back before it reaches its limit, by a tenth of it.
func TestMemoryIsGivenBackBeforeTheLimit(t *testing.T) {
	objects, err := Build(filepath.Join(overlays, "default"), "")
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(find(t, objects, "Deployment", "kubernaut-controller").Object, &d); err != nil {
		t.Fatal(err)
	}
	c := d.Spec.Template.Spec.Containers[0]
	at := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
	if at < 0 {
		t.Fatal("GOMEMLIMIT is not set")
	}
	soft, err := resource.ParseQuantity(strings.TrimSuffix(c.Env[at].Value, "B"))
	if limit := c.Resources.Limits.Memory().Value(); err != nil || soft.Value() > limit*9/10 || soft.Value() < limit*8/10 {
		t.Errorf("GOMEMLIMIT is %s, error %v, want 80 to 90 %% of %d bytes", c.Env[at].Value, err, limit)
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
	var held []rights.Rule
	for _, r := range clusterRole(t, objects, "kubernaut-ceiling").Rules {
		held = append(held, rights.Rule{APIGroups: r.APIGroups, Resources: r.Resources, Verbs: r.Verbs})
	}
	if diff := cmp.Diff(rights.Default(), held); diff != "" {
		t.Errorf("the ClusterRole: %s", diff)
	}
	var policy admissionv1.ValidatingAdmissionPolicy
	found := find(t, objects, "ValidatingAdmissionPolicy", "kubernaut-ceiling")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, &policy); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(policy.Spec.Variables, func(v admissionv1.Variable) bool { return v.Name == "ceiling" })
	if i < 0 {
		t.Fatal("the policy has no variable ceiling")
	}
	var granted []rights.Rule
	if err := json.Unmarshal([]byte(policy.Spec.Variables[i].Expression), &granted); err != nil {
		t.Fatalf("the ceiling of the policy must be written as JSON: %v", err)
	}
	if diff := cmp.Diff(rights.Default(), granted); diff != "" {
		t.Errorf("the admission policy: %s", diff)
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
