package kustomize_test

import (
	"testing"

	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/kustomize"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Whatever the file: a refusal, or one entry of the image with the wanted tag
// and no digest.
func FuzzSetImage(f *testing.F) {
	for _, content := range []string{file, "", "{}\n", "images: []\n", "images:\n", "images: [{name: a}]\n", "images:\n- name: a\n  digest: x\n", "images:\n- name: a\n- name: a\n", "images: &x\n- name: b\nc: *x\n", "kind: 1\n", "images:\n- [a]\n- a\n"} {
		f.Add(content, "a", "v1")
		f.Add(content, "example.com/web", "1.10")
	}
	f.Fuzz(func(t *testing.T, content, name, tag string) {
		out, err := kustomize.SetImage("kustomization.yaml", []byte(content), kustomize.Image{Name: name, NewTag: tag})
		if err != nil {
			if _, ok := run.AsRefusal(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		v, err := edit.Read("kustomization.yaml", out.Content, edit.Selector{})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, one := range v.(map[string]any)["images"].([]any) {
			if item, ok := one.(map[string]any); ok && item["name"] == name {
				found++
				if item["newTag"] != tag || item["digest"] != nil {
					t.Fatalf("%v in\n%s", item, out.Content)
				}
			}
		}
		if found != 1 {
			t.Fatalf("%d entries in\n%s", found, out.Content)
		}
	})
}
