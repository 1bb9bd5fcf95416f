package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/catalog/source/flux"
)

// policyKind is where image policies are read and watched.
func policyKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "policy.sigstore.dev", Version: "v1beta1", Kind: "ClusterImagePolicy"}
}

// trustRootKind is where roots of trust are read.
func trustRootKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "policy.sigstore.dev", Version: "v1alpha1", Kind: "TrustRoot"}
}

// watched returns empty objects of those kinds that the cluster has: a watch
// of a kind that is missing would keep the controller from starting.
func watched(mapper meta.RESTMapper) (policies, sources []client.Object, err error) {
	for _, kind := range []schema.GroupVersionKind{policyKind(), trustRootKind()} {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		ok, err := has(mapper, kind)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			policies = append(policies, object)
		}
	}
	for _, kind := range []string{"GitRepository", "OCIRepository", "ExternalArtifact"} {
		gvk := schema.GroupVersionKind{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: kind}
		ok, err := has(mapper, gvk)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			sources = append(sources, flux.Object(kind))
		}
	}
	return policies, sources, nil
}

func has(mapper meta.RESTMapper, gvk schema.GroupVersionKind) (bool, error) {
	_, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask for kind %s: %w", gvk.Kind, err)
	}
	return true, nil
}
