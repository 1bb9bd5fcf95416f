package edit

import (
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/gitops/edit/notation"
)

// flowEnd is the offset behind a node that is written inside {} or [], or is
// such a collection itself; -1 if that cannot be said.
func (d *document) flowEnd(n *yaml.Node) int {
	if n.Style&yaml.TaggedStyle != 0 {
		return -1
	}
	at := d.skipAnchor(d.offset(n), n)
	switch {
	case n.Kind == yaml.AliasNode:
		return at + len("*"+n.Value)
	case n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0, at >= len(d.content):
		return -1
	case n.Kind == yaml.ScalarNode:
		return notation.ScalarEnd(d.content, at, n)
	}
	closer := map[byte]byte{'{': '}', '[': ']'}[d.content[at]]
	if closer == 0 {
		return -1
	}
	at++
	for i := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if at = d.entryEnd(n, i); at < 0 {
			return -1
		}
	}
	return d.closed(at, closer)
}

// closed is the offset behind the closer, before which only space, commas and
// comments may stand.
func (d *document) closed(at int, closer byte) int {
	for at < len(d.content) {
		switch d.content[at] {
		case closer:
			return at + 1
		case ' ', '\t', '\r', '\n', ',':
			at++
		case '#':
			at = d.lineEnd(d.lineAt(at))
		default:
			return -1
		}
	}
	return -1
}

// entryEnd is the offset behind the value at a position of a flow collection,
// which may be absent behind its key's colon.
func (d *document) entryEnd(n *yaml.Node, i int) int {
	v := n.Content[i]
	if n.Kind == yaml.MappingNode && v.Kind == yaml.ScalarNode && v.Value == "" && v.Style == 0 && v.Anchor == "" {
		return d.afterColon(n.Content[i-1])
	}
	return d.flowEnd(v)
}

// insertInline writes "key: value" or an item into a collection in {} or [].
func (d *document) insertInline(at place, index int, key string, v any) (splice, error) {
	written, err := notation.Inline(v, d.isJSON())
	if err == nil && key != "" {
		written, err = notation.InlineEntry(key, written, d.isJSON())
	}
	if err != nil {
		return splice{}, err
	}
	n := at.value
	open, shut := "[", "]"
	if key != "" {
		open, shut = "{", "}"
	}
	if len(n.Content) == 0 {
		start, end := d.inlineRange(at)
		if end < 0 {
			return splice{}, d.odd(at)
		}
		if start == end {
			open = " " + open
		}
		return splice{start, end, open + written + shut}, nil
	}
	if index == 0 {
		start := d.offset(n.Content[0])
		return splice{start, start, written + "," + d.gap(n.Content[0])}, nil
	}
	end := d.entryEnd(n, index-1)
	if end < 0 {
		return splice{}, d.odd(at)
	}
	last := n.Content[index-1]
	if key != "" {
		last = n.Content[index-2]
	}
	return splice{end, end, "," + d.gap(last) + written}, nil
}

// inlineRange is where an empty collection, or null in its place, stands.
func (d *document) inlineRange(at place) (start, end int) {
	if at.value.Kind == yaml.ScalarNode {
		t, ok := d.token(at)
		if !ok {
			return 0, -1
		}
		return t.start, t.end
	}
	return d.skipAnchor(d.offset(at.value), at.value), d.flowEnd(at.value)
}

// gap is what stands between two things in a flow collection: a new line if
// the neighbour has one of its own.
func (d *document) gap(neighbour *yaml.Node) string {
	at := d.offset(neighbour)
	if neighbour.Line > 1 && d.aloneBefore(at) {
		return d.eol(neighbour.Line-1) + strings.Repeat(" ", d.indentOf(neighbour))
	}
	return " "
}

// replaceInline writes another kind of value inside {} or [].
func (d *document) replaceInline(at place, v any) (splice, error) {
	written, err := notation.Inline(v, d.isJSON())
	if err != nil {
		return splice{}, err
	}
	start, end := d.inlineRange(at)
	if at.value.Kind == yaml.ScalarNode {
		start, end = d.offset(at.value), d.flowEnd(at.value)
	}
	if end < 0 || at.value.Anchor != "" {
		return splice{}, d.odd(at)
	}
	return splice{start, end, written}, nil
}

// removeInline takes an entry or item out of {} or [], with one comma.
func (d *document) removeInline(at place) (splice, error) {
	all, i := at.parent.value, at.index()
	first, step := i, 1
	if at.key != nil {
		first, step = i-1, 2
	}
	start, end := d.offset(all.Content[first]), d.entryEnd(all, i)
	switch {
	case end < 0:
		return splice{}, d.odd(at)
	case first > 0:
		start = d.entryEnd(all, first-1)
	case i+step < len(all.Content):
		end = d.offset(all.Content[i+1])
	}
	if start < 0 || start > end || strings.Contains(string(d.content[start:end]), "#") {
		return splice{}, d.odd(at)
	}
	return splice{start, end, ""}, nil
}
