package notation

import (
	"bytes"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// ScalarEnd returns the end of the scalar at start, -1 if it is plain text
// over several lines.
func ScalarEnd(content []byte, start int, n *yaml.Node) int {
	if start >= len(content) {
		return -1
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return scanQuoted(content, start, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return scanQuoted(content, start, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && bytes.HasPrefix(content[start:], []byte(n.Value)):
		return start + len(n.Value)
	}
	return -1
}

func scanQuoted(content []byte, start int, quote byte) int {
	if content[start] != quote {
		return -1
	}
	for i := start + 1; i < len(content); i++ {
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
