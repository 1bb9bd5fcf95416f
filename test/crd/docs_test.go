package crd

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// documented sends every manifest of ours that the documentation shows, as it
// stands there, and the image policies that ship.
func documented(t *testing.T, c client.Client) {
	fence := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	files := append(find(t, "../../docs", ".md"), "../../README.md")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			ours := strings.Contains(m[1], "apiVersion: kubernaut.ai/") || strings.Contains(m[1], "apiVersion: policy.sigstore.dev/")
			if !ours || strings.Contains(m[1], "kind: ActionContract") {
				continue
			}
			t.Run(file, func(t *testing.T) { accept(t, c, m[1]) })
		}
	}
	for _, file := range []string{"image-policy/policy.yaml", "image-policy-attested/attested.yaml"} {
		shipped, err := os.ReadFile("../../kustomize/components/" + file)
		if err != nil {
			t.Fatal(err)
		}
		accept(t, c, string(shipped))
	}
}

func accept(t *testing.T, c client.Client, manifest string) {
	o := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(manifest), &o.Object); err != nil {
		t.Fatal(err)
	}
	if o.GetNamespace() == "" {
		o.SetNamespace("default")
	}
	if by, ok, _ := unstructured.NestedString(o.Object, "spec", "suspendedBy"); ok && by != "" {
		if err := unstructured.SetNestedField(o.Object, "admin", "spec", "suspendedBy"); err != nil {
			t.Fatal(err)
		}
	}
	if o.GetKind() == "Approval" { // we are nobody else, and the API server knows
		if err := unstructured.SetNestedField(o.Object, "admin", "spec", "approver"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Create(t.Context(), o, client.DryRunAll); err != nil {
		t.Errorf("refused: %v\n%s", err, manifest)
	}
}
