package edit

import (
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit/notation"
)

// place is where a path leads.
type place struct {
	path path
	// key is the key node of value, or nil for list items and the root.
	key, value *yaml.Node
	// parent is the collection that value is in, nil for the root.
	parent *place
	// trail is the way from the root to value by position, for the proof.
	trail []int
	// missing are the keys below value that do not exist yet.
	missing []string
	// flow says that value stands inside a flow collection.
	flow bool
}

// index is the position of value among the nodes of its parent.
func (p place) index() int { return p.trail[len(p.trail)-1] }

func (p place) line() int {
	if p.key != nil {
		return p.key.Line
	}
	return p.value.Line
}

// locate walks the path. It stops where keys are missing and refuses what is
// not this object's own or not certain.
func (d *document) locate(p path) (place, error) {
	at := place{path: p, value: d.root()}
	for i, s := range p.segments {
		if err := d.own(at); err != nil {
			return place{}, err
		}
		if isEmpty(at.value) {
			return d.absent(at, p.segments[i:])
		}
		s = s.resolve(at.value)
		n, err := d.step(at, s)
		if err != nil {
			return place{}, err
		}
		if n < 0 {
			return d.absent(at, p.segments[i:])
		}
		at = d.enter(at, n)
	}
	return at, d.own(at)
}

// enter goes to the node at a position of a collection.
func (d *document) enter(at place, n int) place {
	in := place{path: at.path, value: at.value.Content[n], parent: &at, flow: at.flow || isFlow(at.value)}
	in.trail = append(slices.Clone(at.trail), n)
	if at.value.Kind == yaml.MappingNode {
		in.key = at.value.Content[n-1]
	}
	return in
}

func isFlow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// isEmpty is a value that keys may be written into: nothing, null or {}.
func isEmpty(n *yaml.Node) bool {
	return n.ShortTag() == "!!null" || (n.Kind == yaml.MappingNode && len(n.Content) == 0)
}

// own refuses values that are shared through anchors.
func (d *document) own(at place) error {
	n := at.value
	if n.Kind == yaml.AliasNode {
		return refuse(v1alpha1.ReasonEditTargetAliased, "file %s line %d: %s leads through the alias *%s: change what it stands for", d.file, n.Line, at.path, n.Value)
	}
	if n.Anchor != "" && d.aliased[n.Anchor] {
		return refuse(v1alpha1.ReasonEditTargetAliased, "file %s line %d: %s leads through the anchor &%s, which is used elsewhere too", d.file, n.Line, at.path, n.Anchor)
	}
	return nil
}

// step returns the position of the segment's node, -1 if a key is missing.
func (d *document) step(at place, s segment) (int, error) {
	n := at.value
	if (s.kind == 'k') != (n.Kind == yaml.MappingNode) || (s.kind != 'k' && n.Kind != yaml.SequenceNode) {
		return 0, refuse(v1alpha1.ReasonEditTargetNotFound, "file %s line %d: %s: %s is %s", d.file, n.Line, at.path, s, kindName(n))
	}
	switch s.kind {
	case 'k':
		return d.keyIndex(at, s.key)
	case 'i':
		if s.index >= len(n.Content) || s.index == atEnd {
			return 0, refuse(v1alpha1.ReasonEditTargetNotFound, "file %s line %d: %s: the list has %d items", d.file, n.Line, at.path, len(n.Content))
		}
		return s.index, nil
	}
	return d.matchIndex(at, s)
}

func (d *document) keyIndex(at place, key string) (int, error) {
	found, merged := -1, false
	for i := 0; i+1 < len(at.value.Content); i += 2 {
		k := at.value.Content[i]
		merged = merged || k.Tag == yaml.MergeTag
		if k.Kind != yaml.ScalarNode || k.Value != key {
			continue
		}
		if found >= 0 {
			return 0, refuse(v1alpha1.ReasonEditTargetAmbiguous, "file %s line %d: %s: key %q is there twice", d.file, k.Line, at.path, key)
		}
		found = i + 1
	}
	if found < 0 && merged {
		return 0, refuse(v1alpha1.ReasonEditTargetAliased, "file %s line %d: %s: key %q may come from a merge key (<<)", d.file, at.value.Line, at.path, key)
	}
	return found, nil
}

func (d *document) matchIndex(at place, s segment) (int, error) {
	found := -1
	for i, item := range at.value.Content {
		v := notation.Field(item, s.field)
		if v == nil || v.Kind != yaml.ScalarNode || v.Value != s.value {
			continue
		}
		if found >= 0 {
			return 0, refuse(v1alpha1.ReasonEditTargetAmbiguous, "file %s line %d: %s: several items have %s", d.file, item.Line, at.path, s)
		}
		found = i
	}
	if found < 0 {
		return 0, refuse(v1alpha1.ReasonEditTargetNotFound, "file %s line %d: %s: no item has %s", d.file, at.value.Line, at.path, s)
	}
	return found, nil
}

func (d *document) absent(at place, rest []segment) (place, error) {
	for _, s := range rest {
		if s.kind == 'i' || s.kind == 'm' {
			return place{}, refuse(v1alpha1.ReasonEditTargetNotFound, "file %s line %d: %s: there is no %s, and list items are not made up", d.file, at.line(), at.path, s)
		}
		at.missing = append(at.missing, s.key)
	}
	return at, nil
}

func (s segment) String() string {
	switch s.kind {
	case 'k', 'p':
		return "key " + s.key
	case 'i':
		return "list index " + strconv.Itoa(s.index)
	}
	return "[" + s.field + "=" + s.value + "]"
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "asked of a map"
	case yaml.SequenceNode:
		return "asked of a list"
	}
	return "asked of a " + strings.TrimPrefix(n.ShortTag(), "!!")
}
