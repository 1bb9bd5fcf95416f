package patch_test

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/util/strategicpatch"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubernaut/kubernaut/internal/run"
)

type dice struct{ *rand.Rand }

func (d dice) pick(options ...any) any { return options[d.IntN(len(options))] }

// some fills a map with some of the fields.
func (d dice) some(fields map[string]func() any) map[string]any {
	out := map[string]any{}
	for _, key := range slices.Sorted(keysOf(fields)) {
		if d.IntN(3) == 0 {
			out[key] = fields[key]()
		}
	}
	return out
}

func keysOf(m map[string]func() any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// list has items of different ids, of which some may be deleted.
func (d dice) list(id string, ids []any, fields map[string]func() any) any {
	var out []any
	for _, one := range ids {
		if d.IntN(2) == 0 {
			continue
		}
		item := d.some(fields)
		if d.IntN(6) == 0 {
			item = map[string]any{"$patch": "delete"}
		}
		item[id] = one
		out = append(out, item)
	}
	return out
}

func (d dice) container() map[string]func() any {
	text := func() any { return d.pick("x", "y: z", "1", nil) }
	return map[string]func() any{
		"image": text, "args": func() any { return d.pick([]any{"--a", "--verbose"}, []any{"--b"}, nil) },
		"env":          func() any { return d.list("name", []any{"A", "B"}, map[string]func() any{"value": text}) },
		"ports":        func() any { return d.list("containerPort", []any{80, 443}, map[string]func() any{"name": text}) },
		"volumeMounts": func() any { return d.list("mountPath", []any{"/a", "/b"}, map[string]func() any{"name": text}) },
		"resources": func() any {
			return d.pick(nil, map[string]any{"limits": map[string]any{"cpu": "1", "memory": nil}}, map[string]any{"$patch": "replace", "limits": map[string]any{"cpu": "2"}})
		},
	}
}

func (d dice) patch() map[string]any {
	text := func() any { return d.pick("x", "no", nil) }
	labels := func() any { return d.some(map[string]func() any{"app": text, "tier": text, "new": text}) }
	pod := func() any {
		return d.some(map[string]func() any{
			"containers":    func() any { return d.list("name", []any{"sidecar", "api", "new"}, d.container()) },
			"volumes":       func() any { return d.list("name", []any{"v", "w"}, nil) },
			"tolerations":   func() any { return d.pick([]any{map[string]any{"key": "a"}}, []any{}) },
			"restartPolicy": text,
		})
	}
	return d.some(map[string]func() any{
		"metadata": func() any {
			return d.some(map[string]func() any{"labels": labels, "annotations": labels, "finalizers": func() any { return []any{"a", d.pick("b", "c")} }})
		},
		"spec": func() any {
			return d.some(map[string]func() any{"replicas": func() any { return d.pick(1, 2, 3, nil) }, "template": func() any { return map[string]any{"spec": pod()} }})
		},
	})
}

// Random patches on a file give what the API server makes of them, twice over:
// the second patch meets what the first one has written.
func TestRandomStrategicPatches(t *testing.T) {
	done := 0
	for seed := range uint64(1000) {
		d := dice{rand.New(rand.NewPCG(seed, 2))}
		content, served := deployment, objectOf(t, deployment)
		for range 2 {
			raw := encoding(t, d.patch())
			out, err := strategic(t, content, string(raw))
			if _, refused := run.AsRefusal(err); refused {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if served, err = strategicpatch.StrategicMergePatch(served, raw, appsv1.Deployment{}); err != nil {
				t.Fatal(err)
			}
			content = string(out.Content)
			if want, got := canonical(t, served), canonical(t, objectOf(t, content)); !reflect.DeepEqual(want, got) {
				t.Fatalf("seed %d: %s\nthe API server makes\n%s\nand we\n%s\nin\n%s", seed, raw, encoding(t, want), encoding(t, got), content)
			}
			done++
		}
	}
	if done < 1800 {
		t.Errorf("%d patches of 2000 were made", done)
	}
}

func encoding(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// canonical sorts the lists whose order has no meaning for the merge.
func canonical(t *testing.T, raw []byte) appsv1.Deployment {
	t.Helper()
	// The API server keeps a null that stands in what is new, and reads it as
	// if it were not there; a manifest is better without it.
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	dropNull(v)
	raw = encoding(t, v)
	var d appsv1.Deployment
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	pod := &d.Spec.Template.Spec
	slices.SortFunc(pod.Containers, func(a, b corev1.Container) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(pod.Volumes, func(a, b corev1.Volume) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(d.Finalizers)
	for i := range pod.Containers {
		c := &pod.Containers[i]
		slices.SortFunc(c.Env, func(a, b corev1.EnvVar) int { return cmp.Compare(a.Name, b.Name) })
		slices.SortFunc(c.Ports, func(a, b corev1.ContainerPort) int { return cmp.Compare(a.ContainerPort, b.ContainerPort) })
		slices.SortFunc(c.VolumeMounts, func(a, b corev1.VolumeMount) int { return cmp.Compare(a.MountPath, b.MountPath) })
	}
	var out appsv1.Deployment // without the difference between an empty list and none
	if err := json.Unmarshal(encoding(t, d), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func dropNull(v any) {
	switch x := v.(type) {
	case map[string]any:
		for key, value := range x {
			if value == nil {
				delete(x, key)
			}
			dropNull(value)
		}
	case []any:
		for _, value := range x {
			dropNull(value)
		}
	}
}
