// Package check is the verb that says whether Kubernaut can work here.
package check

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
)

// oldest is the first Kubernetes in which an admission policy can check who
// approved a run.
const oldest = "1.30.0"

// probe is one question, answered with what was found.
type probe func(ctx context.Context, e *env.Env, c client.Client) (found string, err error)

// Command is the verb.
func Command(e *env.Env) *cobra.Command {
	var before bool
	c := &cobra.Command{
		Use: "check", Short: "Say whether the cluster and the installation are as they must be", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			probes := []probe{serverVersion}
			if !before {
				probes = append(probes, ourKinds, policies, controller, rights)
			}
			return run(cmd.Context(), e, probes)
		},
	}
	c.Flags().BoolVar(&before, "pre", false, "only what must be true before an installation")
	return c
}

func run(ctx context.Context, e *env.Env, probes []probe) error {
	c, err := e.Cluster()
	if err != nil {
		return err
	}
	failed := 0
	for _, p := range probes {
		found, err := p(ctx, e, c)
		if err != nil {
			failed++
			e.Say("✗ %v", err)
			continue
		}
		e.Say("✔ %s", found)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(probes))
	}
	return nil
}

func serverVersion(_ context.Context, e *env.Env, _ client.Client) (string, error) {
	config, err := e.Config()
	if err != nil {
		return "", err
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return "", err
	}
	info, err := d.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", config.Host, err)
	}
	v, err := version.ParseSemantic(info.GitVersion)
	if err != nil {
		return "", err
	}
	if v.LessThan(version.MustParseSemantic(oldest)) {
		return "", fmt.Errorf("the cluster is Kubernetes %s and must be %s or newer: upgrade it", info.GitVersion, oldest)
	}
	return "Kubernetes " + info.GitVersion, nil
}

func ourKinds(ctx context.Context, _ *env.Env, c client.Client) (string, error) {
	for _, k := range kinds.All() {
		if err := c.List(ctx, k.List(), client.Limit(1)); err != nil {
			return "", fmt.Errorf("kind %s cannot be listed: %w: run 'install'", k.Name, err)
		}
	}
	return fmt.Sprintf("all %d kinds are served", len(kinds.All())), nil
}

func policies(ctx context.Context, _ *env.Env, c client.Client) (string, error) {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "policy.sigstore.dev", Version: "v1beta1", Kind: "ClusterImagePolicyList"})
	if err := c.List(ctx, &list); err != nil {
		return "", fmt.Errorf("image policies cannot be listed: %w", err)
	}
	if len(list.Items) == 0 {
		return "", errors.New("there is no ClusterImagePolicy, so no image may run: create one that names the signers of your actions")
	}
	return fmt.Sprintf("%d image policies say whose signatures count", len(list.Items)), nil
}

func controller(ctx context.Context, _ *env.Env, c client.Client) (string, error) {
	d := &appsv1.Deployment{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: "kubernaut-system", Name: "kubernaut-controller"}, d); err != nil {
		return "", fmt.Errorf("the controller cannot be found: %w: run 'install'", err)
	}
	if d.Status.ReadyReplicas == 0 {
		return "", fmt.Errorf("the controller is not ready: look at the pods of namespace %s", d.Namespace)
	}
	return "the controller is ready", nil
}

func rights(ctx context.Context, e *env.Env, c client.Client) (string, error) {
	ns, err := e.Namespace()
	if err != nil {
		return "", err
	}
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: ns, Verb: "create", Group: "kubernaut.ai", Resource: "workflowexecutions"},
	}}
	if err := c.Create(ctx, review); err != nil {
		return "", fmt.Errorf("ask for your rights: %w", err)
	}
	if !review.Status.Allowed {
		return "", fmt.Errorf("you may not start runs in namespace %s: ask for the role edit there", ns)
	}
	return "you may start runs in namespace " + ns, nil
}
