package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
)

// Types of parameters, as the API spells them.
const (
	typeString   = "string"
	typeInteger  = "integer"
	typeNumber   = "number"
	typeBoolean  = "boolean"
	typeArray    = "array"
	typeObject   = "object"
	typeDuration = "duration"
	typeQuantity = "quantity"
)

// CheckValue holds a JSON value against a parameter: type, enum, pattern and
// bounds. The error says what was found, unless it is sensitive, and what is
// wanted.
func CheckValue(p v1alpha1.Parameter, value []byte) error {
	v, err := raw(value)
	if err != nil {
		return fmt.Errorf("found %s, want JSON", shown(p, string(value)))
	}
	kind := cmp.Or(p.Type, typeString)
	text, ok := accept(kind, v)
	if !ok {
		return fmt.Errorf("found %s, want a value of type %s", shown(p, string(value)), kind)
	}
	if err := checkPattern(p, text); err != nil {
		return err
	}
	if err := checkBounds(p, kind, text); err != nil {
		return err
	}
	return checkEnum(p, v)
}

// shown is a value as messages may show it.
func shown(p v1alpha1.Parameter, text string) string {
	if p.Sensitive {
		return "(hidden)"
	}
	return cut(text, 80)
}

// accept says whether a decoded value is of a type, and its text if it is a scalar.
func accept(kind string, v any) (text string, ok bool) {
	switch x := v.(type) {
	case string:
		switch kind {
		case typeString:
			return x, true
		case typeDuration, typeQuantity:
			_, err := rank(kind, x, x)
			return x, err == nil
		}
	case json.Number:
		_, err := rank(kind, x.String(), x.String())
		return x.String(), err == nil && (kind == typeInteger || kind == typeNumber || kind == typeQuantity)
	case bool:
		return strconv.FormatBool(x), kind == typeBoolean
	case []any:
		return "", kind == typeArray
	case map[string]any:
		return "", kind == typeObject
	}
	return "", false
}

// rank compares two values of a type that has an order, as text.
func rank(kind, a, b string) (int, error) {
	switch kind {
	case typeInteger:
		return compare(a, b, cmp.Compare[int64], func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	case typeNumber:
		return compare(a, b, cmp.Compare[float64], func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	case typeDuration:
		return compare(a, b, cmp.Compare[time.Duration], time.ParseDuration)
	case typeQuantity:
		return compare(a, b, func(x, y resource.Quantity) int { return x.Cmp(y) }, resource.ParseQuantity)
	}
	return 0, fmt.Errorf("type %s has no order", kind)
}

func compare[T any](a, b string, order func(x, y T) int, parse func(string) (T, error)) (int, error) {
	x, err := parse(a)
	if err != nil {
		return 0, fmt.Errorf("read %q: %w", a, err)
	}
	y, err := parse(b)
	if err != nil {
		return 0, fmt.Errorf("read %q: %w", b, err)
	}
	return order(x, y), nil
}

func checkPattern(p v1alpha1.Parameter, text string) error {
	if p.Pattern == "" {
		return nil
	}
	whole, err := regexp.Compile(`^(?:` + p.Pattern + `)$`)
	if err != nil {
		return fmt.Errorf("pattern %q is no regular expression", p.Pattern)
	}
	if !whole.MatchString(text) {
		return fmt.Errorf("found %s, want what matches %s", shown(p, strconv.Quote(text)), p.Pattern)
	}
	return nil
}

func checkBounds(p v1alpha1.Parameter, kind, text string) error {
	if p.Minimum != "" {
		if c, err := rank(kind, text, p.Minimum); err != nil || c < 0 {
			return fmt.Errorf("found %s, want at least %s", shown(p, text), p.Minimum)
		}
	}
	if p.Maximum != "" {
		if c, err := rank(kind, text, p.Maximum); err != nil || c > 0 {
			return fmt.Errorf("found %s, want at most %s", shown(p, text), p.Maximum)
		}
	}
	return nil
}

func checkEnum(p v1alpha1.Parameter, v any) error {
	if len(p.Enum) == 0 {
		return nil
	}
	have := canonical(v)
	for _, e := range p.Enum {
		if allowed, err := raw(e.Raw); err == nil && canonical(allowed) == have {
			return nil
		}
	}
	return fmt.Errorf("found %s, which is not in the enum", shown(p, have))
}

// canonical writes a decoded value with sorted keys.
func canonical(v any) string {
	// What was decoded from JSON marshals.
	out, _ := json.Marshal(v)
	return string(out)
}

// checkParameters says what is wrong with the declarations.
func checkParameters(parameters []v1alpha1.Parameter) []Fault {
	var faults []Fault
	seen := map[string]bool{}
	declares := func(name string) bool {
		return slices.ContainsFunc(parameters, func(p v1alpha1.Parameter) bool { return p.Name == name })
	}
	for i, p := range parameters {
		fault := func(field, message string) {
			faults = append(faults, Fault{Field: fmt.Sprintf("spec.parameters[%d]%s", i, field), Reason: v1alpha1.ReasonInvalidParameters, Message: message})
		}
		if seen[p.Name] {
			fault(".name", fmt.Sprintf("a second parameter is named %q: rename one", p.Name))
		}
		seen[p.Name] = true
		bad := declared(p)
		for _, field := range slices.Sorted(maps.Keys(bad)) {
			fault(field, bad[field])
		}
		for _, other := range p.DependsOn {
			if other == p.Name || !declares(other) {
				fault(".dependsOn", fmt.Sprintf("found %q, want the name of another parameter", other))
			}
		}
	}
	return faults
}

// declared checks one declaration; messages by field. Once the rules are
// sound, default and enum are held against them.
func declared(p v1alpha1.Parameter) map[string]string {
	bad := checkRules(p)
	if len(bad) > 0 {
		return bad
	}
	for i, e := range p.Enum {
		if err := CheckValue(p, e.Raw); err != nil {
			bad[fmt.Sprintf(".enum[%d]", i)] = err.Error()
		}
	}
	if p.Default == nil {
		return bad
	}
	if p.Sensitive {
		bad[".default"] = "a sensitive parameter has no default, since everybody who reads the catalog would read it: let the run set it"
	} else if err := CheckValue(p, p.Default.Raw); err != nil {
		bad[".default"] = err.Error()
	}
	return bad
}

// checkRules checks pattern and bounds.
func checkRules(p v1alpha1.Parameter) map[string]string {
	kind := cmp.Or(p.Type, typeString)
	bad := map[string]string{}
	if _, err := regexp.Compile(`^(?:` + p.Pattern + `)$`); err != nil {
		bad[".pattern"] = fmt.Sprintf("%q is no regular expression (RE2)", p.Pattern)
	}
	if p.Pattern != "" && kind != typeString {
		bad[".pattern"] = "a pattern belongs to a string"
	}
	for field, bound := range map[string]string{".minimum": p.Minimum, ".maximum": p.Maximum} {
		if _, err := rank(kind, bound, bound); bound != "" && err != nil {
			bad[field] = fmt.Sprintf("found %q, want a value of an ordered type, this parameter's is %s", bound, kind)
		}
	}
	if p.Minimum != "" && p.Maximum != "" && len(bad) == 0 {
		if c, err := rank(kind, p.Minimum, p.Maximum); err != nil || c > 0 {
			bad[".minimum"] = fmt.Sprintf("the minimum %s is above the maximum %s", p.Minimum, p.Maximum)
		}
	}
	return bad
}

// Sensitive returns the names of the parameters whose values messages must not show.
func Sensitive(parameters []v1alpha1.Parameter) map[string]bool {
	out := map[string]bool{}
	for _, p := range parameters {
		if p.Sensitive {
			out[p.Name] = true
		}
	}
	return out
}

// Exposed says which of the references would show a sensitive parameter where
// they stand, such as in a condition or in an input that is not sensitive
// itself, and what to do; "" if none does.
func Exposed(sensitive map[string]bool, refs []expr.Ref) string {
	for _, r := range refs {
		if r.Kind == expr.Param && sensitive[r.Name] {
			return fmt.Sprintf("parameter %s is sensitive and may stand only in inputs that the action's contract calls sensitive: use it there alone, or declare it without sensitive", r.Name)
		}
	}
	return ""
}
