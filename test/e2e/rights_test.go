package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// The controller reads Secrets itself. It still cannot give that right to
// anybody: the API server refuses it, whatever our own code thinks.
func TestControllerCannotGrantWhatItHolds(t *testing.T) {
	controller, err := shared.controller.Client()
	if err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: namespace(t), Name: "asked"}
	role := func(group, resource string) client.Object {
		return &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{"get"}}}}
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: harness.Account},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: meta.Namespace, Name: meta.Name}},
	}
	for want, o := range map[string]client.Object{
		"goes beyond what the controller may grant": role("", "secrets"),
		"may give only the Role that was made":      binding,
	} {
		err := harness.Until(t.Context(), 30*time.Second, func(ctx context.Context) error { // a new policy speaks after a moment
			if err := controller.Create(ctx, o.DeepCopyObject().(client.Object), client.DryRunAll); err == nil || !strings.Contains(err.Error(), want) {
				return fmt.Errorf("got %v, want %q", err, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := controller.Create(t.Context(), role("apps", "deployments"), client.DryRunAll); err != nil {
		t.Errorf("a Role below the ceiling is refused: %v", err)
	}
}
