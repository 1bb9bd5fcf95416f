package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// cluster reads what the image gate needs, past the cache: a policy that was
// changed holds for the next run, and Secrets are not kept in memory.
type cluster struct {
	live      client.Reader
	namespace string
}

// +kubebuilder:rbac:groups=policy.sigstore.dev,resources=clusterimagepolicies,verbs=get;list;watch

// policies compiles every ClusterImagePolicy. A cluster that has no such kind
// has no policy, and then nothing runs.
func (c cluster) policies(ctx context.Context) (*policy.Set, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(policyKind())
	if err := c.live.List(ctx, &list); err != nil && !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("list image policies: %w", err)
	}
	objects := make([][]byte, 0, len(list.Items))
	for _, item := range list.Items {
		data, err := item.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encode image policy %s: %w", item.GetName(), err)
		}
		objects = append(objects, data)
	}
	return policy.Compile(policy.Inputs{Policies: objects, Secrets: func(namespace, name string) (map[string][]byte, error) {
		if namespace != "" && namespace != c.namespace {
			return nil, fmt.Errorf("secret %s/%s: keys are read from namespace %s alone", namespace, name, c.namespace)
		}
		secret := &corev1.Secret{}
		err := c.live.Get(ctx, types.NamespacedName{Namespace: c.namespace, Name: name}, secret)
		return secret.Data, err
	}}), nil
}

// pullSecrets returns what the pod of a subject could pull with.
func (c cluster) pullSecrets(ctx context.Context, who verify.Subject) ([][]byte, error) {
	account := who.ServiceAccount
	if account == "" {
		account = "default"
	}
	sa := &corev1.ServiceAccount{}
	err := c.live.Get(ctx, types.NamespacedName{Namespace: who.Namespace, Name: account}, sa)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read service account %s/%s: %w", who.Namespace, account, err)
	}
	var out [][]byte
	for _, ref := range sa.ImagePullSecrets {
		secret := &corev1.Secret{}
		err := c.live.Get(ctx, types.NamespacedName{Namespace: who.Namespace, Name: ref.Name}, secret)
		if apierrors.IsNotFound(err) {
			continue // as the kubelet does
		}
		if err != nil {
			return nil, fmt.Errorf("read pull secret %s/%s: %w", who.Namespace, ref.Name, err)
		}
		out = append(out, secret.Data[corev1.DockerConfigJsonKey])
	}
	return out, nil
}
