package patch

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/kinds"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Strategic reads a strategic merge patch for an object as it is now: maps are
// merged, null deletes, lists are merged by the keys that Kubernetes gives its
// own kinds and replaced in all others. It knows $patch: replace, delete and
// merge, and $deleteFromPrimitiveList.
func Strategic(object any, patch map[string]any) ([]edit.Change, error) {
	m, _ := object.(map[string]any)
	t, _ := kinds.Of(fmt.Sprint(m["apiVersion"]), fmt.Sprint(m["kind"]))
	s := strategic{}
	if err := s.merge(spot{"", m, t}, patch); err != nil {
		return nil, err
	}
	return s.changes, nil
}

type strategic struct{ changes []edit.Change }

// spot is a map of the object, which may be absent.
type spot struct {
	path string
	now  map[string]any
	t    kinds.Type
}

func (s *strategic) add(op edit.Op, path string, v any) {
	s.changes = append(s.changes, edit.Change{Op: op, Path: path, Value: v})
}

func (s *strategic) merge(at spot, patch map[string]any) error {
	if strings.Count(at.path, ".") > maxDepth {
		return run.Refuse(v1alpha1.ReasonEditInvalid, "patch is nested too deep")
	}
	done, err := s.directive(at, patch)
	if done || err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		if key == "$patch" {
			continue
		}
		if err := s.field(at, key, patch[key]); err != nil {
			return err
		}
	}
	return nil
}

// directive does what $patch says about a whole map.
func (s *strategic) directive(at spot, patch map[string]any) (done bool, err error) {
	d, ok := patch["$patch"]
	switch {
	case !ok, d == "merge":
		return false, nil
	case at.path == "":
		return true, run.Refuse(v1alpha1.ReasonEditUnsupported, "patch: $patch: %v of a whole object is not made", d)
	case d == "delete":
		s.add(edit.Delete, at.path, nil)
		return true, nil
	case d == "replace":
		rest := maps.Clone(patch)
		delete(rest, "$patch")
		v, err := plain(at.path, rest)
		s.add(edit.Replace, at.path, v)
		return true, err
	}
	return true, run.Refuse(v1alpha1.ReasonEditInvalid, "patch: %s: $patch must be merge, replace or delete, not %v", at.path, d)
}

func (s *strategic) field(at spot, key string, v any) error {
	if list, ok := strings.CutPrefix(key, "$deleteFromPrimitiveList/"); ok {
		return s.remove(at, list, v)
	}
	if strings.HasPrefix(key, "$") {
		return run.Refuse(v1alpha1.ReasonEditUnsupported, "patch: %s: directive %s is not known", at.path, key)
	}
	path := edit.Key(at.path, key)
	t, merged, by := at.t.Field(key)
	switch x := v.(type) {
	case nil:
		s.add(edit.Delete, path, nil)
		return nil
	case map[string]any:
		now, isMap := at.now[key].(map[string]any)
		if isMap {
			return s.merge(spot{path, now, t}, x)
		}
		clean, err := plain(path, x)
		s.add(edit.Replace, path, clean)
		return err
	case []any:
		now, _ := at.now[key].([]any)
		if merged && !replaces(x) {
			return s.items(items{path, now, t, by}, x)
		}
		clean, err := plain(path, slices.DeleteFunc(slices.Clone(x), isDirective))
		s.add(edit.Replace, path, clean)
		return err
	}
	s.add(edit.Replace, path, v)
	return nil
}

// items is a list of the object that is merged by a key.
type items struct {
	path string
	now  []any
	t    kinds.Type
	by   string
}

func (s *strategic) items(at items, patch []any) error {
	for _, one := range patch {
		item, isMap := one.(map[string]any)
		if at.by == "" || !isMap {
			s.add(edit.Append, at.path, one)
			continue
		}
		id, ok := item[at.by]
		if !ok {
			return run.Refuse(v1alpha1.ReasonEditInvalid, "patch: %s: items are found by %s, and one has none", at.path, at.by)
		}
		i := slices.IndexFunc(at.now, func(v any) bool {
			m, ok := v.(map[string]any)
			return ok && fmt.Sprint(m[at.by]) == fmt.Sprint(id)
		})
		if err := s.item(at, i, item); err != nil {
			return err
		}
	}
	return nil
}

// item merges into the item at an index, or appends if it is negative.
func (s *strategic) item(at items, index int, item map[string]any) error {
	if index >= 0 {
		now, _ := at.now[index].(map[string]any)
		return s.merge(spot{edit.Item(at.path, at.by, fmt.Sprint(item[at.by])), now, at.t}, item)
	}
	if item["$patch"] == "delete" {
		return nil
	}
	rest := maps.Clone(item)
	delete(rest, "$patch")
	v, err := plain(at.path, rest)
	s.add(edit.Append, at.path, v)
	return err
}

func (s *strategic) remove(at spot, list string, v any) error {
	gone, ok := v.([]any)
	if !ok {
		return run.Refuse(v1alpha1.ReasonEditInvalid, "patch: %s: $deleteFromPrimitiveList/%s must be a list", at.path, list)
	}
	now, _ := at.now[list].([]any)
	isGone := func(one any) bool {
		return slices.ContainsFunc(gone, func(g any) bool { return reflect.DeepEqual(g, one) })
	}
	if slices.ContainsFunc(now, isGone) {
		s.add(edit.Replace, edit.Key(at.path, list), slices.DeleteFunc(slices.Clone(now), isGone))
	}
	return nil
}

func isDirective(v any) bool {
	m, ok := v.(map[string]any)
	_, has := m["$patch"]
	return ok && has && len(m) == 1
}

func replaces(list []any) bool {
	return slices.ContainsFunc(list, func(v any) bool {
		return isDirective(v) && v.(map[string]any)["$patch"] == "replace"
	})
}

// plain is a value that is written anew: null in it has nothing to delete.
func plain(path string, v any) (any, error) {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range x {
			if strings.HasPrefix(key, "$") {
				return nil, run.Refuse(v1alpha1.ReasonEditUnsupported, "patch: %s: directive %s stands in what is new", path, key)
			}
			clean, err := plain(path, value)
			if err != nil {
				return nil, err
			}
			if value != nil {
				out[key] = clean
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(x))
		for i, value := range x {
			clean, err := plain(path, value)
			if err != nil {
				return nil, err
			}
			out[i] = clean
		}
		return out, nil
	}
	return v, nil
}
