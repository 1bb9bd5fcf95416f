package crd

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubernaut/kubernaut/internal/cli/install"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// configured shows what the controller can read of ConfigMaps, and that
// installing again leaves alone what somebody set.
func configured(t *testing.T, admin, controller *rest.Config) {
	const home = "kubernaut-system"
	own := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", settings.ConfigMap).String()}
	mine, err := kubernetes.NewForConfig(controller)
	if err != nil {
		t.Fatal(err)
	}
	list := func(namespace string, o metav1.ListOptions) error {
		_, err := mine.CoreV1().ConfigMaps(namespace).List(t.Context(), o)
		return err
	}
	get := func(namespace, name string) error {
		_, err := mine.CoreV1().ConfigMaps(namespace).Get(t.Context(), name, metav1.GetOptions{})
		return err
	}
	watch := func(o metav1.ListOptions) error {
		w, err := mine.CoreV1().ConfigMaps(home).Watch(t.Context(), o)
		if err == nil {
			w.Stop()
		}
		return err
	}
	for what, err := range map[string]error{"get": get(home, settings.ConfigMap), "list": list(home, own), "watch": watch(own)} {
		if err != nil {
			t.Errorf("the controller cannot %s its settings: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"get elsewhere": get("default", settings.ConfigMap), "list all": list(home, metav1.ListOptions{}), "watch all": watch(metav1.ListOptions{}),
		"list elsewhere": list("default", own), "list everywhere": list("", own),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got %v, want it forbidden", what, err)
		}
	}
	// Image policies name ConfigMaps with rules.
	if err := get(home, "rules"); !apierrors.IsNotFound(err) {
		t.Errorf("get another: %v", err)
	}
	kept(t, admin, home)
}

func kept(t *testing.T, admin *rest.Config, home string) {
	c, err := kubernetes.NewForConfig(admin)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.CoreV1().ConfigMaps(home).Get(t.Context(), settings.ConfigMap, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o.Data = map[string]string{"max-parallel-steps": "7"}
	if _, err := c.CoreV1().ConfigMaps(home).Update(t.Context(), o, metav1.UpdateOptions{FieldManager: "kubectl-edit"}); err != nil {
		t.Fatal(err)
	}
	objects, err := install.Build("../../kustomize/overlays/default", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := install.Apply(t.Context(), admin, objects, install.Options{NoWait: true}); err != nil {
		t.Fatal(err)
	}
	var after *corev1.ConfigMap
	if after, err = c.CoreV1().ConfigMaps(home).Get(t.Context(), settings.ConfigMap, metav1.GetOptions{}); err != nil || after.Data["max-parallel-steps"] != "7" {
		t.Errorf("installed again: %v, %v", after.Data, err)
	}
}
