package contract

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Finding is one broken rule.
type Finding struct {
	// Field is a path such as "spec.inputs[2].type" or "inputs.replicas".
	Field string
	// Found is what stands there; "(hidden)" where the value is sensitive.
	Found string
	// Want is what may stand there.
	Want string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: found %s, wanted %s", f.Field, f.Found, f.Want)
}

// Invalid is the error of a document that breaks rules; it lists them all.
type Invalid struct {
	Findings []Finding
}

func (e *Invalid) Error() string {
	return "invalid action contract: " + Join(e.Findings)
}

// Join writes findings into one line.
func Join(findings []Finding) string {
	lines := make([]string, 0, len(findings))
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "; ")
}

// findings collects broken rules in the order in which they are met.
type findings struct {
	list []Finding
}

func (f *findings) add(field, found, want string) {
	f.list = append(f.list, Finding{Field: field, Found: found, Want: want})
}

// want adds a finding unless ok.
func (f *findings) want(ok bool, field string, found any, want string) {
	if !ok {
		f.add(field, show(found), want)
	}
}

const maxShown = 80

// show writes a value as short JSON.
func show(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("a value of type %T", v)
	}
	runes := []rune(string(raw))
	if len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return string(runes)
}
