package expr

import (
	"fmt"
	"slices"
	"strings"
)

// maxReference bounds what may stand between the parentheses: two names of 63
// bytes and the words around them.
const maxReference = 160

// wanted is told to people who wrote something else.
const wanted = "want $(params.NAME), $(steps.STEP.outputs.NAME), $(execution.name|namespace|uid), $(target.apiVersion|kind|namespace|name) or, with forEach, $(item), $(item.KEY) or $(index); write $$( for a literal $("

// part is literal text or one reference.
type part struct {
	text string
	ref  *Ref
}

// parse cuts a string at its references.
func parse(s string) ([]part, error) {
	var parts []part
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			parts = append(parts, part{text: text.String()})
			text.Reset()
		}
	}
	for s != "" {
		at := strings.IndexByte(s, '$')
		if at < 0 {
			text.WriteString(s)
			break
		}
		text.WriteString(s[:at])
		s = s[at:]
		switch {
		case strings.HasPrefix(s, "$$("):
			text.WriteString("$(")
			s = s[3:]
		case strings.HasPrefix(s, "$("):
			ref, rest, err := reference(s)
			if err != nil {
				return nil, err
			}
			flush()
			parts = append(parts, part{ref: ref})
			s = rest
		default:
			text.WriteByte('$')
			s = s[1:]
		}
	}
	flush()
	return parts, nil
}

// reference reads the one that s starts with.
func reference(s string) (ref *Ref, rest string, err error) {
	end := strings.IndexByte(s, ')')
	if end < 0 || end > maxReference {
		return nil, "", fmt.Errorf("found %q without its closing parenthesis: %s", clip(s), wanted)
	}
	if ref = named(strings.Split(s[2:end], ".")); ref == nil {
		return nil, "", fmt.Errorf("found %q: %s", clip(s[:end+1]), wanted)
	}
	return ref, s[end+1:], nil
}

// named makes a reference of its words; nil if they are none.
func named(words []string) *Ref {
	switch kind := Kind(words[0]); {
	case kind == Output && len(words) == 4 && words[2] == "outputs" && plain(words[1]) && plain(words[3]):
		return &Ref{Kind: kind, Step: words[1], Name: words[3]}
	case (kind == Item || kind == Index) && len(words) == 1:
		return &Ref{Kind: kind}
	case len(words) == 2 && names(kind, words[1]):
		return &Ref{Kind: kind, Name: words[1]}
	}
	return nil
}

// names says whether a kind of reference has such a name.
func names(kind Kind, name string) bool {
	switch kind {
	case Param, Item:
		return plain(name)
	case Execution:
		return slices.Contains(executionFields(), name)
	case Target:
		return slices.Contains(targetFields(), name)
	}
	return false
}

func executionFields() []string { return []string{"name", "namespace", "uid"} }

func targetFields() []string { return []string{"apiVersion", "kind", "namespace", "name"} }

// plain says whether a word is made of ASCII letters, digits, - and _ alone,
// as the names of parameters, steps, inputs and outputs are.
func plain(word string) bool {
	for _, c := range []byte(word) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return word != "" && len(word) <= 63
}

// clip keeps a message short.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
