// Package patch reads changes of an object that are written as patches.
package patch

import (
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/notation"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	maxPatch = 1 << 20 // as much as a file may have
	maxDepth = 64
)

// ByName reads changes written as a nested object, YAML or JSON: items of lists
// of maps are found by their name. Deleting with null is refused.
func ByName(text []byte) ([]edit.Change, error) {
	if len(text) > maxPatch {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "patch is larger than %d bytes", maxPatch)
	}
	docs, err := notation.Parse(text)
	if err != nil {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "patch is not YAML: %s", err)
	}
	if len(docs) != 1 || docs[0].Content[0].Kind != yaml.MappingNode {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "patch must be one object")
	}
	return patchMap(nil, "", docs[0].Content[0], 0)
}

func patchMap(out []edit.Change, prefix string, n *yaml.Node, depth int) ([]edit.Change, error) {
	if depth > maxDepth {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "patch is nested too deep")
	}
	var err error
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == yaml.MergeTag || key.Value == "" {
			return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "patch line %d: keys must be plain text", key.Line)
		}
		path := edit.Key(prefix, key.Value)
		if out, err = patchValue(out, path, n.Content[i+1], depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func patchValue(out []edit.Change, path string, n *yaml.Node, depth int) ([]edit.Change, error) {
	switch {
	case n.Kind == yaml.AliasNode:
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "patch line %d: aliases are not followed", n.Line)
	case n.ShortTag() == "!!null":
		return nil, run.Refuse(v1alpha1.ReasonEditUnsupported, "patch line %d: %s: deleting is not supported", n.Line, path)
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		return patchMap(out, path, n, depth+1)
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode:
		return patchItems(out, path, n, depth)
	}
	v, err := plainValue(n)
	return append(out, edit.Change{Path: path, Value: v}), err
}

func patchItems(out []edit.Change, path string, n *yaml.Node, depth int) ([]edit.Change, error) {
	for _, item := range n.Content {
		name := notation.Field(item, "name")
		if name == nil || name.Kind != yaml.ScalarNode {
			return nil, run.Refuse(v1alpha1.ReasonEditUnsupported, "patch line %d: %s: list items without a name cannot be found again", item.Line, path)
		}
		rest := &yaml.Node{Kind: yaml.MappingNode}
		for i := 0; i+1 < len(item.Content); i += 2 {
			if item.Content[i].Value != "name" {
				rest.Content = append(rest.Content, item.Content[i:i+2]...)
			}
		}
		var err error
		if out, err = patchMap(out, edit.Item(path, "name", name.Value), rest, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// plainValue decodes what is left: scalars, empty maps and lists of scalars.
func plainValue(n *yaml.Node) (any, error) {
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			return nil, run.Refuse(v1alpha1.ReasonEditUnsupported, "patch line %d: lists of this shape are not written", c.Line)
		}
	}
	if n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!timestamp" || n.ShortTag() == "!!binary") {
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "patch line %d: %s", n.Line, err)
	}
	return v, nil
}
