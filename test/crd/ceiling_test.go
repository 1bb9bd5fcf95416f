package crd

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// controllerAccount is who the controller is to the API server.
const controllerAccount = "system:serviceaccount:kubernaut-system:kubernaut-controller"

// stepRole is a Role with one right, as the controller makes it for a step.
func stepRole(name, group, resource, verb string) *rbacv1.Role {
	return &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{verb}}},
	}
}

// stepBinding is the RoleBinding of a step, as the controller makes it, but for a change.
func stepBinding(change func(*rbacv1.RoleBinding)) *rbacv1.RoleBinding {
	b := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "run-step", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "kubernaut.ai/v1alpha1", Kind: "ActionExecution", Name: "run-step", UID: "abc"},
		}},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "run-step"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "run-step"}},
	}
	change(b)
	return b
}

// ceiling asks the API server, as the controller, for Roles and RoleBindings.
// The controller holds every right that is asked for here, so that nothing but
// the admission policy can refuse.
func ceiling(t *testing.T, admin, controller client.Client) {
	for _, o := range []client.Object{stepRole("run-step", "apps", "deployments", "get"), stepRole("wide", "", "secrets", "get")} { // who binds a Role must have what is in it
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	const beyond, foreign, somebody = "goes beyond what the controller may grant", "may give only the Role", "only to ServiceAccount run-step"
	for name, c := range map[string]struct {
		ask  client.Object
		want string
	}{
		"role within":             {stepRole("asked", "apps", "deployments", "patch"), ""},
		"role that reads secrets": {stepRole("asked", "", "secrets", "get"), beyond},
		"role that makes jobs":    {stepRole("asked", "batch", "jobs", "create"), beyond},
		"role that makes roles":   {stepRole("asked", rbacv1.GroupName, "roles", "create"), beyond},
		"role, verb of another":   {stepRole("asked", "", "pods", "watch"), beyond},
		"binding":                 {stepBinding(func(*rbacv1.RoleBinding) {}), ""},
		"binding of a ClusterRole": {stepBinding(func(b *rbacv1.RoleBinding) {
			b.RoleRef.Kind, b.RoleRef.Name = "ClusterRole", "kubernaut-controller"
		}), foreign},
		"binding of another role":  {stepBinding(func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "wide" }), foreign},
		"binding without an owner": {stepBinding(func(b *rbacv1.RoleBinding) { b.OwnerReferences = nil }), foreign},
		"binding to another account": {stepBinding(func(b *rbacv1.RoleBinding) {
			b.Subjects[0].Name = "default"
		}), somebody},
		"binding to another namespace": {stepBinding(func(b *rbacv1.RoleBinding) { b.Subjects[0].Namespace = "kube-system" }), somebody},
		"binding to a group": {stepBinding(func(b *rbacv1.RoleBinding) {
			b.Subjects[0] = rbacv1.Subject{Kind: "Group", APIGroup: rbacv1.GroupName, Name: "run-step"}
		}), somebody},
	} {
		t.Run(name, func(t *testing.T) {
			err := controller.Create(t.Context(), c.ask, client.DryRunAll)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
			if c.want == beyond {
				if err := admin.Create(t.Context(), c.ask, client.DryRunAll); err != nil {
					t.Errorf("somebody else is refused too: %v", err)
				}
			}
		})
	}
}
