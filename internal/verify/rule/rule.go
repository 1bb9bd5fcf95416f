// Package rule compiles the rules that image policies hold, in CUE and Rego,
// and evaluates them without network, clock or files.
package rule

import (
	"fmt"
	"strings"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

const (
	// maxText of a rule, in bytes: it travels in an object of at most 1.5 MiB with
	// others, and rules in use have a few hundred bytes.
	maxText = 64 << 10
	// maxMessage bounds what a rule can say to people, in bytes: it ends in a
	// condition with other text.
	maxMessage = 1 << 10
)

// Compile reads a rule; language is "cue" or "rego". What it accepts can be
// evaluated; errors name the line.
func Compile(language, text string) (policy.Program, error) {
	if text == "" || len(text) > maxText {
		return nil, fmt.Errorf("the rule has %d bytes, 1 to %d are read", len(text), maxText)
	}
	switch language {
	case "cue":
		return compileCUE(text)
	case "rego":
		return compileRego(text)
	default:
		return nil, fmt.Errorf("language %q is neither cue nor rego", language)
	}
}

// brief makes one bounded line of a message.
func brief(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
