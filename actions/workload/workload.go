// Package workload acts on Deployments and Pods of a cluster.
package workload

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

func connect(env entry.Env) (kubernetes.Interface, error) {
	config, err := env.Kube()
	if err != nil {
		return nil, fmt.Errorf("find API server: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to API server: %w", err)
	}
	return client, nil
}

// explain sorts an answer of the API server: what a person has to mend is
// refused, the rest is retried.
func explain(err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	switch {
	case apierrors.IsNotFound(err):
		return run.Refuse(v1alpha1.ReasonPreconditionFailed, "%s: it does not exist", what)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return run.Refuse(v1alpha1.ReasonApplyFailed, "%s: %v", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// keeper names the GitOps tool that would undo a change to the object, or "".
func keeper(meta metav1.ObjectMeta) string {
	if name := meta.Labels["kustomize.toolkit.fluxcd.io/name"]; name != "" {
		if meta.Annotations["kustomize.toolkit.fluxcd.io/reconcile"] == "disabled" {
			return ""
		}
		return "Flux Kustomization " + meta.Labels["kustomize.toolkit.fluxcd.io/namespace"] + "/" + name
	}
	if name := meta.Labels["helm.toolkit.fluxcd.io/name"]; name != "" {
		return "Flux HelmRelease " + meta.Labels["helm.toolkit.fluxcd.io/namespace"] + "/" + name
	}
	if id := meta.Annotations["argocd.argoproj.io/tracking-id"]; id != "" {
		return "Argo CD application " + id
	}
	return ""
}
