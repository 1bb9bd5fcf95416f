package kustomize_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/kustomize"
	"github.com/kubernaut/kubernaut/internal/run"
)

const file = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:   # in order
  - ../base
images:
  # released on Mondays
  - name: example.com/api
    newTag: v1   # do not use latest
  - name: example.com/web
    digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
replicas:
  - name: api
    count: 2
`

var digest = "sha256:" + strings.Repeat("b", 64)

func TestChangesOfKustomizations(t *testing.T) {
	image := func(i kustomize.Image) func(string) (edit.Outcome, error) {
		return func(c string) (edit.Outcome, error) { return kustomize.SetImage("kustomization.yaml", []byte(c), i) }
	}
	replicas := func(name string, count int64) func(string) (edit.Outcome, error) {
		return func(c string) (edit.Outcome, error) {
			return kustomize.SetReplicas("kustomization.yaml", []byte(c), kustomize.Replicas{Name: name, Count: count})
		}
	}
	patch := func(p kustomize.Patch) func(string) (edit.Outcome, error) {
		return func(c string) (edit.Outcome, error) { return kustomize.AddPatch("kustomization.yaml", []byte(c), p) }
	}
	for name, c := range map[string]struct {
		do           func(string) (edit.Outcome, error)
		old, changed string
	}{
		"tag":                {image(kustomize.Image{Name: "example.com/api", NewTag: "v2"}), "v1   #", "v2   #"},
		"tag like a number":  {image(kustomize.Image{Name: "example.com/api", NewTag: "1.10"}), "v1   #", "\"1.10\"   #"},
		"tag over digest":    {image(kustomize.Image{Name: "example.com/web", NewTag: "v3"}), "digest: sha256:" + strings.Repeat("a", 64), "newTag: v3"},
		"digest over digest": {image(kustomize.Image{Name: "example.com/web", Digest: digest}), "sha256:" + strings.Repeat("a", 64), digest},
		"digest over tag":    {image(kustomize.Image{Name: "example.com/api", Digest: digest}), "newTag: v1   # do not use latest", "digest: " + digest},
		"new name":           {image(kustomize.Image{Name: "example.com/api", NewName: "mirror.example.com:5000/api"}), "latest\n", "latest\n    newName: mirror.example.com:5000/api\n"},
		"new image":          {image(kustomize.Image{Name: "nginx", NewTag: "1.29"}), "replicas:\n", "  - name: nginx\n    newTag: \"1.29\"\nreplicas:\n"},
		"replicas":           {replicas("api", 3), "count: 2", "count: 3"},
		"new replicas":       {replicas("web", 0), "count: 2\n", "count: 2\n  - name: web\n    count: 0\n"},
		"patch file":         {patch(kustomize.Patch{Path: "memory.yaml"}), "count: 2\n", "count: 2\npatches:\n  - path: memory.yaml\n"},
		"patch text": {patch(kustomize.Patch{Text: "- op: replace\n  path: /spec/replicas\n  value: 3\n", Target: map[string]string{"kind": "Deployment", "name": "api"}}), "count: 2\n",
			"count: 2\npatches:\n  - patch: |\n      - op: replace\n        path: /spec/replicas\n        value: 3\n    target:\n      kind: Deployment\n      name: api\n"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := c.do(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Replace(file, c.old, c.changed, 1), string(out.Content)); diff != "" || !out.Changed() {
				t.Error(diff)
			}
			again, err := c.do(string(out.Content))
			if err != nil || again.Changed() || string(again.Content) != string(out.Content) {
				t.Errorf("not idempotent: %v, %+v", err, again.Edits)
			}
		})
	}
}

func TestSmallKustomizations(t *testing.T) {
	out, err := kustomize.SetImage("kustomization.yaml", []byte("resources: [a.yaml]\n"), kustomize.Image{Name: "nginx", NewTag: "v1"})
	if want := "resources: [a.yaml]\nimages:\n- name: nginx\n  newTag: v1\n"; err != nil || string(out.Content) != want {
		t.Errorf("%v\n%s", err, out.Content)
	}
	out, err = kustomize.SetImage("kustomization.yaml", []byte("images: [{name: nginx, newTag: v1}]\n"), kustomize.Image{Name: "nginx", NewTag: "v2"})
	if want := "images: [{name: nginx, newTag: v2}]\n"; err != nil || string(out.Content) != want {
		t.Errorf("%v\n%s", err, out.Content)
	}
}

func TestRefusals(t *testing.T) {
	image := func(content string, i kustomize.Image) error {
		_, err := kustomize.SetImage("kustomization.yaml", []byte(content), i)
		return err
	}
	replicas := func(name string, count int64) error {
		_, err := kustomize.SetReplicas("kustomization.yaml", []byte(file), kustomize.Replicas{Name: name, Count: count})
		return err
	}
	patch := func(p kustomize.Patch) error {
		_, err := kustomize.AddPatch("kustomization.yaml", []byte(file), p)
		return err
	}
	for name, c := range map[string]struct {
		err    error
		reason run.Reason
	}{
		"another kind":      {image("kind: Deployment\n", kustomize.Image{Name: "a", NewTag: "b"}), v1alpha1.ReasonEditTargetNotFound},
		"no map":            {image("- a\n", kustomize.Image{Name: "a", NewTag: "b"}), v1alpha1.ReasonEditTargetNotFound},
		"name with tag":     {image(file, kustomize.Image{Name: "a@sha256", NewTag: "b"}), v1alpha1.ReasonEditInvalid},
		"no name":           {image(file, kustomize.Image{NewTag: "b"}), v1alpha1.ReasonEditInvalid},
		"bad new name":      {image(file, kustomize.Image{Name: "a", NewName: "b c"}), v1alpha1.ReasonEditInvalid},
		"bad tag":           {image(file, kustomize.Image{Name: "a", NewTag: "b\nc"}), v1alpha1.ReasonEditInvalid},
		"bad digest":        {image(file, kustomize.Image{Name: "a", Digest: "sha256:b"}), v1alpha1.ReasonEditInvalid},
		"tag and digest":    {image(file, kustomize.Image{Name: "a", NewTag: "b", Digest: digest}), v1alpha1.ReasonEditInvalid},
		"nothing":           {image(file, kustomize.Image{Name: "a"}), v1alpha1.ReasonEditInvalid},
		"images is no list": {image("images: {}\n", kustomize.Image{Name: "a", NewTag: "b"}), v1alpha1.ReasonEditTargetNotFound},
		"image twice":       {image("images: [{name: a, newTag: x}, {name: a}]\n", kustomize.Image{Name: "a", NewTag: "b"}), v1alpha1.ReasonEditTargetAmbiguous},
		"negative":          {replicas("api", -1), v1alpha1.ReasonEditInvalid},
		"too many":          {replicas("api", 1<<31), v1alpha1.ReasonEditInvalid},
		"nobody":            {replicas("", 1), v1alpha1.ReasonEditInvalid},
		"no patch":          {patch(kustomize.Patch{}), v1alpha1.ReasonEditInvalid},
		"two patches":       {patch(kustomize.Patch{Path: "a", Text: "b"}), v1alpha1.ReasonEditInvalid},
	} {
		if r, ok := run.AsRefusal(c.err); !ok || r.Reason != c.reason {
			t.Errorf("%s: %v, want %s", name, c.err, c.reason)
		}
	}
}
