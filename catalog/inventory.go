package catalog

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Hash returns "sha256:<hex>" of what a workflow does: its spec as JSON with
// sorted keys and the API's defaults filled in, so that a manifest and the
// object made of it have one hash. Metadata and status do not count.
func Hash(w v1alpha1.Workflow) string {
	spec := w.Spec.DeepCopy()
	spec.Engine = cmp.Or(spec.Engine, "auto")
	if spec.Workspace != nil {
		spec.Workspace.Size = cmp.Or(spec.Workspace.Size, "1Gi")
	}
	for i := range spec.Parameters {
		spec.Parameters[i].Type = cmp.Or(spec.Parameters[i].Type, typeString)
	}
	// An API object always marshals, and what was marshalled decodes.
	data, _ := json.Marshal(spec)
	v, _ := raw(data)
	sum := sha256.Sum256([]byte(canonical(v)))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Inventory lists the objects of a set that Into put into a namespace, sorted.
func (s Set) Inventory() []v1alpha1.InventoryEntry {
	var entries []v1alpha1.InventoryEntry
	for _, o := range s.Objects {
		gvk := o.Manifest.GroupVersionKind()
		id := strings.Join([]string{o.Manifest.GetNamespace(), o.Manifest.GetName(), gvk.Group, gvk.Kind}, "_")
		entries = append(entries, v1alpha1.InventoryEntry{ID: id, Version: gvk.Version})
	}
	slices.SortFunc(entries, func(a, b v1alpha1.InventoryEntry) int { return cmp.Compare(a.ID, b.ID) })
	return entries
}

// Diff says which entries of an inventory are new in now and which are gone.
func Diff(old, now []v1alpha1.InventoryEntry) (added, gone []v1alpha1.InventoryEntry) {
	return without(now, old), without(old, now)
}

func without(a, b []v1alpha1.InventoryEntry) []v1alpha1.InventoryEntry {
	have := map[string]bool{}
	for _, e := range b {
		have[e.ID] = true
	}
	var out []v1alpha1.InventoryEntry
	for _, e := range a {
		if !have[e.ID] {
			out = append(out, e)
		}
	}
	return out
}

// ID is an inventory entry taken apart.
type ID struct {
	Namespace, Name, Group, Kind string
}

// ParseID reads an entry's ID; names hold no underscore.
func ParseID(text string) (ID, bool) {
	parts := strings.Split(text, "_")
	if len(parts) != 4 || slices.Contains(parts, "") {
		return ID{}, false
	}
	return ID{Namespace: parts[0], Name: parts[1], Group: parts[2], Kind: parts[3]}, true
}
