package policies

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/internal/verify/rule"
)

// Cluster reads the policies and roots of trust of a cluster. The Secrets and
// ConfigMaps that they name are those of namespace, where the controller runs;
// what the user may not read closes the policy that names it.
func Cluster(ctx context.Context, c client.Reader, namespace string) (Inputs, error) {
	in := Inputs{Inputs: policy.Inputs{Rules: rule.Compile, Public: &policy.Root{Public: true}}}
	var err error
	if in.Policies, err = list(ctx, c, "v1beta1", "ClusterImagePolicy"); err != nil {
		return in, err
	}
	if in.TrustRoots, err = list(ctx, c, "v1alpha1", "TrustRoot"); err != nil {
		return in, err
	}
	own := func(ns, name string, into client.Object) error {
		if ns != "" && ns != namespace {
			return fmt.Errorf("%s/%s: policies name objects of namespace %s alone", ns, name, namespace)
		}
		return c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, into)
	}
	in.Secrets = func(ns, name string) (map[string][]byte, error) {
		object := &corev1.Secret{}
		err := own(ns, name, object)
		return object.Data, err
	}
	in.ConfigMaps = func(ns, name string) (map[string]string, error) {
		object := &corev1.ConfigMap{}
		err := own(ns, name, object)
		return object.Data, err
	}
	in.Logins = func(ctx context.Context, namespace, name string) ([]byte, error) {
		object := &corev1.Secret{}
		err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, object)
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			return nil, run.Refuse(v1alpha1.ReasonPolicyUnusable, "%v", err)
		}
		return image.SecretLogins(string(object.Type), object.Data), err
	}
	return in, nil
}

// list returns all objects of a kind as JSON; none where the cluster lacks it.
func list(ctx context.Context, c client.Reader, version, kind string) ([][]byte, error) {
	var all unstructured.UnstructuredList
	all.SetGroupVersionKind(schema.GroupVersionKind{Group: "policy.sigstore.dev", Version: version, Kind: kind + "List"})
	if err := c.List(ctx, &all); err != nil && !meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("list objects of kind %s: %w", kind, err)
	}
	var out [][]byte
	for _, item := range all.Items {
		data, err := item.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", kind, item.GetName(), err)
		}
		out = append(out, data)
	}
	return out, nil
}
