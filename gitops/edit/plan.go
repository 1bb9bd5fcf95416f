package edit

import (
	"bytes"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// plan says which bytes to replace so that the place holds the value.
func (d *document) plan(at place, v any) (splice, error) {
	if len(at.missing) > 0 {
		return d.planInsert(at, v)
	}
	if isCollection(v) {
		return splice{}, unsupported("file %s line %d: %s holds a value already and is not replaced by a map or list: name the values in it", d.file, at.line(), at.path)
	}
	if at.value.Kind != yaml.ScalarNode {
		return splice{}, unsupported("file %s line %d: %s holds a map or list, not a single value", d.file, at.line(), at.path)
	}
	t, err := d.token(at)
	if err != nil {
		return splice{}, err
	}
	s := style{flow: at.flow, json: d.isJSON()}
	if at.value.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		s.quote = d.content[t.start]
	}
	written, err := scalar(v, s)
	if err != nil {
		return splice{}, err
	}
	if t.start == t.end {
		written = " " + written
	}
	return splice{t.start, t.end, written}, nil
}

func isCollection(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func (d *document) isJSON() bool { return strings.HasSuffix(strings.ToLower(d.file), ".json") }

// token finds the bytes of a scalar, without its anchor. An absent value has
// an empty range behind its key's colon.
func (d *document) token(at place) (splice, error) {
	n := at.value
	odd := func(what string) (splice, error) {
		return splice{}, unsupported("file %s line %d: %s holds %s, which is not changed byte by byte", d.file, n.Line, at.path, what)
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return odd("block text")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		return odd("a value with an explicit tag")
	}
	if n.Value == "" && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
		return d.afterColon(at)
	}
	start := d.skipAnchor(d.offset(n), n)
	end := scanScalar(d.content, start, n)
	if end < 0 {
		return odd("text over several lines")
	}
	return splice{start: start, end: end}, nil
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

// afterColon is where the value of "key:" belongs.
func (d *document) afterColon(at place) (splice, error) {
	if at.key == nil || at.value.Anchor != "" {
		return splice{}, unsupported("file %s line %d: %s is empty and has no key of its own", d.file, at.line(), at.path)
	}
	end := scanScalar(d.content, d.offset(at.key), at.key)
	for end >= 0 && end < len(d.content) && d.content[end] == ' ' {
		end++
	}
	if end < 0 || end >= len(d.content) || d.content[end] != ':' {
		return splice{}, unsupported("file %s line %d: the key of %s is written in an unusual way", d.file, at.line(), at.path)
	}
	return splice{start: end + 1, end: end + 1}, nil
}

// scanScalar returns the end of the scalar at start, -1 if it is not on one line.
func scanScalar(content []byte, start int, n *yaml.Node) int {
	if start >= len(content) {
		return -1
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return scanQuoted(content, start, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return scanQuoted(content, start, '\'')
	case bytes.HasPrefix(content[start:], []byte(n.Value)):
		return start + len(n.Value)
	}
	return -1
}

func scanQuoted(content []byte, start int, quote byte) int {
	if content[start] != quote {
		return -1
	}
	for i := start + 1; i < len(content) && content[i] != '\n'; i++ {
		switch {
		case content[i] == '\\' && quote == '"':
			i++
		case content[i] != quote:
		case quote == '\'' && i+1 < len(content) && content[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return -1
}
