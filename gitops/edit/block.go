package edit

import (
	"bytes"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/gitops/edit/notation"
)

// planKeys writes missing keys: behind the siblings in a map, or into a value
// that is absent, null or {}.
func (d *document) planKeys(at place, v any) (splice, error) {
	for _, key := range slices.Backward(at.missing[1:]) {
		v = map[string]any{key: v}
	}
	first := at.missing[0]
	switch {
	case at.flow || d.isJSON() || (isFlow(at.value) && len(at.value.Content) > 0):
		return d.insertInline(at, len(at.value.Content), first, v)
	case isEmpty(at.value) && at.parent == nil:
		return d.fillRoot(at, map[string]any{first: v})
	case isEmpty(at.value):
		return d.rewrite(at, map[string]any{first: v})
	}
	n := at.value.Content
	indent := d.indentOf(n[0])
	block, err := notation.LayoutOf(d.root()).Entry(first, v, indent)
	if err != nil {
		return splice{}, err
	}
	return d.insertLines(d.endOf(n[len(n)-2].Line, indent, n[len(n)-1]), block), nil
}

// fillRoot writes lines over a document that is {} as a whole.
func (d *document) fillRoot(at place, v map[string]any) (splice, error) {
	start, end := d.offset(at.value), d.flowEnd(at.value)
	if end < 0 {
		return splice{}, d.odd(at)
	}
	block, err := notation.LayoutOf(d.root()).Entries(nil, v, 0)
	return splice{start, end, strings.Join(block, d.eol(at.value.Line))}, err
}

func (d *document) odd(at place) error {
	return unsupported("file %s line %d: %s is written in an unusual way, which is not changed byte by byte", d.file, at.line(), at.path)
}

// planItem writes an item into the list at, behind the one before it, so that
// the comments above the next one stay with it.
func (d *document) planItem(at place, index int, v any) (splice, error) {
	n := at.value
	switch {
	case at.flow || d.isJSON() || (isFlow(n) && len(n.Content) > 0):
		return d.insertInline(at, index, "", v)
	case len(n.Content) == 0:
		return d.rewrite(at, []any{v})
	}
	indent := d.indentOf(n)
	block, err := notation.LayoutOf(d.root()).Items(nil, []any{v}, indent)
	if err != nil {
		return splice{}, err
	}
	if index > 0 {
		return d.insertLines(d.endOf(d.dashLine(n, index-1), indent, n.Content[index-1]), block), nil
	}
	switch {
	case at.key != nil && at.key.Line < n.Line:
		return d.insertLines(at.key.Line, block), nil
	case at.parent == nil && d.aloneBefore(d.offset(n)):
		start := d.starts[n.Line-1]
		return splice{start, start, strings.Join(block, d.eol(n.Line)) + d.eol(n.Line)}, nil
	}
	return splice{}, d.odd(at)
}

// planRemove takes away the lines of an entry or item. Comments above it stay:
// they may speak of more than it.
func (d *document) planRemove(at place) (splice, error) {
	switch {
	case at.parent == nil:
		return splice{}, d.odd(at)
	case at.flow:
		return d.removeInline(at)
	}
	start, line := 0, 0
	if at.key != nil {
		start, line = d.offset(at.key), at.key.Line
		if d.afterColon(at.key) < 0 {
			return splice{}, d.odd(at)
		}
	} else {
		line = d.dashLine(at.parent.value, at.index())
		start = d.starts[line-1] + d.indentOf(at.parent.value)
	}
	last := d.endOf(line, start-d.starts[line-1], at.value)
	switch left := len(at.parent.value.Content); {
	case left == 1, at.key != nil && left == 2:
		return d.removeOnly(*at.parent, start, last)
	case !d.aloneBefore(start):
		return d.removeFirst(start, last), nil
	case last < len(d.starts):
		return splice{d.starts[line-1], d.starts[last], ""}, nil
	}
	return splice{d.lineEnd(line - 1), d.lineEnd(last), ""}, nil
}

// removeFirst takes away what stands behind a dash. The next key moves up to
// it, unless a comment or an empty line stands between.
func (d *document) removeFirst(start, last int) splice {
	next := d.nextText(last)
	if next < len(d.content) && d.content[next] != '#' && d.lineAt(next) == last+1 {
		return splice{start, next, ""}
	}
	for start > 0 && d.content[start-1] == ' ' {
		start--
	}
	return splice{start, d.lineEnd(last), ""}
}

// removeOnly leaves {} or [] where the only thing in a collection goes.
func (d *document) removeOnly(parent place, start, last int) (splice, error) {
	empty := " {}"
	if parent.value.Kind == yaml.SequenceNode {
		empty = " []"
	}
	if parent.key == nil || parent.value.Anchor != "" || parent.value.Style&yaml.TaggedStyle != 0 {
		return splice{start, d.lineEnd(last), empty[1:]}, nil
	}
	colon := d.afterColon(parent.key)
	if colon < 0 {
		return splice{}, d.odd(parent)
	}
	// What stands between the key and the thing, such as comments, stays.
	between := strings.TrimRight(string(d.content[colon:start]), " ")
	end := d.lineEnd(last)
	if last < len(d.starts) && strings.HasSuffix(between, "\n") {
		end = d.starts[last]
	} else if strings.HasSuffix(between, "\n") {
		between = strings.TrimRight(between, "\r\n")
	}
	return splice{colon, end, empty + between}, nil
}

// rewrite writes another kind of value, or text over several lines, behind a
// key or the dash of an item. A comment on that line stays.
func (d *document) rewrite(at place, v any) (splice, error) {
	head, line := -1, 0
	if at.key != nil {
		head, line = d.afterColon(at.key), at.key.Line
	} else if at.parent != nil {
		line = d.dashLine(at.parent.value, at.index())
		head = d.starts[line-1] + d.indentOf(at.parent.value) + 1
	}
	if head < 0 || at.value.Anchor != "" || at.value.Style&yaml.TaggedStyle != 0 {
		return splice{}, d.odd(at)
	}
	indent := head - 1 - d.starts[line-1]
	if at.key != nil {
		indent = d.indentOf(at.key)
	}
	tail, ok := d.tail(at, head)
	if !ok {
		return splice{}, d.odd(at)
	}
	w := notation.Writing{Layout: notation.LayoutOf(d.root()), Indent: indent, Item: at.key == nil, Old: at.value, EOL: d.eol(line), Tail: tail}
	if next := at.value.Line; at.value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && next < len(d.starts) {
		text := d.content[d.starts[next]:d.lineEnd(next+1)]
		w.Deep = len(text) - len(bytes.TrimLeft(text, " "))
	}
	written, err := w.Value(v)
	return splice{head, d.lineEnd(d.endOf(line, indent, at.value)), written}, err
}

// tail is the comment behind a value, with the space before it.
func (d *document) tail(at place, head int) (string, bool) {
	end, ok := d.valueEnd(at, head)
	if !ok {
		return "", true
	}
	if end < 0 {
		return "", false
	}
	rest := strings.TrimRight(string(d.content[end:d.lineEnd(d.lineAt(end))]), " \t")
	comment := strings.TrimLeft(rest, " \t")
	return rest, comment == "" || comment[0] == '#'
}

// valueEnd is where a comment on the line of a value may begin; there is none
// for plain text over several lines, nor where that line has another value.
func (d *document) valueEnd(at place, head int) (end int, ok bool) {
	n := at.value
	isScalar := n.Kind == yaml.ScalarNode
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		end = d.offset(n)
		for end+1 < len(d.content) && strings.IndexByte("|>+-0123456789", d.content[end]) >= 0 {
			end++
		}
		return end, true
	case isScalar && n.Value == "" && n.Style == 0:
		return head, true
	case isScalar:
		end = notation.ScalarEnd(d.content, d.offset(n), n)
		return end, end >= 0
	case isFlow(n):
		return d.flowEnd(n), true
	}
	return head, at.key != nil || d.offset(n) >= d.lineEnd(d.lineAt(head))
}
