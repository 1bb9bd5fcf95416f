// Package expr finds the references in the inputs of a step and replaces them by values.
package expr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// MaxBytes bounds inputs with their references replaced: the largest inputs
// that an action takes.
const MaxBytes = 1 << 20

// Kind of a reference.
type Kind string

// Kinds of references.
const (
	// Param is $(params.NAME).
	Param Kind = "params"
	// Output is $(steps.STEP.outputs.NAME).
	Output Kind = "steps"
	// Execution is $(execution.NAME).
	Execution Kind = "execution"
	// Target is $(target.NAME), a fact of the object that the run is about.
	Target Kind = "target"
	// Item is $(item), the current item of a fan-out, or $(item.NAME), a field
	// of it.
	Item Kind = "item"
	// Index is $(index), the number of the current item, from 0.
	Index Kind = "index"
	// StepRef is steps.STEP.phase or steps.STEP.reason; in conditions alone.
	StepRef Kind = "step"
)

// Ref is one reference: $(params.NAME), $(steps.STEP.outputs.NAME),
// $(execution.name), $(execution.namespace), $(execution.uid),
// $(target.apiVersion), $(target.kind), $(target.namespace), $(target.name),
// $(item), $(item.KEY) or $(index). It stands in a string value, never in a
// key. $$( writes a literal $(; every other $ is
// itself. What is inserted is data: it is not read for references again.
type Ref struct {
	// Path of the value it stands in, such as "patches[0].value".
	Path string
	Kind Kind
	// Step of an Output or StepRef.
	Step string
	// Name of the parameter, output, fact of the execution or target, or field
	// of the item; phase or reason of a step; empty for a whole item and for its
	// index.
	Name string
	// Whole says that the value is this reference and nothing else, so that it
	// takes the type of what is inserted.
	Whole bool
}

// String writes the reference as it stands in inputs.
func (r Ref) String() string {
	switch {
	case r.Kind == Output:
		return fmt.Sprintf("$(steps.%s.outputs.%s)", r.Step, r.Name)
	case r.Kind == StepRef:
		return fmt.Sprintf("$(steps.%s.%s)", r.Step, r.Name)
	case r.Name == "":
		return fmt.Sprintf("$(%s)", r.Kind)
	}
	return fmt.Sprintf("$(%s.%s)", r.Kind, r.Name)
}

// Invalid is the error of one value.
type Invalid struct {
	// Path of the value.
	Path string
	// Message says what was found and what may stand there.
	Message string
}

func (e *Invalid) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// Scope holds what references may take. Values are JSON.
type Scope struct {
	Params  map[string]json.RawMessage
	Outputs map[string]map[string]json.RawMessage
	// Execution holds name, namespace and uid.
	Execution map[string]string
	// Target holds apiVersion, kind, namespace and name; nil if there is none.
	Target map[string]string
	// Steps holds how steps ended, for conditions.
	Steps map[string]Outcome
	// Item is the current one of a fan-out; nil outside.
	Item json.RawMessage
	// Index counts the items of a fan-out, from 0.
	Index int
}

// References lists the references in raw, a JSON document, by the order of
// sorted paths. The error joins an *Invalid for each malformed one; nil or
// empty raw has none.
func References(raw json.RawMessage) ([]Ref, error) {
	tree, err := decode(raw)
	if err != nil || tree == nil {
		return nil, err
	}
	var refs []Ref
	_, err = visit(tree, "", func(path, text string) (any, error) {
		parts, err := parse(text)
		if err != nil {
			return nil, &Invalid{Path: path, Message: err.Error()}
		}
		for _, p := range parts {
			if p.ref != nil {
				ref := *p.ref
				ref.Path, ref.Whole = path, len(parts) == 1
				refs = append(refs, ref)
			}
		}
		return text, nil
	})
	return refs, err
}

// Resolve replaces every reference in raw. A string that is one reference and
// nothing else becomes the value itself, of whatever type; a reference inside
// other text takes strings, numbers and booleans only. The error joins an
// *Invalid for each value that cannot be made.
func Resolve(raw json.RawMessage, scope Scope) (json.RawMessage, error) {
	tree, err := decode(raw)
	if err != nil || tree == nil {
		return raw, err
	}
	size := len(raw)
	tree, err = visit(tree, "", func(path, text string) (any, error) {
		value, grown, err := scope.expand(text)
		if size += grown; err == nil && size > MaxBytes {
			err = fmt.Errorf("inputs grow beyond %d bytes: pass large values through the workspace", MaxBytes)
		}
		if err != nil {
			return nil, &Invalid{Path: path, Message: err.Error()}
		}
		return value, nil
	})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, fmt.Errorf("write inputs: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// expand makes the value of one string and says how many bytes were inserted.
func (s Scope) expand(text string) (value any, grown int, err error) {
	parts, err := parse(text)
	if err != nil {
		return nil, 0, err
	}
	if len(parts) == 1 && parts[0].ref != nil {
		raw, err := s.value(*parts[0].ref)
		return raw, len(raw), err
	}
	var out strings.Builder
	for _, p := range parts {
		if p.ref == nil {
			out.WriteString(p.text)
			continue
		}
		raw, err := s.value(*p.ref)
		if err != nil {
			return nil, 0, err
		}
		if err := embed(&out, *p.ref, raw); err != nil {
			return nil, 0, err
		}
		if grown += len(raw); grown > MaxBytes {
			break
		}
	}
	return out.String(), grown, nil
}

func (s Scope) value(r Ref) (json.RawMessage, error) {
	raw, ok := s.find(r)
	if !ok {
		return nil, fmt.Errorf("%s has no value", r)
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("the value of %s is not JSON", r)
	}
	return raw, nil
}

// find returns what a reference names, and whether there is such a thing.
func (s Scope) find(r Ref) (raw json.RawMessage, ok bool) {
	switch r.Kind {
	case Param:
		raw, ok = s.Params[r.Name]
	case Output:
		raw, ok = s.Outputs[r.Step][r.Name]
	case Execution:
		raw, ok = quoted(s.Execution, r.Name)
	case Target:
		raw, ok = quoted(s.Target, r.Name)
	case Item:
		return s.item(r.Name)
	case Index:
		raw, ok = json.RawMessage(strconv.Itoa(s.Index)), s.Item != nil
	case StepRef:
		end, known := s.Steps[r.Step]
		raw, _ = quoted(map[string]string{"phase": end.Phase, "reason": end.Reason}, r.Name)
		ok = known
	}
	return raw, ok
}

// item returns the current one, or a field of it.
func (s Scope) item(key string) (json.RawMessage, bool) {
	if key == "" {
		return s.Item, s.Item != nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(s.Item, &fields); err != nil {
		return nil, false
	}
	raw, ok := fields[key]
	return raw, ok
}

func quoted(facts map[string]string, name string) (json.RawMessage, bool) {
	text, ok := facts[name]
	raw, _ := json.Marshal(text)
	return raw, ok
}

// embed writes a scalar into text.
func embed(out *strings.Builder, r Ref, raw json.RawMessage) error {
	v, err := decode(raw)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		out.WriteString(v)
	case json.Number:
		out.WriteString(v.String())
	case bool:
		fmt.Fprint(out, v)
	default:
		return fmt.Errorf("%s is neither string, number nor boolean: only a value that is nothing but the reference can take it", r)
	}
	return nil
}

// decode reads one document and keeps numbers as they are written.
func decode(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if len(raw) > MaxBytes {
		return nil, &Invalid{Message: fmt.Sprintf("found %d bytes of inputs, at most %d are taken", len(raw), MaxBytes)}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &Invalid{Message: "found something behind the JSON document"}
	}
	return tree, nil
}

// visit replaces every string of a tree, in the order of sorted keys, and
// joins the errors.
func visit(v any, path string, change func(path, text string) (any, error)) (any, error) {
	switch v := v.(type) {
	case string:
		return change(path, v)
	case []any:
		var errs []error
		for i := range v {
			made, err := visit(v[i], fmt.Sprintf("%s[%d]", path, i), change)
			v[i], errs = made, append(errs, err)
		}
		return v, errors.Join(errs...)
	case map[string]any:
		var errs []error
		for _, key := range slices.Sorted(maps.Keys(v)) {
			made, err := visit(v[key], join(path, key), change)
			v[key], errs = made, append(errs, err)
		}
		return v, errors.Join(errs...)
	}
	return v, nil
}

// join adds a key to a path; one that is no plain word is quoted.
func join(path, key string) string {
	if !plain(key) {
		return fmt.Sprintf("%s[%q]", path, key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
