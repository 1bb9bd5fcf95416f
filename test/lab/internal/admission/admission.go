// Package admission installs Sigstore's Policy Controller, which checks the
// images of pods when they are created, into the lab's cluster.
package admission

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"

	"github.com/kubernaut/kubernaut/test/lab/internal/cluster"
	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
)

const (
	namespace = "cosign-system"
	// port is where the program listens; it lets nobody choose.
	port = 8443
	// policies is where image policies are asked for.
	policies = "/apis/policy.sigstore.dev/v1beta1/clusterimagepolicies"
)

// Admission is the lab's Policy Controller. It runs as a process, in the name
// of the ServiceAccount that its own manifests give rights to; the Service of
// its webhooks leads out of the cluster to that process.
type Admission struct {
	Place *place.Place
	// Binary is its program, next to the folder with its manifests.
	Binary string
}

// Component is the process; it needs a cluster that is ready.
func (a Admission) Component() proc.Component {
	return proc.Component{
		// Without TUF it does not ask the public Sigstore whom to trust: policies
		// without a key name a TrustRoot.
		Name: "policy-controller", Path: a.Binary, Args: []string{"-disable-tuf"},
		Env: []string{
			"KUBECONFIG=" + a.Place.Path("policy-controller.kubeconfig"), "SYSTEM_NAMESPACE=" + namespace, "WEBHOOK_NAME=webhook",
			"CONFIG_LOGGING_NAME=config-logging", "METRICS_DOMAIN=sigstore.dev/policy", "KUBERNETES_MIN_VERSION=1.21.0", "HOME=" + a.Place.State,
			"METRICS_PROMETHEUS_HOST=127.0.0.1", "METRICS_PROMETHEUS_PORT=5574", "PROFILING_PORT=5575",
		},
		Ports: []string{fmt.Sprintf(":%d", port), ":8080", "127.0.0.1:5574", ":5575"},
		// Asked politely it first answers for 45 seconds more. All it knows is in the cluster.
		End:     syscall.SIGKILL,
		Prepare: a.prepare,
		Ready:   a.ready,
	}
}

// prepare installs the manifests and takes the leases of an earlier process,
// which the next would wait for.
func (a Admission) prepare(ctx context.Context) error {
	if err := a.apply(ctx, filepath.Join(filepath.Dir(a.Binary), "config")); err != nil {
		return err
	}
	client, err := cluster.Client(a.Place)
	if err != nil {
		return err
	}
	if err := client.CoordinationV1().Leases(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("delete leases: %w", err)
	}
	return nil
}

// ready wants webhooks that are filled in and that lead to the process, which
// then refuses a policy that trusts anybody.
func (a Admission) ready(ctx context.Context) error {
	client, err := cluster.Client(a.Place)
	if err != nil {
		return err
	}
	if err := registered(ctx, client); err != nil {
		return err
	}
	const anybody = `{"apiVersion":"policy.sigstore.dev/v1beta1","kind":"ClusterImagePolicy","metadata":{"name":"lab-probe"},
		"spec":{"images":[{"glob":"lab.invalid/probe"}],"authorities":[{"keyless":{"url":"https://fulcio.invalid","identities":[{"issuer":"https://issuer.invalid"}]}}]}}`
	err = client.Discovery().RESTClient().Post().AbsPath(policies).Param("dryRun", metav1.DryRunAll).Body([]byte(anybody)).Do(ctx).Error()
	switch {
	case err == nil:
		return errors.New("a policy that trusts anybody is accepted")
	case !strings.Contains(err.Error(), "missing field(s)"):
		return fmt.Errorf("a policy that trusts anybody is refused by somebody else: %w", err)
	}
	return nil
}

// registered says which of the webhooks the program has not filled in yet.
func registered(ctx context.Context, client clientset.Interface) error {
	validating, err := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	mutating, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	filled := map[string]bool{}
	for _, c := range validating.Items {
		for _, w := range c.Webhooks {
			filled["validating "+w.Name] = len(w.ClientConfig.CABundle) > 0 && len(w.Rules) > 0
		}
	}
	for _, c := range mutating.Items {
		for _, w := range c.Webhooks {
			filled["mutating "+w.Name] = len(w.ClientConfig.CABundle) > 0 && len(w.Rules) > 0
		}
	}
	for _, name := range []string{
		"validating policy.sigstore.dev", "mutating policy.sigstore.dev",
		"validating validating.clusterimagepolicy.sigstore.dev", "mutating defaulting.clusterimagepolicy.sigstore.dev",
	} {
		if !filled[name] {
			return fmt.Errorf("webhook %s is not registered", name)
		}
	}
	return nil
}
