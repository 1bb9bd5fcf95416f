package edit

import (
	"slices"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/gitops/edit/notation"
)

// prove reads the new content and refuses it unless it says exactly what the
// old one said, but for the one action. The bytes around it are the old ones
// by construction; this shows that they still mean the same.
func (d *document) prove(at place, a action, content []byte) (*document, error) {
	failed := func(why string) (*document, error) {
		return nil, unsupported("file %s line %d: %s cannot be changed without changing more (%s)", d.file, at.line(), at.path, why)
	}
	if err := readable(d.file, content); err != nil {
		return nil, err
	}
	next, err := read(d.file, content)
	if err != nil {
		return failed("the result is not YAML")
	}
	want, err := expected(d.root(), at, a)
	if err != nil {
		return nil, err
	}
	if len(next.all) != len(d.all) {
		return failed("the number of documents changes")
	}
	next.chosen = d.chosen
	for i, old := range d.all {
		tree := old.Content[0]
		if i == d.chosen {
			tree = want
		}
		if !equal(tree, next.all[i].Content[0]) {
			return failed("another value changes")
		}
	}
	return next, nil
}

// expected is the old tree with the action done to it.
func expected(root *yaml.Node, at place, a action) (*yaml.Node, error) {
	var value *yaml.Node
	if a.verb != removeNode {
		var err error
		if value, err = notation.Node(a.value); err != nil {
			return nil, err
		}
	}
	switch {
	case a.verb == removeNode:
		return along(root, at.trail[:len(at.trail)-1], func(n *yaml.Node) { without(n, at.index()) }), nil
	case a.verb == insertItem:
		index := a.path.segments[len(a.path.segments)-1].index
		return along(root, at.trail, func(n *yaml.Node) { n.Content = slices.Insert(n.Content, index, value) }), nil
	case len(at.missing) == 0:
		return along(root, at.trail, func(n *yaml.Node) { *n = withAnchor(value, n.Anchor) }), nil
	}
	for i := len(at.missing) - 1; i > 0; i-- {
		value = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{keyNode(at.missing[i]), value}}
	}
	return along(root, at.trail, func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			*n = withAnchor(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}, n.Anchor)
		}
		n.Content = append(n.Content, keyNode(at.missing[0]), value)
	}), nil
}

func keyNode(key string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
}

func withAnchor(n *yaml.Node, anchor string) yaml.Node {
	out := *n
	out.Anchor = anchor
	return out
}

// along copies the nodes on the way and lets f change the last of them.
func along(n *yaml.Node, trail []int, f func(*yaml.Node)) *yaml.Node {
	out := *n
	out.Content = slices.Clone(n.Content)
	if len(trail) == 0 {
		f(&out)
	} else {
		out.Content[trail[0]] = along(n.Content[trail[0]], trail[1:], f)
	}
	return &out
}

// without takes the node at a position away, in a map its key too.
func without(n *yaml.Node, index int) {
	first := index
	if n.Kind == yaml.MappingNode {
		first--
	}
	n.Content = slices.Delete(n.Content, first, index+1)
}

// equal compares data in order. Wanted values have their keys sorted, as they
// are written.
func equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || a.Value != b.Value || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !equal(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}
