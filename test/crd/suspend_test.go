package crd

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// suspended holds that others may work on a run that a person has suspended,
// and resume it, but change nothing of what that person has said.
func suspended(t *testing.T, person, other client.Client) {
	const foreign = "spec.suspendedBy must be " + controllerAccount
	for name, c := range map[string]struct {
		change func(metadata, spec map[string]any)
		want   string
	}{
		"finalizer": {func(metadata, _ map[string]any) { delete(metadata, "finalizers") }, ""},
		"cancel":    {func(_, spec map[string]any) { spec["cancel"] = true }, ""},
		"resume": {func(_, spec map[string]any) {
			spec["suspend"] = false
			delete(spec, "suspendedBy")
			delete(spec, "suspendReason")
		}, ""},
		"take over":     {func(_, spec map[string]any) { spec["suspendedBy"] = controllerAccount }, ""},
		"other words":   {func(_, spec map[string]any) { spec["suspendReason"] = "something else" }, foreign},
		"no words":      {func(_, spec map[string]any) { delete(spec, "suspendReason") }, foreign},
		"no name":       {func(_, spec map[string]any) { delete(spec, "suspendedBy") }, foreign},
		"a third one's": {func(_, spec map[string]any) { spec["suspendedBy"] = "jane" }, foreign},
	} {
		t.Run("suspended/"+name, func(t *testing.T) {
			metadata := map[string]any{"namespace": "default", "generateName": "held-", "finalizers": []any{"kubernaut.ai/test"}}
			e := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "kubernaut.ai/v1alpha1", "kind": "WorkflowExecution", "metadata": metadata,
				"spec": map[string]any{"workflowRef": map[string]any{"name": "w"}, "suspend": true, "suspendedBy": "admin", "suspendReason": "waits for Ada"},
			}}
			if err := person.Create(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			c.change(e.Object["metadata"].(map[string]any), e.Object["spec"].(map[string]any))
			err := other.Update(t.Context(), e)
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
