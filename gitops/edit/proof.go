package edit

import (
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// prove reads the new content and refuses it unless it says exactly what the
// old one said, but for the one value. The bytes around it are the old ones by
// construction; this shows that they still mean the same.
func (e editor) prove(d *document, at place, v any, next []byte) error {
	failed := func(why string) error {
		return unsupported("file %s line %d: %s cannot be changed without changing more (%s)", d.file, at.line(), at.path, why)
	}
	got, err := parse(next)
	if err != nil {
		return failed("the result is not YAML")
	}
	want, err := node(v)
	if err != nil {
		return err
	}
	for i := len(at.missing) - 1; i >= 0; i-- {
		want = mapping(nil, at.missing[i], want)
	}
	if len(at.missing) > 0 && at.value.Kind == yaml.MappingNode {
		want = mapping(at.value.Content, at.missing[0], want.Content[1])
	}
	if len(got) != len(d.all) {
		return failed("the number of documents changes")
	}
	for i := range got {
		trail, target := at.trail, want
		if i != d.chosen {
			target = nil
		}
		if !same(d.all[i].Content[0], got[i].Content[0], trail, target) {
			return failed("another value changes")
		}
	}
	return nil
}

func mapping(content []*yaml.Node, key string, value *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: append([]*yaml.Node{}, content...)}
	out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
	return out
}

// same compares two trees: equal everywhere, but at the trail the new one must
// hold the wanted value. A nil want means equal everywhere.
func same(old, new *yaml.Node, trail []int, want *yaml.Node) bool {
	if want != nil && len(trail) == 0 {
		return equal(want, new, old.Anchor)
	}
	if !alike(old, new) {
		return false
	}
	for i := range old.Content {
		below := want
		var rest []int
		if want == nil || trail[0] != i {
			below = nil
		} else {
			rest = trail[1:]
		}
		if !same(old.Content[i], new.Content[i], rest, below) {
			return false
		}
	}
	return true
}

// equal compares data in order. Wanted values come from JSON with their keys
// sorted, as they are written.
func equal(want, got *yaml.Node, anchor string) bool {
	if want.Kind != got.Kind || want.ShortTag() != got.ShortTag() || len(want.Content) != len(got.Content) || want.Value != got.Value || anchor != got.Anchor {
		return false
	}
	for i := range want.Content {
		if !equal(want.Content[i], got.Content[i], want.Content[i].Anchor) {
			return false
		}
	}
	return true
}

func alike(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.ShortTag() == b.ShortTag() && a.Value == b.Value && a.Anchor == b.Anchor && len(a.Content) == len(b.Content)
}
