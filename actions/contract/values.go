package contract

import (
	"fmt"
	"slices"
	"strings"
	"time"

	sjson "sigs.k8s.io/json"
)

// MaxInputs is the size of the largest inputs that are read, in bytes.
const MaxInputs = 1 << 20

// Names in a document of outputs that an action cannot declare.
const (
	// OutputError holds reason and message of an action that failed.
	OutputError = "error"
	// OutputTruncated is true where the outputs were too large for status.
	OutputTruncated = "truncated"
	// OutputFile is the path of the whole outputs where they were truncated.
	OutputFile = "outputsFile"
)

// Values are inputs or outputs by name. Those that ValidateInputs returned hold
// string, int64, float64, bool, []any and map[string]any only.
type Values map[string]any

// Has says whether the value was given or has a default.
func (v Values) Has(name string) bool { _, ok := v[name]; return ok }

// String returns a string, duration or quantity; "" where it is not given.
func (v Values) String(name string) string { s, _ := v[name].(string); return s }

// Int returns an integer; 0 where it is not given.
func (v Values) Int(name string) int64 { n, _ := v[name].(int64); return n }

// Bool returns a boolean; false where it is not given.
func (v Values) Bool(name string) bool { b, _ := v[name].(bool); return b }

// Object returns an object; nil where it is not given.
func (v Values) Object(name string) map[string]any { m, _ := v[name].(map[string]any); return m }

// Duration returns a duration; 0 where it is not given.
func (v Values) Duration(name string) time.Duration {
	d, err := time.ParseDuration(v.String(name))
	if err != nil {
		return 0
	}
	return d
}

// Strings returns an array of strings, or an error that names the first entry
// that is none.
func (v Values) Strings(name string) ([]string, error) {
	list, _ := v[name].([]any)
	out := make([]string, 0, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, fmt.Errorf("read %s[%d]: found a value of type %T, wanted a string", name, i, e)
		}
		out = append(out, s)
	}
	return out, nil
}

// ValidateInputs reads one JSON object of inputs, refuses duplicate keys and
// whatever ValidateValues refuses. Values are nil where there are findings.
func (c Contract) ValidateInputs(raw []byte) (Values, []Finding) {
	if len(raw) > MaxInputs {
		return nil, []Finding{{Field: "inputs", Found: fmt.Sprintf("%d bytes", len(raw)), Want: fmt.Sprintf("at most %d", MaxInputs)}}
	}
	var given map[string]any
	strict, err := sjson.UnmarshalStrict(raw, &given)
	if err != nil || given == nil {
		// The decoder's message could quote a sensitive value.
		return nil, []Finding{{Field: "inputs", Found: "something else", Want: "one JSON object"}}
	}
	if len(strict) > 0 {
		return nil, []Finding{{Field: "inputs", Found: "a key that stands twice", Want: "every key once"}}
	}
	return c.ValidateValues(given)
}

// ValidateValues holds decoded inputs against the contract: undeclared inputs
// are refused, defaults filled in, types, enums, patterns, bounds and
// dependencies checked. Findings name the input and never a sensitive value.
// Values are nil where there are findings.
func (c Contract) ValidateValues(given map[string]any) (Values, []Finding) {
	f := &findings{}
	out := Values{}
	for _, name := range sortedKeys(given) {
		if _, ok := c.Input(name); !ok {
			f.add("inputs."+clip(name), "an undeclared input", c.declared())
		}
	}
	for _, in := range c.Spec.Inputs {
		at := "inputs." + in.Name
		v, ok := given[in.Name]
		switch {
		case ok:
			got, found := in.accept(at, v)
			f.list = append(f.list, found...)
			out[in.Name] = got
			f.checkDependencies(in, given)
		case in.Required:
			f.add(at, "nothing", in.Type.describe())
		case in.Default != nil:
			// Parse held the default against the same rules.
			out[in.Name], _ = in.Type.accept(in.Default)
		}
	}
	if len(f.list) > 0 {
		return nil, f.list
	}
	return out, nil
}

func (f *findings) checkDependencies(in Input, given map[string]any) {
	for _, other := range in.DependsOn {
		if _, ok := given[other]; !ok {
			f.add("inputs."+in.Name, "no inputs."+other, "both or neither")
		}
	}
}

// ValidateOutputs holds what an action gave against the contract: exactly the
// declared outputs, each of its type.
func (c Contract) ValidateOutputs(given map[string]any) []Finding {
	f := &findings{}
	declared := map[string]bool{}
	for _, out := range c.Spec.Outputs {
		declared[out.Name] = true
		v, ok := given[out.Name]
		if !ok {
			f.add("outputs."+out.Name, "nothing", out.Type.describe())
			continue
		}
		_, ok = out.Type.accept(v)
		f.want(ok, "outputs."+out.Name, v, out.Type.describe())
	}
	for _, name := range sortedKeys(given) {
		if !declared[name] {
			f.add("outputs."+clip(name), "an undeclared output", "declared outputs only")
		}
	}
	return f.list
}

func (c Contract) declared() string {
	names := make([]string, 0, len(c.Spec.Inputs))
	for _, in := range c.Spec.Inputs {
		names = append(names, in.Name)
	}
	if len(names) == 0 {
		return "no inputs"
	}
	return "one of " + strings.Join(names, ", ")
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// clip keeps a name from outside short and on one line.
func clip(name string) string {
	if fieldShape.MatchString(name) {
		return name
	}
	return show(name)
}
