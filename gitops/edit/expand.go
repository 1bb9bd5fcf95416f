package edit

import (
	"slices"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit/notation"
	"github.com/kubernaut/kubernaut/internal/run"
)

// verb is what can be done with bytes.
type verb int

const (
	putValue   verb = iota // at a key, made if missing, or at an existing item
	insertItem             // before the item at the index
	removeNode             // a key with its value, or an item
)

// action is one thing to do with bytes at one place.
type action struct {
	verb  verb
	path  path
	value any
}

// expand says what has to be done so that the change is true.
func (d *document) expand(c Change) ([]action, error) {
	p, err := parsePath(c.Path)
	if err != nil {
		return nil, err
	}
	switch c.Op {
	case Set:
		return d.expandSet(p, c.Value)
	case Replace:
		return d.expandReplace(p, c)
	case Insert:
		return d.expandInsert(p, c)
	case Append:
		return d.expandAppend(p, c.Value)
	case Delete:
		return d.expandDelete(p, c.Must)
	case Test:
		return nil, d.test(p, c.Value)
	case Copy, Move:
		return d.expandCopy(p, c)
	}
	return nil, refuse(v1alpha1.ReasonEditInvalid, "path %q: there is no operation %q", c.Path, c.Op)
}

func (d *document) expandSet(p path, v any) ([]action, error) {
	put := []action{{putValue, p, v}}
	at, err := d.locate(p)
	if err != nil || len(at.missing) > 0 {
		return put, err
	}
	old := at.value
	list, isList := v.([]any)
	m, isMap := v.(map[string]any)
	switch {
	case notation.Holds(old, v), isMap && len(m) == 0 && old.Kind == yaml.MappingNode:
		return nil, nil
	case isList && old.Kind == yaml.SequenceNode:
		return d.differenceOfLists(p, old, list), nil
	case old.ShortTag() == "!!null":
		return put, nil
	case isList, isMap:
		return nil, unsupported("file %s line %d: %s holds a value already and is not replaced by a map or list: name the values in it", d.file, at.line(), p)
	case old.Kind != yaml.ScalarNode:
		return nil, unsupported("file %s line %d: %s holds a map or list, not a single value", d.file, at.line(), p)
	}
	return put, nil
}

func (d *document) expandReplace(p path, c Change) ([]action, error) {
	at, err := d.locate(p)
	switch {
	case err != nil:
		return nil, err
	case len(at.missing) > 0 && c.Must:
		return nil, d.nothing(at)
	case len(at.missing) > 0:
		return []action{{putValue, p, c.Value}}, nil
	}
	return d.difference(p, at.value, c.Value), nil
}

func (d *document) nothing(at place) error {
	return refuse(v1alpha1.ReasonEditTargetNotFound, "file %s line %d: %s: there is no key %s", d.file, at.line(), at.path, at.missing[0])
}

// difference lists what makes a node hold the value and touches nothing that
// both have.
func (d *document) difference(p path, n *yaml.Node, v any) []action {
	if notation.Holds(n, v) {
		return nil
	}
	want, isMap := v.(map[string]any)
	if isMap && len(want) > 0 && n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		return d.differenceOfMaps(p, n, want)
	}
	list, isList := v.([]any)
	if isList && len(list) > 0 && n.Kind == yaml.SequenceNode && len(n.Content) > 0 {
		return d.differenceOfLists(p, n, list)
	}
	return []action{{putValue, p, v}}
}

// differenceOfMaps adds before it removes, so that the map is never empty.
func (d *document) differenceOfMaps(p path, n *yaml.Node, want map[string]any) []action {
	var out, gone []action
	has := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		has[key] = true
		at := p.below(segment{kind: 'k', key: key})
		if v, ok := want[key]; ok {
			out = append(out, d.difference(at, n.Content[i+1], v)...)
		} else {
			gone = append(gone, action{removeNode, at, nil})
		}
	}
	for _, key := range notation.Keys(want) {
		if !has[key] {
			out = append(out, action{putValue, p.below(segment{kind: 'k', key: key}), want[key]})
		}
	}
	return append(out, gone...)
}

// differenceOfLists keeps the items that both begin and end with.
func (d *document) differenceOfLists(p path, n *yaml.Node, want []any) []action {
	if len(want) == 0 || len(n.Content) == 0 {
		return []action{{putValue, p, want}}
	}
	old := n.Content
	start, end := 0, 0
	for start < len(old) && start < len(want) && notation.Holds(old[start], want[start]) {
		start++
	}
	for end < len(old)-start && end < len(want)-start && notation.Holds(old[len(old)-1-end], want[len(want)-1-end]) {
		end++
	}
	var out []action
	for i := start; i < len(want)-end; i++ {
		at := p.below(segment{kind: 'i', index: i})
		if i < len(old)-end {
			out = append(out, d.difference(at, old[i], want[i])...)
		} else {
			out = append(out, action{insertItem, at, want[i]})
		}
	}
	for i := len(old) - end - 1; i >= len(want)-end; i-- {
		out = append(out, action{removeNode, p.below(segment{kind: 'i', index: i}), nil})
	}
	return out
}

// expandInsert puts an item into a list; at a key it is Replace.
func (d *document) expandInsert(p path, c Change) ([]action, error) {
	last := len(p.segments) - 1
	parent, err := d.locate(path{text: p.text, segments: p.segments[:last]})
	if err != nil {
		return nil, err
	}
	if len(parent.missing) > 0 && c.Must {
		return nil, d.nothing(parent)
	}
	s := p.segments[last].resolve(parent.value)
	if s.kind == 'k' || len(parent.missing) > 0 || parent.value.Kind != yaml.SequenceNode {
		c.Must = false
		return d.expandReplace(p, c)
	}
	if s.kind != 'i' || s.index > len(parent.value.Content) {
		return nil, refuse(v1alpha1.ReasonEditTargetNotFound, "file %s line %d: %s: the list has %d items, and something is to be inserted at %s", d.file, parent.line(), p, len(parent.value.Content), s)
	}
	if s.index == atEnd {
		s.index = len(parent.value.Content)
	}
	at := path{text: p.text, segments: append(slices.Clone(p.segments[:last]), s)}
	return []action{{insertItem, at, c.Value}}, nil
}

func (d *document) expandAppend(p path, v any) ([]action, error) {
	at, err := d.locate(p)
	if err != nil {
		return nil, err
	}
	if len(at.missing) > 0 || at.value.ShortTag() == "!!null" {
		return []action{{putValue, p, []any{v}}}, nil
	}
	if at.value.Kind != yaml.SequenceNode {
		return nil, refuse(v1alpha1.ReasonEditTargetNotFound, "file %s line %d: %s is no list to append to", d.file, at.line(), p)
	}
	if slices.ContainsFunc(at.value.Content, func(n *yaml.Node) bool { return notation.Holds(n, v) }) {
		return nil, nil
	}
	return []action{{insertItem, p.below(segment{kind: 'i', index: len(at.value.Content)}), v}}, nil
}

func (d *document) expandDelete(p path, must bool) ([]action, error) {
	at, err := d.locate(p)
	refusal, _ := run.AsRefusal(err)
	switch {
	case err != nil && refusal.Reason == v1alpha1.ReasonEditTargetNotFound && !must:
		return nil, nil
	case err != nil:
		return nil, err
	case len(at.missing) > 0 && must:
		return nil, d.nothing(at)
	case len(at.missing) > 0:
		return nil, nil
	}
	return []action{{removeNode, p, nil}}, nil
}

func (d *document) test(p path, v any) error {
	at, err := d.locate(p)
	if err != nil {
		return err
	}
	if len(at.missing) > 0 {
		return d.nothing(at)
	}
	if !notation.Holds(at.value, v) {
		return refuse(v1alpha1.ReasonEditTestFailed, "file %s line %d: %s is %s, not %s: nothing was changed", d.file, at.line(), p, notation.Show(at.value), notation.Text(v))
	}
	return nil
}

func (d *document) expandCopy(p path, c Change) ([]action, error) {
	from, err := parsePath(c.From)
	if err != nil {
		return nil, err
	}
	at, err := d.locate(from)
	if err != nil {
		return nil, err
	}
	if len(at.missing) > 0 {
		return nil, d.nothing(at)
	}
	v, err := notation.Data(at.value)
	if err != nil {
		return nil, unsupported("file %s line %d: %s cannot be read as data: %s", d.file, at.line(), from, err)
	}
	put := action{insertItem, p, v}
	if c.Op == Copy {
		return d.expandInsert(p, Change{Value: v, Must: true})
	}
	return d.expandMove(from, p, put)
}

// expandMove removes first, as the standard says, and therefore looks where
// the target is without it.
func (d *document) expandMove(from, p path, put action) ([]action, error) {
	if len(p.segments) > len(from.segments) && slices.Equal(p.segments[:len(from.segments)], from.segments) {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "path %q: a value cannot be moved into itself", p)
	}
	remove := action{verb: removeNode, path: from}
	next, _, _, err := d.do(remove)
	if err != nil {
		return nil, err
	}
	rest, err := next.expandInsert(p, Change{Value: put.value, Must: true})
	return append([]action{remove}, rest...), err
}

// flatten takes apart the maps that are set, so that each key in them is a
// change of its own and an existing sibling stays.
func flatten(changes []Change) ([]Change, error) {
	var out []Change
	for _, c := range changes {
		m, ok := c.Value.(map[string]any)
		if !ok || len(m) == 0 || c.Op != Set {
			out = append(out, c)
			continue
		}
		p, err := parsePath(c.Path)
		if err != nil {
			return nil, err
		}
		var nested []Change
		for _, k := range notation.Keys(m) {
			nested = append(nested, Change{Path: p.below(segment{kind: 'k', key: k}).text, Value: m[k]})
		}
		deeper, err := flatten(nested)
		if err != nil {
			return nil, err
		}
		out = append(out, deeper...)
	}
	if len(out) > maxChanges {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "more than %d changes at once", maxChanges)
	}
	return out, nil
}
