package crd

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// warnings collects what the API server warns of.
type warnings []string

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _ string, text string) { *w = append(*w, text) }

// unknown shows what becomes of a field that no kind has, depending on who
// writes it: docs/decisions/0006 says the same in words.
func unknown(t *testing.T, admin *rest.Config) {
	var heard warnings
	config := rest.CopyConfig(admin)
	config.WarningHandler = &heard
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	manifest := func() *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kubernaut.ai/v1alpha1", "kind": "Workflow", "metadata": map[string]any{"namespace": "default", "name": "unknown"},
			"spec": map[string]any{"version": "v1.0.0", "steps": []any{map[string]any{"name": "one", "action": "git-clone", "whenever": "false"}}},
		}}
	}
	const field = "spec.steps[0].whenever"
	t.Run("who asks for nothing is warned", func(t *testing.T) {
		o := manifest()
		if err := c.Create(t.Context(), o, client.DryRunAll); err != nil {
			t.Fatal(err)
		}
		if steps, _, _ := unstructured.NestedSlice(o.Object, "spec", "steps"); len(steps) != 1 || steps[0].(map[string]any)["whenever"] != nil {
			t.Errorf("the field was kept: %v", steps)
		}
		if len(heard) != 1 || !strings.Contains(heard[0], field) {
			t.Errorf("warned of %q, want one warning about %s", heard, field)
		}
	})
	t.Run("who validates strictly is refused", func(t *testing.T) {
		refuses(t, client.WithFieldValidation(c, "Strict").Create(t.Context(), manifest(), client.DryRunAll), field)
	})
	t.Run("who applies on the server's side is refused", func(t *testing.T) {
		err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(manifest()), client.FieldOwner("somebody"), client.DryRunAll)
		refuses(t, err, ".whenever: field not declared in schema")
	})
}

func refuses(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
