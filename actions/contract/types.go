package contract

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// exact is the largest number up to which every integer has its own float64.
const exact = 1 << 53

// ordered says whether values of the type have bounds.
func (t Type) ordered() bool {
	return t == Integer || t == Number || t == Duration || t == Quantity
}

func (t Type) describe() string {
	switch t {
	case Integer:
		return "an integer"
	case Array, Object:
		return "an " + string(t)
	case Duration:
		return `a duration such as "90s"`
	case Quantity:
		return `a quantity such as "512Mi"`
	default:
		return "a " + string(t)
	}
}

// accept turns a decoded JSON value into the one Go type that stands for t:
// string, int64, float64, bool, []any or map[string]any.
func (t Type) accept(v any) (any, bool) {
	switch t {
	case Integer:
		return acceptInteger(v)
	case Number:
		return acceptNumber(v)
	case Boolean:
		b, ok := v.(bool)
		return b, ok
	case Array:
		a, ok := v.([]any)
		return a, ok
	case Object:
		m, ok := v.(map[string]any)
		return m, ok
	case Duration:
		s, ok := v.(string)
		d, err := time.ParseDuration(s)
		return s, ok && err == nil && d >= 0
	case Quantity:
		return acceptQuantity(v)
	default:
		s, ok := v.(string)
		return s, ok && t == String
	}
}

func acceptInteger(v any) (any, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) <= exact
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	return nil, false
}

func acceptNumber(v any) (any, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return nil, false
}

// acceptQuantity also takes a bare integer, as Kubernetes does for "cpu: 2".
func acceptQuantity(v any) (any, bool) {
	s, ok := v.(string)
	if n, isInt := acceptInteger(v); isInt {
		raw, err := json.Marshal(n)
		s, ok = string(raw), err == nil
	}
	_, err := resource.ParseQuantity(s)
	return s, ok && err == nil
}

// compare orders two values of an ordered type, both accepted before.
func (t Type) compare(a, b any) int {
	switch t {
	case Duration:
		x, _ := time.ParseDuration(a.(string))
		y, _ := time.ParseDuration(b.(string))
		return cmp.Compare(x, y)
	case Quantity:
		x, _ := acceptQuantity(a)
		y, _ := acceptQuantity(b)
		p, q := resource.MustParse(x.(string)), resource.MustParse(y.(string))
		return p.Cmp(q)
	case Integer:
		x, _ := acceptInteger(a)
		y, _ := acceptInteger(b)
		return cmp.Compare(x.(int64), y.(int64))
	default:
		x, _ := acceptNumber(a)
		y, _ := acceptNumber(b)
		return cmp.Compare(x.(float64), y.(float64))
	}
}

// equal compares two accepted values of a type that may have an enum.
func (t Type) equal(a, b any) bool {
	if t.ordered() {
		return t.compare(a, b) == 0
	}
	return a == b
}

// accept holds one value against all rules of the input but dependsOn.
func (in Input) accept(at string, v any) (any, []Finding) {
	f := &findings{}
	got, ok := in.Type.accept(v)
	f.want(ok, at, in.visible(v), in.Type.describe())
	if !ok {
		return nil, f.list
	}
	if in.Pattern != "" {
		re, err := compile(in.Pattern)
		text, isText := got.(string)
		f.want(err == nil && isText && re.MatchString(text), at, in.visible(v), "text that matches "+in.Pattern)
	}
	if in.Minimum != nil {
		f.want(in.Type.compare(got, in.Minimum) >= 0, at, in.visible(v), "at least "+show(in.Minimum))
	}
	if in.Maximum != nil {
		f.want(in.Type.compare(got, in.Maximum) <= 0, at, in.visible(v), "at most "+show(in.Maximum))
	}
	if len(in.Enum) > 0 {
		ok := slices.ContainsFunc(in.Enum, func(e any) bool { return in.Type.equal(e, got) })
		f.want(ok, at, in.visible(v), "one of "+showList(in.Enum))
	}
	return got, f.list
}

// hidden is shown in place of a sensitive value.
type hidden struct{}

// MarshalJSON writes the word that stands for the value.
func (hidden) MarshalJSON() ([]byte, error) { return []byte(`"(hidden)"`), nil }

func (in Input) visible(v any) any {
	if in.Sensitive {
		return hidden{}
	}
	return v
}

func showList(values []any) string {
	shown := make([]string, 0, len(values))
	for _, v := range values {
		shown = append(shown, show(v))
	}
	return strings.Join(shown, ", ")
}
