// Package notation says how values are written in YAML and JSON, and reads them back.
package notation

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Style says how a scalar may be written.
type Style struct {
	Quote byte // '"', '\'' or 0 for plain where possible
	Flow  bool // inside [] or {}
	JSON  bool // strings must have double quotes
}

// Scalar writes a value so that it reads back as the same type.
func Scalar(v any, s Style) (string, error) {
	if text, ok := v.(string); ok {
		return Quoted(text, s)
	}
	n, err := number(v)
	if err != nil {
		return "", run.Refuse(v1alpha1.ReasonEditInvalid, "%s", err)
	}
	return n, nil
}

// number writes everything that is neither text nor a collection, as JSON does.
func number(v any) (string, error) {
	switch r := reflect.ValueOf(v); {
	case v == nil, r.Kind() == reflect.Bool, r.CanInt(), r.CanUint(), r.CanFloat(), r.Type() == reflect.TypeFor[json.Number]():
		b, err := json.Marshal(v)
		if err != nil {
			return "", fmt.Errorf("value %v cannot stand in a manifest", v)
		}
		return string(b), nil
	}
	return "", fmt.Errorf("value of type %T cannot be written", v)
}

// Quoted writes text, plain where that means the same.
func Quoted(text string, s Style) (string, error) {
	if !utf8.ValidString(text) {
		return "", run.Refuse(v1alpha1.ReasonEditInvalid, "value is not UTF-8 text")
	}
	switch {
	case s.JSON || s.Quote == '"' || hasControl(text):
		return double(text), nil
	case s.Quote == '\'':
		return "'" + strings.ReplaceAll(text, "'", "''") + "'", nil
	case isPlain(text, s.Flow):
		return text, nil
	}
	return double(text), nil
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func double(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case unicode.IsPrint(r) || r > 0xffff:
			out.WriteRune(r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// isPlain reports whether text means itself without quotes to readers of YAML
// 1.1 and 1.2 alike.
func isPlain(text string, flow bool) bool {
	if text == "" || strings.TrimSpace(text) != text || strings.HasPrefix(text, "---") || strings.HasPrefix(text, "...") {
		return false
	}
	first := text[0]
	switch {
	case strings.IndexByte("!&*[]{}#|>@`\"'%,=~<?:", first) >= 0:
		return false
	case first == '-' && (len(text) == 1 || text[1] == ' '):
		return false
	case strings.Contains(text, ": "), strings.Contains(text, " #"), strings.HasSuffix(text, ":"), strings.Contains(text, "{{"):
		return false
	case flow && strings.ContainsAny(text, ",[]{}:"):
		return false
	}
	return !looksTyped(text)
}

// looksTyped knows the words and numbers of YAML 1.1, which some readers of
// manifests still speak.
func looksTyped(text string) bool {
	words := []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}
	if slices.Contains(words, strings.ToLower(strings.TrimLeft(text, ".+-"))) {
		return true
	}
	return regexp.MustCompile(`^[-+]?(0[bB][01_]+|0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?)$`).MatchString(text) ||
		regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?$`).MatchString(text)
}

// Keys is the order in which a new map is written: as people do, what a thing
// is comes first, the rest sorted.
func Keys(m map[string]any) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

func rank(key string) int {
	first := []string{"op", "apiVersion", "kind", "metadata", "name", "namespace"}
	if i := slices.Index(first, key); i >= 0 {
		return i
	}
	return len(first)
}

// inOrder sorts the keys of all maps below a node as they are written.
func inOrder(n *yaml.Node) {
	for _, c := range n.Content {
		inOrder(c)
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	pairs := slices.Collect(slices.Chunk(n.Content, 2))
	slices.SortFunc(pairs, func(a, b []*yaml.Node) int {
		return cmp.Or(cmp.Compare(rank(a[0].Value), rank(b[0].Value)), cmp.Compare(a[0].Value, b[0].Value))
	})
	n.Content = slices.Concat(pairs...)
}

// Node is the value as a parser should read it back.
func Node(v any) (*yaml.Node, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "value cannot be written: %s", err)
	}
	docs, err := Parse(raw)
	if err != nil || len(docs) != 1 {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "value cannot be written: %v", err)
	}
	inOrder(docs[0].Content[0])
	return docs[0].Content[0], nil
}

// Holds reports whether n already has the value, whatever it is written like.
func Holds(n *yaml.Node, v any) bool {
	want, err := Node(v)
	return err == nil && n.Kind != yaml.AliasNode && sameData(n, want)
}

func sameData(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || len(a.Content) != len(b.Content) {
		return false
	}
	switch a.Kind {
	case yaml.ScalarNode:
		return a.Value == b.Value || (a.ShortTag() != "!!str" && sameScalar(a, b))
	case yaml.MappingNode:
		return sameMap(a, b)
	}
	for i := range a.Content {
		if !sameData(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

func sameMap(a, b *yaml.Node) bool {
	for i := 0; i < len(a.Content); i += 2 {
		if other := Field(b, a.Content[i].Value); other == nil || !sameData(a.Content[i+1], other) {
			return false
		}
	}
	return true
}

// sameScalar compares numbers, booleans and nulls by what they mean.
func sameScalar(a, b *yaml.Node) bool {
	var x, y any
	return a.Decode(&x) == nil && b.Decode(&y) == nil && reflect.DeepEqual(x, y)
}

// Decode reads JSON and keeps numbers as they are written.
func Decode(raw []byte) (any, error) {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err := decoder.Decode(&v)
	return v, err
}

// Show is a node as people read it: a single value as it is, else JSON.
func Show(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	v, err := Data(n)
	if err != nil {
		return "{…}"
	}
	return Text(v)
}

// Text shows a value to people.
func Text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
