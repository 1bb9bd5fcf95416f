package policies

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/internal/run"
)

// Logins are read where the image would run. Whether a Secret is missing or an
// API server does not answer makes a difference.
func TestLoginsInTheCluster(t *testing.T) {
	var unread error
	c := fake.NewClientBuilder().WithObjects(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "robot"},
		Type:       corev1.SecretTypeDockercfg, Data: map[string][]byte{".dockercfg": []byte("{}")},
	}).WithInterceptorFuncs(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if unread != nil {
			return unread
		}
		return c.Get(ctx, key, o, opts...)
	}}).Build()
	in, err := Cluster(t.Context(), c, "kubernaut-system")
	if err != nil {
		t.Fatal(err)
	}
	step := func(namespace, want string, final bool) {
		t.Helper()
		got, err := in.Logins(t.Context(), namespace, "robot")
		if _, refused := run.AsRefusal(err); string(got) != want || refused != final || want == "" && err == nil {
			t.Errorf("%s: %s, error %v", namespace, got, err)
		}
	}
	step("shop", `{"auths":{}}`, false)
	step("other", "", true)
	unread = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "robot", errors.New("no right"))
	step("shop", "", true)
	unread = errors.New("connection refused")
	step("shop", "", false)
}
