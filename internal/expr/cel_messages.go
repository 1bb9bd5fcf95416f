package expr

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/operators"
)

// faultsOf turns what the library found into an *Invalid each; of syntax
// errors the first says it all.
func faultsOf(issues *cel.Issues) []error {
	var out []error
	if issues == nil {
		return nil
	}
	for _, e := range issues.Errors() {
		fault := &Invalid{Message: place(e.Location) + plainer(e.Message)}
		if !slices.ContainsFunc(out, func(o error) bool { return o.Error() == fault.Error() }) {
			out = append(out, fault)
		}
	}
	return out
}

// place says where in the source, for people, who count from 1.
func place(at common.Location) string {
	switch {
	case at.Line() < 1 || at.Column() < 0:
		return ""
	case at.Line() == 1:
		return fmt.Sprintf("column %d: ", at.Column()+1)
	}
	return fmt.Sprintf("line %d, column %d: ", at.Line(), at.Column()+1)
}

var (
	noOverload   = regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`)
	undeclared   = regexp.MustCompile(`^undeclared reference to '(.*)' \(in container ''\)$`)
	noFields     = regexp.MustCompile(`^type '(.*)' does not support field selection$`)
	notLoop      = regexp.MustCompile(`^expression of type '(.*)' cannot be range of a comprehension .*$`)
	wrongType    = regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`)
	typeWord     = regexp.MustCompile(`\b(int|double|bool|dyn)\b|google\.protobuf\.(Duration|Timestamp)`)
	wantedTokens = regexp.MustCompile(`(?s) expecting .*$`)
)

// plainer says a message of the library in the words of the language.
func plainer(message string) string {
	if m := noOverload.FindStringSubmatch(message); m != nil {
		name := m[1]
		if symbol, ok := operators.FindReverse(name); ok && symbol != "" {
			name = symbol
		}
		name = strings.ReplaceAll(name, "_", "")
		return fmt.Sprintf("%q does not take %s", name, typeWords(m[2]))
	}
	if m := undeclared.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("unknown name %q: want one of %s, or a function of the language", clip(m[1]), strings.Join(roots(), ", "))
	}
	if m := noFields.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("type %s has no fields", typeWords(m[1]))
	}
	if m := notLoop.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("type %s has no entries to loop over: want array or object", typeWords(m[1]))
	}
	if m := wrongType.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("found type %s, want %s", typeWords(m[2]), typeWords(m[1]))
	}
	return shorter(message)
}

// shorter is plainer for messages that name no type.
func shorter(message string) string {
	switch {
	case strings.HasPrefix(message, "Syntax error: mismatched input '<EOF>'"):
		return "not an expression: it ends too early"
	case strings.HasPrefix(message, "Syntax error: "):
		return "not an expression: " + wantedTokens.ReplaceAllString(message[len("Syntax error: "):], "")
	case strings.HasPrefix(message, "no such overload"):
		return "the operation does not take values of these types"
	case strings.HasPrefix(message, "expression recursion limit exceeded"):
		return "the condition is nested too deeply"
	case message == "invalid matches argument":
		return "found text that is no regular expression"
	case message == "invalid duration argument":
		return `found text that is no duration: want one such as "90s"`
	case message == "invalid timestamp argument":
		return `found text that is no time: want one such as "2006-01-02T15:04:05Z"`
	case message == "invalid argument to has() macro":
		return "has() takes a name of the form x.NAME"
	}
	return message
}

// typeWords names types of the library as the language does.
func typeWords(text string) string {
	text = strings.NewReplacer("list(dyn)", "array", "map(string, dyn)", "object").Replace(text)
	return typeWord.ReplaceAllStringFunc(text, func(t string) string {
		return map[string]string{"int": "integer", "double": "number", "bool": "boolean", "dyn": "any",
			"google.protobuf.Duration": "duration", "google.protobuf.Timestamp": "timestamp"}[t]
	})
}
