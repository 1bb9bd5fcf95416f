package workload

import (
	"context"
	_ "embed" // the contract file
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

//go:embed scale_deployment.yaml
var scaleDocument string

// maxConflicts is how often a scale that somebody else changed meanwhile is
// read again before the attempt is given back to the planner.
const maxConflicts = 3

// ScaleDeployment sets the number of replicas of a Deployment.
func ScaleDeployment() entry.Built {
	return entry.Built{Document: scaleDocument, Action: scaleDeployment{}}
}

type scaleDeployment struct{}

// Contract is the embedded document.
func (scaleDeployment) Contract() contract.Contract { return contract.Must(scaleDocument) }

// Run scales, or refuses where another party decides the number.
func (scaleDeployment) Run(ctx context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	client, err := connect(env)
	if err != nil {
		return nil, err
	}
	namespace, name := in.String("namespace"), in.String("resource_name")
	env.Log.Info("scale deployment", "namespace", namespace, "name", name, "replicas", in.Int("replicas"), "reason", in.String("reason"))
	for range maxConflicts {
		var out contract.Values
		out, err = scaleOnce(ctx, client, in)
		if !apierrors.IsConflict(err) {
			return out, err
		}
		env.Log.Info("scale changed meanwhile, reading it again")
	}
	return nil, err
}

func scaleOnce(ctx context.Context, client kubernetes.Interface, in contract.Values) (contract.Values, error) {
	namespace, name := in.String("namespace"), in.String("resource_name")
	deployments := client.AppsV1().Deployments(namespace)
	deployment, err := deployments.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, explain(err, "read deployment %s/%s", namespace, name)
	}
	scale, err := deployments.GetScale(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, explain(err, "read scale of deployment %s/%s", namespace, name)
	}
	previous, wanted := int64(scale.Spec.Replicas), in.Int("replicas")
	if previous == wanted {
		return scaled(scale, previous, false), nil
	}
	if owner := keeper(deployment.ObjectMeta); owner != "" && !in.Bool("allowGitOpsManaged") {
		return nil, run.Refuse(v1alpha1.ReasonManagedElsewhere,
			"scale deployment %s/%s: it is kept by %s, which would scale it back; change it in Git or set allowGitOpsManaged", namespace, name, owner)
	}
	if err := refuseAutoscaled(ctx, client, namespace, name); err != nil {
		return nil, err
	}
	// The scale carries its resource version and UID, so a scale that changed
	// after it was read is a conflict and not an overwrite.
	scale.Spec.Replicas = int32(wanted)
	scale, err = deployments.UpdateScale(ctx, name, scale, metav1.UpdateOptions{FieldManager: v1alpha1.FieldOwner})
	if apierrors.IsConflict(err) {
		return nil, fmt.Errorf("scale deployment %s/%s: %w", namespace, name, err)
	}
	if err != nil {
		return nil, explain(err, "scale deployment %s/%s", namespace, name)
	}
	return scaled(scale, previous, true), nil
}

func scaled(scale *autoscalingv1.Scale, previous int64, changed bool) contract.Values {
	return contract.Values{
		"changed":          changed,
		"previousReplicas": previous,
		"newReplicas":      scale.Spec.Replicas,
		"observedReplicas": scale.Status.Replicas,
	}
}

// refuseAutoscaled refuses where a HorizontalPodAutoscaler targets the
// Deployment, since it would set its own number within seconds.
func refuseAutoscaled(ctx context.Context, client kubernetes.Interface, namespace, name string) error {
	list, err := client.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return explain(err, "list autoscalers in %s", namespace)
	}
	for _, hpa := range list.Items {
		target := hpa.Spec.ScaleTargetRef
		if target.Kind == "Deployment" && target.Name == name {
			return run.Refuse(v1alpha1.ReasonPreconditionFailed,
				"scale deployment %s/%s: horizontal pod autoscaler %s decides its replicas; change its bounds instead", namespace, name, hpa.Name)
		}
	}
	return nil
}
