package admission

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
		"a.yaml": "# a comment\n---\n---\napiVersion: v1\nkind: Service\nmetadata: {name: webhook, namespace: cosign-system}\n" +
			"spec: {selector: {role: webhook}, ports: [{port: 443, targetPort: 8443}]}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n",
		"b.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: webhook}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, o := range objects {
		kinds = append(kinds, o.GetKind())
	}
	if len(kinds) != 3 || kinds[0] != "Service" || kinds[1] != "ConfigMap" || kinds[2] != "EndpointSlice" {
		t.Fatalf("read %v", kinds)
	}
	spec := objects[0].Object["spec"].(map[string]any)
	if spec["selector"] != nil || spec["ports"] == nil {
		t.Errorf("the Service's spec: %v", spec)
	}
	if _, err := read(t.TempDir()); err == nil {
		t.Error("an empty folder was read")
	}
}
