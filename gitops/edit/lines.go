package edit

import (
	"bytes"
	"sort"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// indentOf is how many bytes stand before a node on its line.
func (d *document) indentOf(n *yaml.Node) int { return d.offset(n) - d.starts[n.Line-1] }

// lineAt is the line of an offset, from 1.
func (d *document) lineAt(at int) int {
	return sort.Search(len(d.starts), func(i int) bool { return d.starts[i] > at })
}

// aloneBefore says that nothing but space stands before an offset on its line.
func (d *document) aloneBefore(at int) bool {
	start := d.starts[d.lineAt(at)-1]
	return len(bytes.TrimLeft(d.content[start:at], " ")) == 0
}

// nextText is the offset of the first thing below a line.
func (d *document) nextText(line int) int {
	if line >= len(d.starts) {
		return len(d.content)
	}
	rest := d.content[d.starts[line]:]
	return d.starts[line] + len(rest) - len(bytes.TrimLeft(rest, " \r\n"))
}

// dashLine is the line where the dash of an item of a block list stands.
func (d *document) dashLine(list *yaml.Node, index int) int {
	if index == 0 {
		return list.Line
	}
	column := d.indentOf(list)
	for line := list.Content[index].Line; line > list.Line; line-- {
		at := d.starts[line-1] + column
		if at < len(d.content) && d.content[at] == '-' && d.aloneBefore(at) {
			return line
		}
	}
	return list.Content[index].Line
}

// lineEnd is the offset behind a line's last character, before its line end.
func (d *document) lineEnd(line int) int {
	if line >= len(d.starts) {
		return len(d.content)
	}
	end := d.starts[line] - 1
	if end > 0 && d.content[end-1] == '\r' {
		end--
	}
	return end
}

// eol is how a line ends, the last one as the one before it.
func (d *document) eol(line int) string {
	line = min(line, len(d.starts)-1)
	if line > 0 && d.lineEnd(line) < d.starts[line]-1 {
		return "\r\n"
	}
	return "\n"
}

// insertLines puts whole lines behind a line, with the file's line ends. A
// file without a final one stays so.
func (d *document) insertLines(after int, block []string) splice {
	eol := d.eol(after)
	text := strings.Join(block, eol)
	if after < len(d.starts) {
		at := d.starts[after]
		return splice{at, at, text + eol}
	}
	return splice{len(d.content), len(d.content), eol + text}
}

// endOf returns the last line of an entry or item that starts at a line:
// deeper lines belong to it, and items at its own column if its value is a list.
func (d *document) endOf(line, indent int, value *yaml.Node) int {
	if isFlow(value) && value.Kind != yaml.ScalarNode {
		if at := d.flowEnd(value); at > 0 {
			return d.lineAt(at - 1)
		}
	}
	end := line
	for i := line + 1; i <= len(d.starts); i++ {
		depth, isComment := d.depth(i, value)
		if depth < 0 || (isComment && depth <= indent) {
			continue // may stand between two things: decided by what follows
		}
		if depth <= indent {
			return end
		}
		end = i
	}
	return end
}

// depth is how far a line is indented, -1 if it is empty or a comment that
// cannot be inside the value. Items count as deeper: they may stand at the
// column of their key.
func (d *document) depth(line int, value *yaml.Node) (depth int, isComment bool) {
	text := string(d.content[d.starts[line-1]:d.lineEnd(line)])
	trimmed := strings.TrimLeft(text, " ")
	depth = len(text) - len(trimmed)
	isComment = strings.HasPrefix(trimmed, "#")
	isList := value.Kind == yaml.SequenceNode
	isText := value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	switch {
	case trimmed == "", isComment && value.Kind != yaml.MappingNode && !isList && !isText:
		return -1, isComment
	case isList && (trimmed == "-" || strings.HasPrefix(trimmed, "- ")):
		return depth + 1, false
	}
	return depth, isComment
}
