package edit

import (
	"strconv"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

const (
	maxPath  = 4096
	maxDepth = 64
)

// segment is one step down: a key, an index, or the item whose field has a value.
type segment struct {
	key          string
	index        int
	field, value string
	kind         byte // 'k', 'i' or 'm'
}

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
		n, err := strconv.Atoi(left)
		if err != nil || n < 0 || strconv.Itoa(n) != left {
			return segment{}, "", "a list index must be a number from 0"
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
