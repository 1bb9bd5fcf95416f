package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

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

// cluster reads what the image gate needs, past the cache: a policy that was
// changed holds for the next run, and Secrets are not kept in memory.
type cluster struct {
	live      client.Reader
	namespace string
	// trustedRoot is a file with the root where a policy names none; empty means
	// the public one.
	trustedRoot string
	compat      bool
	memo        *policy.Memo
}

// +kubebuilder:rbac:groups=policy.sigstore.dev,resources=clusterimagepolicies;trustroots,verbs=get;list;watch

// policies compiles every ClusterImagePolicy. A cluster that has no such kind
// has no policy, and then nothing runs.
func (c cluster) policies(ctx context.Context) (*policy.Set, error) {
	in := policy.Inputs{Rules: rule.Compile, Compat: c.compat}
	var err error
	if in.Public, err = trusted(c.trustedRoot); err != nil {
		return nil, err
	}
	if in.Policies, err = c.list(ctx, policyKind()); err != nil {
		return nil, err
	}
	if in.TrustRoots, err = c.list(ctx, trustRootKind()); err != nil {
		return nil, err
	}
	var faults []error
	own := func(namespace, name string, into client.Object) error {
		// Or a policy could be made to quote what others keep.
		if namespace != "" && namespace != c.namespace {
			return fmt.Errorf("%s/%s: policies name objects of namespace %s alone", namespace, name, c.namespace)
		}
		err := c.live.Get(ctx, types.NamespacedName{Namespace: c.namespace, Name: name}, into)
		// What is not there closes the policy; what could not be asked passes.
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
			faults = append(faults, fmt.Errorf("read %T %s, which an image policy names: %w", into, name, err))
		}
		return err
	}
	in.Secrets = func(namespace, name string) (map[string][]byte, error) {
		secret := &corev1.Secret{}
		err := own(namespace, name, secret)
		return secret.Data, err
	}
	in.ConfigMaps = func(namespace, name string) (map[string]string, error) {
		object := &corev1.ConfigMap{}
		err := own(namespace, name, object)
		return object.Data, err
	}
	set := c.memo.Compile(in)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return set, nil
}

// list returns all objects of a kind as JSON; none where the cluster lacks it.
func (c cluster) list(ctx context.Context, kind schema.GroupVersionKind) ([][]byte, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(kind)
	if err := c.live.List(ctx, &list); err != nil && !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("list objects of kind %s: %w", kind.Kind, err)
	}
	objects := make([][]byte, 0, len(list.Items))
	for _, item := range list.Items {
		data, err := item.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", kind.Kind, item.GetName(), err)
		}
		objects = append(objects, data)
	}
	return objects, nil
}

// trusted is the root of trust for policies that name none. A file is read each
// time: it may be mounted from a ConfigMap and change.
func trusted(file string) (*policy.Root, error) {
	if file == "" {
		return &policy.Root{Public: true, Hash: "public"}, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read root of trust: %w", err)
	}
	if !json.Valid(data) {
		return nil, fmt.Errorf("read root of trust: %s holds no JSON, which a trusted_root.json is", file)
	}
	return policy.TrustedRoot(data), nil
}

// pullSecrets returns what the pod of an account could pull with.
func (c cluster) pullSecrets(ctx context.Context, of account) ([][]byte, error) {
	sa := &corev1.ServiceAccount{}
	err := c.live.Get(ctx, types.NamespacedName{Namespace: of.namespace, Name: of.name}, sa)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read service account %s/%s: %w", of.namespace, of.name, err)
	}
	var out [][]byte
	for _, ref := range sa.ImagePullSecrets {
		secret := &corev1.Secret{}
		err := c.live.Get(ctx, types.NamespacedName{Namespace: of.namespace, Name: ref.Name}, secret)
		if apierrors.IsNotFound(err) {
			continue // as the kubelet does
		}
		if err != nil {
			return nil, fmt.Errorf("read pull secret %s/%s: %w", of.namespace, ref.Name, err)
		}
		out = append(out, image.SecretLogins(string(secret.Type), secret.Data))
	}
	return out, nil
}

// logins returns those in a Secret that a policy names.
func (c cluster) logins(ctx context.Context, at types.NamespacedName) ([]byte, error) {
	secret := &corev1.Secret{}
	err := c.live.Get(ctx, at, secret)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil, run.Refuse(v1alpha1.ReasonPolicyUnusable, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	return image.SecretLogins(string(secret.Type), secret.Data), nil
}
