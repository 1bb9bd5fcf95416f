package edit

import (
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

const (
	maxPath  = 4096
	maxDepth = 64
)

// segment is one step down: a key, an index, the item whose field has a value,
// or the token of a JSON Pointer, which is a key or an index.
type segment struct {
	key          string
	index        int // atEnd behind the last item
	field, value string
	kind         byte // 'k', 'i', 'm' or 'p'
}

const atEnd = -1

type path struct {
	text     string
	segments []segment
}

func (p path) String() string { return p.text }

func parsePath(text string) (path, error) {
	bad := func(why string) (path, error) {
		return path{}, refuse(v1alpha1.ReasonEditInvalid, "path %q: %s", text, why)
	}
	if text == "" || len(text) > maxPath {
		return bad("it must have 1 to 4096 characters")
	}
	if text[0] == '/' {
		return parsePointer(text)
	}
	p := path{text: text}
	rest := text
	for first := true; rest != ""; first = false {
		var s segment
		var err string
		switch {
		case rest[0] == '[':
			s, rest, err = parseItem(rest[1:])
		case first:
			s, rest, err = parseKey(rest)
		case rest[0] == '.':
			s, rest, err = parseKey(rest[1:])
		default:
			err = "a key follows without a dot"
		}
		if err != "" {
			return bad(err)
		}
		if p.segments = append(p.segments, s); len(p.segments) > maxDepth {
			return bad("it is too deep")
		}
	}
	return p, nil
}

// parsePointer reads a JSON Pointer (RFC 6901).
func parsePointer(text string) (path, error) {
	p := path{text: text}
	for _, token := range strings.Split(text[1:], "/") {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(token), "~") {
			return path{}, refuse(v1alpha1.ReasonEditInvalid, "path %q: ~ must be written ~0, and / in a key ~1", text)
		}
		key := strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		if p.segments = append(p.segments, segment{kind: 'p', key: key}); len(p.segments) > maxDepth {
			return path{}, refuse(v1alpha1.ReasonEditInvalid, "path %q: it is too deep", text)
		}
	}
	return p, nil
}

// below is the path of a key or an item in what p leads to.
func (p path) below(s segment) path {
	text := Key(p.text, s.key)
	switch {
	case p.text != "" && p.text[0] == '/' && s.kind == 'k':
		text = p.text + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(s.key)
	case p.text != "" && p.text[0] == '/':
		text = p.text + "/" + strconv.Itoa(s.index)
	case s.kind == 'i':
		text = p.text + "[" + strconv.Itoa(s.index) + "]"
	}
	return path{text: text, segments: append(slices.Clone(p.segments), s)}
}

// resolve says what a segment is in this collection: a pointer's token counts
// as an index only where there is a list.
func (s segment) resolve(n *yaml.Node) segment {
	if s.kind != 'p' {
		return s
	}
	if n.Kind != yaml.SequenceNode {
		return segment{kind: 'k', key: s.key}
	}
	if index, ok := listIndex(s.key); ok {
		return segment{kind: 'i', index: index}
	}
	return segment{kind: 'k', key: s.key} // which a list refuses
}

// listIndex reads 0, 1, … and - for the place behind the last item.
func listIndex(text string) (int, bool) {
	if text == "-" {
		return atEnd, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && strconv.Itoa(n) == text
}

func parseKey(text string) (segment, string, string) {
	key, rest, ok := until(text, ".[")
	if !ok {
		return segment{}, "", "it ends in a backslash"
	}
	if key == "" {
		return segment{}, "", "a key is empty"
	}
	return segment{kind: 'k', key: key}, rest, ""
}

func parseItem(text string) (segment, string, string) {
	left, rest, ok := until(text, "=]")
	if !ok || rest == "" || left == "" {
		return segment{}, "", "a list item must be [0] or [name=value]"
	}
	if rest[0] == ']' {
		n, ok := listIndex(left)
		if !ok {
			return segment{}, "", "a list index must be a number from 0, or - for the end"
		}
		return segment{kind: 'i', index: n}, rest[1:], ""
	}
	value, rest, ok := until(rest[1:], "]")
	if !ok || rest == "" {
		return segment{}, "", "a list item must be [0] or [name=value]"
	}
	return segment{kind: 'm', field: left, value: value}, rest[1:], ""
}

// until reads to one of the stop characters, taking backslashes out.
func until(text, stop string) (string, string, bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 == len(text):
			return "", "", false
		case text[i] == '\\':
			i++
		case strings.IndexByte(stop, text[i]) >= 0:
			return out.String(), text[i:], true
		}
		out.WriteByte(text[i])
	}
	return out.String(), "", true
}

// escape makes a key safe to stand in a path.
func escape(key, special string) string {
	var out strings.Builder
	for i := 0; i < len(key); i++ {
		if strings.IndexByte(special, key[i]) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(key[i])
	}
	return out.String()
}

// Key is the path of a key in what the prefix leads to, the root if it is empty.
func Key(prefix, key string) string {
	key = escape(key, `\.[`)
	switch {
	case prefix == "" && strings.HasPrefix(key, "/"):
		return `\` + key
	case prefix == "":
		return key
	}
	return prefix + "." + key
}

// Item is the path of the item of a list whose field has the value.
func Item(prefix, field, value string) string {
	return prefix + "[" + escape(field, `\=]`) + "=" + escape(value, `\]`) + "]"
}
