package workload

import (
	"context"
	_ "embed" // the contract file
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

//go:embed restart_pod.yaml
var restartDocument string

const (
	// restartedBy on a pod template holds the execution and step that rolled it
	// last, so that a repeated call does not roll it again.
	restartedBy = "kubernaut.ai/restarted-by"
	// restartedAt is the annotation of "kubectl rollout restart".
	restartedAt = "kubectl.kubernetes.io/restartedAt"
	// maxListed is how many pods are named in the outputs.
	maxListed = 50
)

// RestartPod replaces one pod or all pods of a Deployment.
func RestartPod() entry.Built {
	return entry.Built{Document: restartDocument, Action: restartPod{}}
}

type restartPod struct{}

// Contract is the embedded document.
func (restartPod) Contract() contract.Contract { return contract.Must(restartDocument) }

// Run restarts what the inputs name.
func (restartPod) Run(ctx context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	client, err := connect(env)
	if err != nil {
		return nil, err
	}
	env.Log.Info("restart", "kind", in.String("resource_type"), "namespace", in.String("namespace"),
		"name", in.String("resource_name"), "reason", in.String("reason"))
	if in.String("resource_type") == "deployment" {
		return rollDeployment(ctx, client, in, env.Facts)
	}
	return deletePod(ctx, client, in, env.Facts)
}

func restarted(changed bool, pods ...string) contract.Values {
	return contract.Values{"changed": changed, "podsRestarted": len(pods), "restartedPods": append([]string{}, pods[:min(len(pods), maxListed)]...)}
}

func deletePod(ctx context.Context, client kubernetes.Interface, in contract.Values, facts entry.Facts) (contract.Values, error) {
	namespace, name, uid := in.String("namespace"), in.String("resource_name"), in.String("uid")
	pods := client.CoreV1().Pods(namespace)
	pod, err := pods.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && uid != "" {
		return restarted(false), nil
	}
	if err != nil {
		return nil, explain(err, "read pod %s/%s", namespace, name)
	}
	if replaced(pod, uid, facts.StartedAt) {
		return restarted(false), nil
	}
	if err := refuseLonely(pod); err != nil {
		return nil, err
	}
	grace := in.Int("grace_period_seconds")
	err = pods.Delete(ctx, name, metav1.DeleteOptions{
		GracePeriodSeconds: &grace,
		Preconditions:      &metav1.Preconditions{UID: &pod.UID},
	})
	// Gone, or another pod of that name: somebody else was quicker.
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return restarted(false), nil
	}
	if err != nil {
		return nil, explain(err, "delete pod %s/%s", namespace, name)
	}
	return restarted(true, name), nil
}

// replaced says whether the pod that was meant is ending or gone already: by
// its UID, or because this one was created after the execution had started,
// which is what a repeated call finds in a StatefulSet.
func replaced(pod *corev1.Pod, uid string, started time.Time) bool {
	if pod.DeletionTimestamp != nil {
		return true
	}
	if uid != "" {
		return string(pod.UID) != uid
	}
	return !started.IsZero() && pod.CreationTimestamp.After(started)
}

// refuseLonely refuses a pod that nobody would create again.
func refuseLonely(pod *corev1.Pod) error {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return run.Refuse(v1alpha1.ReasonPreconditionFailed,
			"restart pod %s/%s: it has no controller, so it would be gone for good; delete it by hand if that is wanted", pod.Namespace, pod.Name)
	}
	if owner.Kind == "Node" {
		return run.Refuse(v1alpha1.ReasonPreconditionFailed,
			"restart pod %s/%s: it is a static pod of node %s, which the API server cannot restart", pod.Namespace, pod.Name, owner.Name)
	}
	return nil
}

func rollDeployment(ctx context.Context, client kubernetes.Interface, in contract.Values, facts entry.Facts) (contract.Values, error) {
	namespace, name := in.String("namespace"), in.String("resource_name")
	if facts.UID == "" {
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters,
			"restart deployment %s/%s: %s is not set, and without it a repeated call would restart twice", namespace, name, entry.VarExecutionUID)
	}
	deployments := client.AppsV1().Deployments(namespace)
	deployment, err := deployments.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, explain(err, "read deployment %s/%s", namespace, name)
	}
	key := facts.UID + "/" + facts.Step
	if deployment.Spec.Template.Annotations[restartedBy] == key {
		return restarted(false), nil
	}
	if deployment.Spec.Paused {
		return nil, run.Refuse(v1alpha1.ReasonPreconditionFailed, "restart deployment %s/%s: it is paused and would not roll; resume it first", namespace, name)
	}
	pods, err := podsOf(ctx, client, deployment)
	if err != nil {
		return nil, err
	}
	patch, err := rollPatch(deployment.UID, key, facts.StartedAt)
	if err != nil {
		return nil, err
	}
	_, err = deployments.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: v1alpha1.FieldOwner})
	if err != nil {
		return nil, explain(err, "restart deployment %s/%s", namespace, name)
	}
	return restarted(true, pods...), nil
}

// rollPatch names the UID, which the API server refuses to change, so that a
// Deployment of the same name that was created meanwhile is left alone.
func rollPatch(uid types.UID, key string, started time.Time) ([]byte, error) {
	annotations := map[string]string{restartedBy: key}
	if !started.IsZero() {
		annotations[restartedAt] = started.UTC().Format(time.RFC3339)
	}
	raw, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": uid},
		"spec":     map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": annotations}}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode patch: %w", err)
	}
	return raw, nil
}

func podsOf(ctx context.Context, client kubernetes.Interface, d *appsv1.Deployment) ([]string, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, run.Refuse(v1alpha1.ReasonPreconditionFailed, "read selector of deployment %s/%s: %v", d.Namespace, d.Name, err)
	}
	list, err := client.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String(), Limit: 1000})
	if err != nil {
		return nil, explain(err, "list pods of deployment %s/%s", d.Namespace, d.Name)
	}
	names := make([]string, 0, len(list.Items))
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			names = append(names, pod.Name)
		}
	}
	return names, nil
}
