package expr

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// maxRead bounds what one condition reads, in bytes of JSON. Values for
// conditions are made for them; more is read by a step.
const maxRead = 64 << 10

// celValues holds everything that a condition names, by variable and written
// reference. What has no value is left out, so that has() is false.
func (s Scope) celValues(kinds map[Ref]string, refs []Ref) (map[string]any, error) {
	all := map[string]any{unsure: map[string]any{}}
	for _, w := range words() {
		all[variable(w)] = map[string]any{}
	}
	read := 0
	for _, r := range refs {
		raw, ok := s.find(r)
		if !ok {
			continue
		}
		if read += len(raw); read > maxRead {
			return nil, fmt.Errorf("%s makes the condition read more than %d bytes: test an output that is made for it", r.InCondition(), maxRead)
		}
		v, err := celValue(raw, kinds[r])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.InCondition(), err)
		}
		if in := variable(kinds[r]); v != nil || in == unsure {
			all[in].(map[string]any)[r.InCondition()] = v
		}
	}
	return all, nil
}

// celValue reads a value of a kind; null has none.
func celValue(raw json.RawMessage, kind string) (any, error) {
	v, err := decode(raw)
	if err != nil {
		return nil, err
	}
	got, ok := v, true
	switch kind {
	case "string", "quantity":
		_, ok = v.(string)
	case "boolean":
		_, ok = v.(bool)
	case "integer":
		got, ok = integer(v)
	case "number":
		got, ok = number(v)
	case "duration":
		got, ok = duration(v)
	case "array":
		_, ok = v.([]any)
		got = native(v)
	case "object":
		_, ok = v.(map[string]any)
		got = native(v)
	default:
		got = native(v)
	}
	if v == nil {
		return nil, nil
	}
	if !ok {
		return nil, fmt.Errorf("found %s, want %s", clip(string(raw)), kind)
	}
	return got, nil
}

// integer keeps all 64 bits; one written with a point or an exponent must be
// small enough to be exact.
func integer(v any) (any, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i, true
	}
	f, err := n.Float64()
	return int64(f), err == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53
}

func number(v any) (any, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	f, err := n.Float64()
	return f, err == nil
}

func duration(v any) (any, bool) {
	text, ok := v.(string)
	if !ok {
		return nil, false
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// native gives numbers inside a value their types: integer where one is
// written, number elsewhere. A number beyond both is infinite.
func native(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = native(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = native(v[key])
		}
	}
	return v
}

// orderly makes objects whose entries come in the order of their keys, so that
// the same values always give the same answer.
type orderly struct{}

// NativeToValue makes a value of the language.
func (o orderly) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case []any:
		return types.NewDynamicList(o, v)
	case map[string]any:
		return object{types.NewStringInterfaceMap(o, v)}
	case map[ref.Val]ref.Val:
		return object{types.NewRefValMap(o, v)}
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

type object struct{ traits.Mapper }

// Iterator gives the keys, sorted.
func (o object) Iterator() traits.Iterator {
	var keys []ref.Val
	for it := o.Mapper.Iterator(); it.HasNext() == types.True; {
		keys = append(keys, it.Next())
	}
	slices.SortFunc(keys, func(a, b ref.Val) int {
		return strings.Compare(fmt.Sprintf("%T %v", a, a), fmt.Sprintf("%T %v", b, b))
	})
	return types.NewRefValList(orderly{}, keys).Iterator()
}
