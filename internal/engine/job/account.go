package job

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

// accountOf names the service account of an action's pod; empty means none,
// and then the pod gets no token at all.
func accountOf(ae *v1alpha1.ActionExecution, needs run.Needs) string {
	switch {
	case ae.Spec.ServiceAccountName != "":
		return ae.Spec.ServiceAccountName
	case len(needs.Permissions) > 0:
		return ae.Name
	}
	return ""
}

// account returns the service account, role and binding that give an action
// just what its contract asks for, as long as its ActionExecution exists.
func account(ae *v1alpha1.ActionExecution, needs run.Needs, pull []corev1.LocalObjectReference) (*corev1.ServiceAccount, *rbacv1.Role, *rbacv1.RoleBinding) {
	meta := metav1.ObjectMeta{
		Namespace: ae.Namespace, Name: ae.Name, Labels: names.StepLabels(ae.Spec.Execution.Name, ae.Spec.Step, ae.Name),
		OwnerReferences: []metav1.OwnerReference{ownedBy(ae, "ActionExecution", ae.UID)},
	}
	role := &rbacv1.Role{ObjectMeta: *meta.DeepCopy()}
	for _, p := range needs.Permissions {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: p.APIGroups, Resources: p.Resources, Verbs: p.Verbs})
	}
	return &corev1.ServiceAccount{ObjectMeta: *meta.DeepCopy(), ImagePullSecrets: pull}, role, &rbacv1.RoleBinding{
		ObjectMeta: *meta.DeepCopy(),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: ae.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ae.Namespace, Name: ae.Name}},
	}
}
