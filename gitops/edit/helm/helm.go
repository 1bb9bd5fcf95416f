// Package helm changes values of a chart and refuses what the chart's schema forbids.
package helm

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	// maxSchema bounds what is compiled; schemas of charts have some 100 KiB.
	maxSchema = 2 << 20
	// schemaURL names the schema in messages of the library.
	schemaURL = "file:///values.schema.json"
)

// Chart is what a chart says about its values. Both are empty for a chart
// without a schema.
type Chart struct {
	// Schema is values.schema.json.
	Schema []byte
	// Defaults is the chart's own values.yaml, which the changed file is laid
	// over; empty if it is that file.
	Defaults []byte
}

// SetValues changes a file with values. The schema holds for the defaults with
// the file over them, as Helm has it; what was wrong before stays allowed.
func SetValues(file string, content []byte, chart Chart, changes []edit.Change) (edit.Outcome, error) {
	start := content
	if onlyComments(content) {
		start = append(withFinalNewline(content), "{}\n"...)
	}
	out, err := edit.Apply(file, start, edit.Selector{}, changes)
	if err != nil {
		return edit.Outcome{}, err
	}
	if !out.Changed() {
		return edit.Outcome{Content: content}, nil
	}
	if len(chart.Schema) == 0 {
		return out, nil
	}
	before, err := chart.findings(file, start)
	if err != nil {
		return edit.Outcome{}, err
	}
	after, err := chart.findings(file, out.Content)
	if err != nil {
		return edit.Outcome{}, err
	}
	fresh := slices.DeleteFunc(after, func(f string) bool { return slices.Contains(before, f) })
	if len(fresh) > 0 {
		return edit.Outcome{}, run.Refuse(v1alpha1.ReasonEditSchemaViolated, "file %s: the chart's values.schema.json does not allow it: %s", file, strings.Join(fresh, "; "))
	}
	return out, nil
}

// onlyComments is a file without any value.
func onlyComments(content []byte) bool {
	for line := range bytes.Lines(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

func withFinalNewline(content []byte) []byte {
	out := bytes.Clone(content)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}

// findings is what the schema says against the values, a sentence each.
func (c Chart) findings(file string, content []byte) ([]string, error) {
	schema, err := compile(c.Schema)
	if err != nil {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "read the chart's values.schema.json: %s", err)
	}
	values, err := edit.Read(file, content, edit.Selector{})
	if err != nil {
		return nil, err
	}
	if !onlyComments(c.Defaults) {
		defaults, err := edit.Read("values.yaml", c.Defaults, edit.Selector{})
		if err != nil {
			return nil, err
		}
		values = over(defaults, values)
	}
	err = schema.Validate(values)
	var wrong *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &wrong):
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "check values of %s: %s", file, err)
	}
	var out []string
	for line := range strings.Lines(wrong.Error()) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "- at "); ok {
			out = append(out, text)
		}
	}
	return out, nil
}

// over lays values over defaults as Helm does: maps are merged, null takes away.
func over(defaults, values any) any {
	d, isMap := defaults.(map[string]any)
	v, wantsMap := values.(map[string]any)
	if !isMap || !wantsMap {
		return values
	}
	out := maps.Clone(d)
	for key, value := range v {
		if value == nil {
			delete(out, key)
			continue
		}
		out[key] = over(d[key], value)
	}
	return out
}

func compile(text []byte) (*jsonschema.Schema, error) {
	if len(text) > maxSchema {
		return nil, fmt.Errorf("it has more than %d bytes", maxSchema)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseLoader(nowhere{})
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, err
	}
	return c.Compile(schemaURL)
}

// nowhere loads nothing: a schema from a repository must not reach the network
// or files.
type nowhere struct{}

// Load refuses.
func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %s, and nothing outside the file is read", url)
}
