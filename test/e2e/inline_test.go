package e2e

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// deployment makes a Deployment of no pods.
func deployment(t *testing.T, ns, name string) *appsv1.Deployment {
	t.Helper()
	replicas := int32(0)
	labels := map[string]string{"app": "web"}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: shared.Registry + "/lab/pause:v1"}}}},
	}}
	if err := shared.Client.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return d
}

// A run with its own steps scales a real Deployment with the rights of its
// contract alone.
func TestScaleDeployment(t *testing.T) {
	ns := namespace(t)
	d := deployment(t, ns, "web")
	we := start(t, ns, "scale", v1alpha1.WorkflowStep{
		Name: "scale", ActionType: "kubernetes/scale_deployment", Image: shared.Repository("scale-deployment") + ":latest",
		Inputs: raw(map[string]any{"namespace": ns, "resource_name": "web", "replicas": 2}),
	})
	finish(t, we, time.Minute)
	if we.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Fatalf("phase %s, want Completed: %s", we.Status.Phase, yamlOf(we.Status))
	}
	if err := shared.Client.Get(t.Context(), client.ObjectKeyFromObject(d), d); err != nil {
		t.Fatal(err)
	}
	if *d.Spec.Replicas != 2 {
		t.Errorf("replicas = %d, want 2", *d.Spec.Replicas)
	}
	t.Logf("outputs: %s", we.Status.Steps[0].Outputs.Raw)
	if c := condition(we, v1alpha1.ConditionReady); c.Status != metav1.ConditionTrue {
		t.Errorf("Ready = %s, want True", c.Status)
	}
}
