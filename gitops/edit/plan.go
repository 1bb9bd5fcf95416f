package edit

import (
	"bytes"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/gitops/edit/notation"
)

// plan says which bytes to replace. For an item that is inserted, at is its list.
func (d *document) plan(at place, a action) (splice, error) {
	v := a.value
	switch {
	case a.verb == insertItem:
		return d.planItem(at, a.path.segments[len(a.path.segments)-1].index, v)
	case a.verb == removeNode:
		return d.planRemove(at)
	case len(at.missing) > 0:
		return d.planKeys(at, v)
	case at.value.Style&yaml.TaggedStyle != 0:
		return splice{}, unsupported("file %s line %d: %s holds a value with an explicit tag, which is not changed byte by byte", d.file, at.line(), at.path)
	}
	if at.value.Kind == yaml.ScalarNode && !notation.IsCollection(v) {
		if t, ok := d.token(at); ok {
			return d.planScalar(at, v, t)
		}
	}
	if at.flow {
		return d.replaceInline(at, v)
	}
	return d.rewrite(at, v)
}

// planScalar writes a single value over another, with its quotes.
func (d *document) planScalar(at place, v any, t splice) (splice, error) {
	s := notation.Style{Flow: at.flow, JSON: d.isJSON()}
	if at.value.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		s.Quote = d.content[t.start]
	}
	written, err := notation.Scalar(v, s)
	if err != nil {
		return splice{}, err
	}
	if t.start == t.end {
		written = " " + written
	}
	return splice{t.start, t.end, written}, nil
}

func (d *document) isJSON() bool { return strings.HasSuffix(strings.ToLower(d.file), ".json") }

// token finds the bytes of a scalar that stands on one line, without its
// anchor. An absent value has an empty range behind its key's colon.
func (d *document) token(at place) (splice, bool) {
	n := at.value
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return splice{}, false
	}
	if n.Value == "" && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
		colon := d.afterColon(at.key)
		return splice{start: colon, end: colon}, colon >= 0 && n.Anchor == ""
	}
	start := d.skipAnchor(d.offset(n), n)
	end := notation.ScalarEnd(d.content, start, n)
	if end < 0 || bytes.IndexByte(d.content[start:end], '\n') >= 0 {
		return splice{}, false
	}
	return splice{start: start, end: end}, true
}

func (d *document) skipAnchor(at int, n *yaml.Node) int {
	if n.Anchor == "" {
		return at
	}
	at += len("&" + n.Anchor)
	for at < len(d.content) && (d.content[at] == ' ' || d.content[at] == '\t') {
		at++
	}
	return at
}

// afterColon is where the value of "key:" belongs, -1 if that cannot be said.
func (d *document) afterColon(key *yaml.Node) int {
	if key == nil || key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0 {
		return -1
	}
	end := notation.ScalarEnd(d.content, d.offset(key), key)
	for end >= 0 && end < len(d.content) && d.content[end] == ' ' {
		end++
	}
	if end < 0 || end >= len(d.content) || d.content[end] != ':' {
		return -1
	}
	return end + 1
}
