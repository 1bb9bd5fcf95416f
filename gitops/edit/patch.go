package edit

import (
	"encoding/json"
	"sort"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Patch reads changes written as a nested object, YAML or JSON: items of lists
// of maps are found by their name. Deleting with null is refused.
func Patch(text []byte) ([]Change, error) {
	if len(text) > maxFile {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "patch is larger than %d bytes", maxFile)
	}
	docs, err := parse(text)
	if err != nil {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "patch is not YAML: %s", err)
	}
	if len(docs) != 1 || docs[0].Content[0].Kind != yaml.MappingNode {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "patch must be one object")
	}
	return patchMap(nil, "", docs[0].Content[0], 0)
}

func patchMap(out []Change, prefix string, n *yaml.Node, depth int) ([]Change, error) {
	if depth > maxDepth {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "patch is nested too deep")
	}
	var err error
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == yaml.MergeTag || key.Value == "" {
			return nil, refuse(v1alpha1.ReasonEditInvalid, "patch line %d: keys must be plain text", key.Line)
		}
		path := join(prefix, key.Value)
		if out, err = patchValue(out, path, n.Content[i+1], depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func join(prefix, key string) string {
	key = escape(key, `\.[`)
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

func patchValue(out []Change, path string, n *yaml.Node, depth int) ([]Change, error) {
	switch {
	case n.Kind == yaml.AliasNode:
		return nil, refuse(v1alpha1.ReasonEditInvalid, "patch line %d: aliases are not followed", n.Line)
	case n.ShortTag() == "!!null":
		return nil, unsupported("patch line %d: %s: deleting is not supported", n.Line, path)
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		return patchMap(out, path, n, depth+1)
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode:
		return patchItems(out, path, n, depth)
	}
	v, err := plainValue(n)
	return append(out, Change{Path: path, Value: v}), err
}

func patchItems(out []Change, path string, n *yaml.Node, depth int) ([]Change, error) {
	for _, item := range n.Content {
		name := field(item, "name")
		if name == nil || name.Kind != yaml.ScalarNode {
			return nil, unsupported("patch line %d: %s: list items without a name cannot be found again", item.Line, path)
		}
		rest := &yaml.Node{Kind: yaml.MappingNode}
		for i := 0; i+1 < len(item.Content); i += 2 {
			if item.Content[i].Value != "name" {
				rest.Content = append(rest.Content, item.Content[i:i+2]...)
			}
		}
		var err error
		if out, err = patchMap(out, path+"[name="+escape(name.Value, `\]`)+"]", rest, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// plainValue decodes what is left: scalars, empty maps and lists of scalars.
func plainValue(n *yaml.Node) (any, error) {
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			return nil, unsupported("patch line %d: lists of this shape are not written", c.Line)
		}
	}
	if n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!timestamp" || n.ShortTag() == "!!binary") {
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "patch line %d: %s", n.Line, err)
	}
	return v, nil
}

// flatten takes maps apart, so that each key in them is a change of its own
// and an existing sibling stays.
func flatten(changes []Change) ([]Change, error) {
	var out []Change
	for _, c := range changes {
		m, ok := c.Value.(map[string]any)
		if !ok || len(m) == 0 {
			out = append(out, c)
			continue
		}
		keys := make([]string, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		nested := make([]Change, len(keys))
		for i, k := range keys {
			nested[i] = Change{Path: join(c.Path, k), Value: m[k]}
		}
		deeper, err := flatten(nested)
		if err != nil {
			return nil, err
		}
		out = append(out, deeper...)
	}
	if len(out) > 1000 {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "more than 1000 changes at once")
	}
	return out, nil
}

// Typed reads text as the scalar that JSON makes of it: 3 is a number, true a
// boolean, all else text. It is for callers whose parameters are text only.
func Typed(text string) any {
	var v any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&v) != nil || strings.TrimSpace(text) != text || decoder.More() {
		return text
	}
	switch v.(type) {
	case bool, json.Number:
		return v
	}
	return text
}
