package notation

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// Layout is how a document indents.
type Layout struct {
	// Step is how many spaces deeper a map stands than its key.
	Step int
	// Wide lists are indented below their key.
	Wide bool
}

// LayoutOf takes the first nested map and the first list as the pattern.
func LayoutOf(root *yaml.Node) Layout {
	l := Layout{Step: 2}
	if n, deeper := firstBlock(root, yaml.MappingNode); n != nil && deeper > 0 {
		l.Step = deeper
	}
	_, deeper := firstBlock(root, yaml.SequenceNode)
	l.Wide = deeper > 0
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

// Writing is a value that is written behind a key or a dash.
type Writing struct {
	Layout
	// Indent is the column of the key or dash.
	Indent int
	// Item says that it is a dash.
	Item bool
	// Old is what stood there, Deep how far its text was indented.
	Old  *yaml.Node
	Deep int
	// EOL is the line end, Tail the comment that stays behind the key or dash.
	EOL, Tail string
}

// Value writes what follows the colon or the dash.
func (w Writing) Value(v any) (string, error) {
	lines, err := w.lines(v)
	if err != nil {
		return "", err
	}
	if lines == nil {
		written, err := w.single(v)
		return " " + written + w.Tail, err
	}
	if _, isMap := v.(map[string]any); isMap && w.Item && w.Tail == "" {
		lines[0] = strings.TrimLeft(lines[0], " ")
		return " " + strings.Join(lines, w.EOL), nil
	}
	head := w.Tail
	if text, ok := v.(string); ok {
		header, _, _ := blockText(text, w.Old)
		head = " " + header + w.Tail
	}
	return head + w.EOL + strings.Join(lines, w.EOL), nil
}

// lines is nil for what stands behind the head.
func (w Writing) lines(v any) ([]string, error) {
	switch x := v.(type) {
	case map[string]any:
		if len(x) == 0 {
			return nil, nil
		}
		deeper := w.Step
		if w.Item {
			deeper = 2
		}
		return w.Entries(nil, x, w.Indent+deeper)
	case []any:
		if len(x) == 0 || w.Item {
			return nil, nil
		}
		indent := w.Indent
		if w.Wide {
			indent += w.Step
		}
		return w.Items(nil, x, indent)
	case string:
		if _, text, ok := blockText(x, w.Old); ok {
			deep := max(w.Deep, w.Indent+1)
			if w.Deep == 0 {
				deep = w.Indent + w.Step
			}
			return indented(text, deep), nil
		}
	}
	return nil, nil
}

func (w Writing) single(v any) (string, error) {
	if IsCollection(v) {
		return Inline(v, false)
	}
	s := Style{}
	if w.Old.Style&yaml.DoubleQuotedStyle != 0 {
		s.Quote = '"'
	}
	return Scalar(v, s)
}

// blockText says how text stands as a block: its header and its lines. Only
// new text of several lines does, and what replaces a block.
func blockText(text string, old *yaml.Node) (string, []string, bool) {
	was := yaml.LiteralStyle
	if old != nil {
		was = old.Style & (yaml.LiteralStyle | yaml.FoldedStyle)
	}
	body := strings.TrimRight(text, "\n")
	if was == 0 || !canBeBlock(text) || (old == nil && !strings.Contains(text, "\n")) {
		return "", nil, false
	}
	header := "|"
	if was == yaml.FoldedStyle && !strings.Contains(body, "\n") {
		header = ">"
	}
	lines := strings.Split(body, "\n")
	switch ends := len(text) - len(body); {
	case ends == 0:
		header += "-"
	case ends > 1:
		header += "+"
		lines = append(lines, make([]string, ends-1)...)
	}
	return header, lines, true
}

// canBeBlock excludes what begins with space or needs escapes.
func canBeBlock(text string) bool {
	isOdd := func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
	body := strings.TrimRight(text, "\n")
	return body != "" && strings.IndexByte(" \t\n", body[0]) < 0 && utf8.ValidString(text) && !strings.ContainsFunc(text, isOdd)
}

func indented(lines []string, indent int) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		if l != "" {
			out[i] = strings.Repeat(" ", indent) + l
		}
	}
	return out
}

// Entry writes "key: value" in as many lines as it takes.
func (l Layout) Entry(key string, v any, indent int) ([]string, error) {
	name, err := Quoted(key, Style{Flow: true})
	if err != nil {
		return nil, err
	}
	head := strings.Repeat(" ", indent) + name + ":"
	switch x := v.(type) {
	case map[string]any:
		if len(x) == 0 {
			return []string{head + " {}"}, nil
		}
		return l.Entries([]string{head}, x, indent+l.Step)
	case []any:
		if len(x) == 0 {
			return []string{head + " []"}, nil
		}
		if l.Wide {
			indent += l.Step
		}
		return l.Items([]string{head}, x, indent)
	case string:
		if header, text, ok := blockText(x, nil); ok {
			return append([]string{head + " " + header}, indented(text, indent+l.Step)...), nil
		}
	}
	written, err := Scalar(v, Style{})
	return []string{head + " " + written}, err
}

// Entries writes a map below the lines so far, in the order of Keys.
func (l Layout) Entries(out []string, m map[string]any, indent int) ([]string, error) {
	for _, k := range Keys(m) {
		lines, err := l.Entry(k, m[k], indent)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	return out, nil
}

// Items writes a list below the lines so far.
func (l Layout) Items(out []string, list []any, indent int) ([]string, error) {
	dash := strings.Repeat(" ", indent) + "- "
	for _, v := range list {
		m, isMap := v.(map[string]any)
		if isMap && len(m) > 0 {
			lines, err := l.Entries(nil, m, indent+2)
			if err != nil {
				return nil, err
			}
			lines[0] = dash + lines[0][len(dash):]
			out = append(out, lines...)
			continue
		}
		written, err := l.item(v)
		if err != nil {
			return nil, err
		}
		out = append(out, dash+written)
	}
	return out, nil
}

// item writes what stands behind a dash on one line.
func (l Layout) item(v any) (string, error) {
	if IsCollection(v) {
		return Inline(v, false)
	}
	return Scalar(v, Style{})
}

// Inline writes a value as it stands inside {} or [].
func Inline(v any, json bool) (string, error) {
	var parts []string
	switch x := v.(type) {
	case map[string]any:
		for _, key := range Keys(x) {
			value, err := Inline(x[key], json)
			if err == nil {
				value, err = InlineEntry(key, value, json)
			}
			if err != nil {
				return "", err
			}
			parts = append(parts, value)
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	case []any:
		for _, item := range x {
			value, err := Inline(item, json)
			if err != nil {
				return "", err
			}
			parts = append(parts, value)
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	}
	return Scalar(v, Style{Flow: true, JSON: json})
}

// InlineEntry writes "key: value" of a value that is written.
func InlineEntry(key, value string, json bool) (string, error) {
	name, err := Quoted(key, Style{Flow: true, JSON: json})
	return name + ": " + value, err
}
