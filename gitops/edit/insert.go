package edit

import (
	"bytes"
	"sort"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// planInsert writes missing keys: behind the siblings in a map, or into a
// value that is absent, null or {}.
func (d *document) planInsert(at place, v any) (splice, error) {
	l := d.layout()
	switch {
	case at.flow || d.isJSON():
		return splice{}, unsupported("file %s line %d: %s: keys are not added to a map in {}: write it in lines first", d.file, at.line(), at.path)
	case isEmpty(at.value):
		return d.intoEmpty(at, v, l)
	case at.value.Style&yaml.FlowStyle != 0:
		return splice{}, unsupported("file %s line %d: %s: keys are not added to a map in {}: write it in lines first", d.file, at.line(), at.path)
	}
	first := at.value.Content[0]
	indent := d.offset(first) - d.starts[first.Line-1]
	block, err := l.block(at.missing, v, indent)
	if err != nil {
		return splice{}, err
	}
	last := at.value.Content[len(at.value.Content)-2]
	isList := at.value.Content[len(at.value.Content)-1].Kind == yaml.SequenceNode
	return d.insertLines(d.endOf(last.Line, indent, isList), block), nil
}

// intoEmpty replaces nothing, null or {} behind a key by lines below it.
func (d *document) intoEmpty(at place, v any, l layout) (splice, error) {
	if at.key == nil || at.value.Anchor != "" || at.value.Style&yaml.TaggedStyle != 0 {
		return splice{}, unsupported("file %s line %d: %s is empty and has no key of its own", d.file, at.line(), at.path)
	}
	indent := d.offset(at.key) - d.starts[at.key.Line-1]
	block, err := l.block(at.missing, v, indent+l.step)
	if err != nil {
		return splice{}, err
	}
	colon, err := d.afterColon(at)
	if err != nil {
		return splice{}, err
	}
	end := d.lineEnd(at.key.Line)
	rest := string(d.content[colon.start:end])
	kept := strings.TrimLeft(rest, " \t")
	for _, empty := range []string{"{}", "null", "~"} {
		kept = strings.TrimPrefix(kept, empty)
	}
	if trimmed := strings.TrimLeft(kept, " \t"); trimmed != "" && trimmed[0] != '#' {
		return splice{}, unsupported("file %s line %d: the empty value of %s is written in an unusual way", d.file, at.line(), at.path)
	}
	if len(kept) == len(strings.TrimLeft(rest, " \t")) {
		kept = rest // nothing stood there: keep the column of a comment
	}
	s := d.insertLines(at.key.Line, block)
	between := string(d.content[end:s.start])
	return splice{colon.start, s.start, strings.TrimRight(kept, " \t") + between + s.text}, nil
}

// lineEnd is the offset behind a line's last character, before its line end.
func (d *document) lineEnd(line int) int {
	end := len(d.content)
	if line < len(d.starts) {
		end = d.starts[line] - 1
	}
	if end > 0 && end <= len(d.content) && d.content[end-1] == '\r' && line < len(d.starts) {
		end--
	}
	return end
}

// insertLines puts whole lines behind a line, with the file's line ends. A
// file without a final one stays so.
func (d *document) insertLines(after int, block []string) splice {
	eol, before := "\n", d.content
	if after < len(d.starts) {
		before = d.content[d.starts[after-1]:d.starts[after]]
	}
	if bytes.Contains(before, []byte("\r\n")) {
		eol = "\r\n"
	}
	text := strings.Join(block, eol)
	if after < len(d.starts) {
		at := d.starts[after]
		return splice{at, at, text + eol}
	}
	return splice{len(d.content), len(d.content), eol + text}
}

// endOf returns the last line of a map's entry that starts at a line: deeper
// lines belong to it, and items at its own column if its value is a list.
func (d *document) endOf(line, indent int, isList bool) int {
	end := line
	for i := line + 1; i <= len(d.starts); i++ {
		text := string(d.content[d.starts[i-1]:d.lineEnd(i)])
		trimmed := strings.TrimLeft(text, " ")
		depth := len(text) - len(trimmed)
		switch {
		case trimmed == "" || (trimmed[0] == '#' && depth <= indent):
			continue // may stand between two things: decided by what follows
		case depth > indent, isList && depth == indent && (trimmed == "-" || strings.HasPrefix(trimmed, "- ")):
			end = i
		default:
			return end
		}
	}
	return end
}

// layout is how a document indents.
type layout struct {
	step int
	// wide lists are indented below their key.
	wide bool
}

// layout takes the first nested map and the first list as the pattern.
func (d *document) layout() layout {
	l := layout{step: 2}
	if n, deeper := firstBlock(d.root(), yaml.MappingNode); n != nil && deeper > 0 {
		l.step = deeper
	}
	_, deeper := firstBlock(d.root(), yaml.SequenceNode)
	l.wide = deeper > 0
	return l
}

// firstBlock finds the first map or list that stands in lines below its key,
// and how much deeper than the key.
func firstBlock(n *yaml.Node, kind yaml.Kind) (*yaml.Node, int) {
	for i, c := range n.Content {
		isValue := n.Kind == yaml.MappingNode && i%2 == 1
		if isValue && c.Kind == kind && c.Style&yaml.FlowStyle == 0 && c.Line > n.Content[i-1].Line {
			return c, c.Column - n.Content[i-1].Column
		}
		if found, deeper := firstBlock(c, kind); found != nil {
			return found, deeper
		}
	}
	return nil, 0
}

// block writes "a:", "  b: value" for the missing keys a and b.
func (l layout) block(missing []string, v any, indent int) ([]string, error) {
	for i := len(missing) - 1; i > 0; i-- {
		v = map[string]any{missing[i]: v}
	}
	return l.entry(missing[0], v, indent)
}

func (l layout) entry(key string, v any, indent int) ([]string, error) {
	name, err := quoted(key, style{flow: true})
	if err != nil {
		return nil, err
	}
	head := strings.Repeat(" ", indent) + name + ":"
	switch x := v.(type) {
	case map[string]any:
		if len(x) == 0 {
			return []string{head + " {}"}, nil
		}
		return l.entries([]string{head}, x, indent+l.step)
	case []any:
		if len(x) == 0 {
			return []string{head + " []"}, nil
		}
		if l.wide {
			indent += l.step
		}
		return l.items([]string{head}, x, indent)
	}
	written, err := scalar(v, style{})
	return []string{head + " " + written}, err
}

func (l layout) entries(out []string, m map[string]any, indent int) ([]string, error) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		lines, err := l.entry(k, m[k], indent)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	return out, nil
}

func (l layout) items(out []string, list []any, indent int) ([]string, error) {
	dash := strings.Repeat(" ", indent) + "- "
	for _, v := range list {
		switch x := v.(type) {
		case map[string]any:
			lines, err := l.entries(nil, x, indent+2)
			if err != nil {
				return nil, err
			}
			if len(lines) == 0 {
				lines = []string{dash + "{}"}
			}
			lines[0] = dash + lines[0][len(dash):]
			out = append(out, lines...)
		case []any:
			return nil, unsupported("lists of lists are not written")
		default:
			written, err := scalar(v, style{})
			if err != nil {
				return nil, err
			}
			out = append(out, dash+written)
		}
	}
	return out, nil
}
