// Package kustomize changes what a kustomization says about images, replicas and patches.
package kustomize

import (
	"regexp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Image is what containers with an image of this name get. At least one of the
// others is needed; tag and digest exclude each other.
type Image struct {
	// Name as the manifests have it, without tag and digest.
	Name    string
	NewName string
	NewTag  string
	// Digest such as sha256:…
	Digest string
}

// Replicas is how many pods the workload of a name gets.
type Replicas struct {
	Name  string
	Count int64
}

// Patch is one entry of patches: either the path of a file or the text itself.
type Patch struct {
	Path string
	Text string
	// Target has group, version, kind, name, namespace, labelSelector or
	// annotationSelector; it may be empty where the patch names its object.
	Target map[string]string
}

var (
	tagPattern    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	namePattern   = regexp.MustCompile(`^[a-z0-9]([A-Za-z0-9._/:-]{0,253}[A-Za-z0-9])?$`)
)

// SetImage writes one entry of images, found by its name, or adds it. A new tag
// takes the place of a digest and the other way round.
func SetImage(file string, content []byte, i Image) (edit.Outcome, error) {
	if err := i.valid(); err != nil {
		return edit.Outcome{}, err
	}
	fields := map[string]any{}
	for key, v := range map[string]string{"newName": i.NewName, "newTag": i.NewTag, "digest": i.Digest} {
		if v != "" {
			fields[key] = v
		}
	}
	return set(file, content, entry{"images", i.Name, fields, map[string]string{"newTag": "digest", "digest": "newTag"}})
}

func (i Image) valid() error {
	bad := func(what, found, wanted string) error {
		return run.Refuse(v1alpha1.ReasonEditInvalid, "image %q: %s is %q, wanted %s", i.Name, what, found, wanted)
	}
	switch {
	case !namePattern.MatchString(i.Name):
		return bad("name", i.Name, "a repository without tag and digest")
	case i.NewName != "" && !namePattern.MatchString(i.NewName):
		return bad("newName", i.NewName, "a repository without tag and digest")
	case i.NewTag != "" && !tagPattern.MatchString(i.NewTag):
		return bad("newTag", i.NewTag, "a tag")
	case i.Digest != "" && !digestPattern.MatchString(i.Digest):
		return bad("digest", i.Digest, "sha256: and 64 hexadecimal digits")
	case i.NewTag != "" && i.Digest != "":
		return bad("newTag", i.NewTag, "none beside a digest")
	case i.NewName+i.NewTag+i.Digest == "":
		return bad("change", "", "newName, newTag or digest")
	}
	return nil
}

// SetReplicas writes one entry of replicas, found by its name, or adds it.
func SetReplicas(file string, content []byte, r Replicas) (edit.Outcome, error) {
	if r.Name == "" || r.Count < 0 || r.Count > 1<<31-1 {
		return edit.Outcome{}, run.Refuse(v1alpha1.ReasonEditInvalid, "replicas of %q: wanted a name and a count from 0, found %d", r.Name, r.Count)
	}
	return set(file, content, entry{list: "replicas", name: r.Name, fields: map[string]any{"count": r.Count}})
}

// AddPatch adds an entry to patches unless it is there already.
func AddPatch(file string, content []byte, p Patch) (edit.Outcome, error) {
	if (p.Path == "") == (p.Text == "") {
		return edit.Outcome{}, run.Refuse(v1alpha1.ReasonEditInvalid, "patch of %s: wanted either a path or a text", file)
	}
	value := map[string]any{}
	if p.Path != "" {
		value["path"] = p.Path
	} else {
		value["patch"] = p.Text
	}
	if len(p.Target) > 0 {
		target := map[string]any{}
		for key, v := range p.Target {
			target[key] = v
		}
		value["target"] = target
	}
	if _, err := read(file, content); err != nil {
		return edit.Outcome{}, err
	}
	return edit.Apply(file, content, edit.Selector{}, []edit.Change{{Op: edit.Append, Path: "patches", Value: value}})
}

// entry is what an item of a list, found by its name, is to hold.
type entry struct {
	list, name string
	fields     map[string]any
	// instead names for a field the one whose place it takes.
	instead map[string]string
}

func set(file string, content []byte, e entry) (edit.Outcome, error) {
	now, err := read(file, content)
	if err != nil {
		return edit.Outcome{}, err
	}
	list, _ := now[e.list].([]any)
	for _, one := range list {
		if item, ok := one.(map[string]any); ok && item["name"] == e.name {
			return edit.Apply(file, content, edit.Selector{}, e.changes(item))
		}
	}
	value := map[string]any{"name": e.name}
	for key, v := range e.fields {
		value[key] = v
	}
	return edit.Apply(file, content, edit.Selector{}, []edit.Change{{Op: edit.Append, Path: e.list, Value: value}})
}

// changes of an item that is there. A key that takes another's place is written
// before the other goes, so that the item keeps its place.
func (e entry) changes(item map[string]any) []edit.Change {
	at := edit.Item(e.list, "name", e.name)
	var out, gone []edit.Change
	for _, key := range []string{"newName", "newTag", "digest", "count"} {
		v, wanted := e.fields[key]
		if !wanted {
			continue
		}
		out = append(out, edit.Change{Path: edit.Key(at, key), Value: v})
		if other := e.instead[key]; item[other] != nil {
			gone = append(gone, edit.Change{Op: edit.Delete, Path: edit.Key(at, other)})
		}
	}
	return append(out, gone...)
}

// read refuses what is no kustomization.
func read(file string, content []byte) (map[string]any, error) {
	v, err := edit.Read(file, content, edit.Selector{})
	if err != nil {
		return nil, err
	}
	now, isMap := v.(map[string]any)
	kind, said := now["kind"]
	if !isMap || (said && kind != "Kustomization" && kind != "Component") {
		return nil, run.Refuse(v1alpha1.ReasonEditTargetNotFound, "file %s is no kustomization, it is %v", file, kind)
	}
	return now, nil
}
