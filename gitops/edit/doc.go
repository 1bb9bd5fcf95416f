// Package edit changes values in YAML and JSON files byte by byte and proves that nothing else changed.
package edit

import (
	"bytes"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit/kinds"
	"github.com/kubernaut/kubernaut/gitops/edit/notation"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Op is what a Change does.
type Op string

// The operations. All but Insert, Copy and Move may be repeated: where the
// wanted state is there already, nothing is changed.
const (
	// Set writes a value and the keys that lead to it. Maps are merged into
	// what stands there, lists replace lists; a single value never replaces a
	// map or list, nor the other way round.
	Set Op = ""
	// Replace makes the place hold exactly the value, whatever stood there.
	// What both have in common is not touched.
	Replace Op = "replace"
	// Insert puts an item before the one at the index, [-] being the end; at a
	// key it is Replace.
	Insert Op = "insert"
	// Append adds a last item to a list, which is made if need be, unless the
	// list has such an item.
	Append Op = "append"
	// Delete takes a key or an item away.
	Delete Op = "delete"
	// Test refuses the whole call unless the place holds the value.
	Test Op = "test"
	// Copy inserts the value that stands at From.
	Copy Op = "copy"
	// Move deletes the value at From and inserts it.
	Move Op = "move"
)

// Change asks for one value at one path.
type Change struct {
	// Op is Set if empty.
	Op Op
	// Path names keys separated by dots, list items as [0] or [name=api]; a
	// backslash makes the next character a plain one: metadata.labels.app\.kubernetes\.io/name.
	// A path that begins with a slash is a JSON Pointer: /spec/containers/0.
	Path string
	// From is a path too, for Copy and Move.
	From string
	// Value is a string, bool, integer, float, json.Number, nil, or a
	// map[string]any or []any of these. It is written so that it reads back as
	// this very type. Delete, Copy and Move have none.
	Value any
	// Must refuses Replace and Delete of what is not there, and Insert below
	// what is not there.
	Must bool
}

// Selector names one document of a file; empty fields fit everything.
type Selector struct{ APIVersion, Kind, Name, Namespace string }

// Edit is one change that was made.
type Edit struct {
	Path string
	// Old and New are the values as text, maps and lists as JSON; Old is empty
	// if there was none, New if there is none now.
	Old, New string
	// Line in the new content, from 1; of what was deleted: where it stood.
	Line int
}

// Outcome is a file after its changes.
type Outcome struct {
	Content []byte
	// Edits lists what differs; a value that was right already is not in it.
	Edits []Edit
}

// Changed reports whether anything differs.
func (o Outcome) Changed() bool { return len(o.Edits) > 0 }

const (
	// maxFile bounds what is parsed. The densest file of this size takes 250
	// MiB as a tree; the actions that edit may have 512.
	maxFile = 1 << 20
	// maxChanges bounds one call.
	maxChanges = 1000
	// maxWork bounds the bytes that one call parses: the file is read again
	// after each change, at about 3 MiB a second, and an action has a minute.
	maxWork = 64 << 20
)

// Apply makes the changes to one document of a file, one after the other.
// Every byte outside the changed values stays: quotes, comments, line ends,
// byte order mark, anchors, markers. Missing keys are added behind their
// siblings. What cannot be done exactly is refused, and then nothing is
// changed; every error is a *run.Refusal that names file and path.
func Apply(file string, content []byte, sel Selector, changes []Change) (Outcome, error) {
	flat, err := flatten(changes)
	if err != nil {
		return Outcome{}, err
	}
	d, err := open(file, content, sel)
	if err != nil {
		return Outcome{}, err
	}
	first := d
	var edits []Edit
	for _, c := range flat {
		actions, err := d.expand(c)
		if err != nil {
			return Outcome{}, err
		}
		if n := len(edits) + len(actions); n > maxChanges || n*len(d.content) > maxWork {
			return Outcome{}, unsupported("file %s: %d changes of %d bytes are too much at once: make them in several steps", file, n, len(d.content))
		}
		for _, a := range actions {
			next, s, edit, err := d.do(a)
			if err != nil {
				return Outcome{}, err
			}
			edits = append(s.shift(d.content, edits), edit)
			d = next
		}
	}
	if err := allowed(first, d); len(edits) > 0 && err != nil {
		return Outcome{}, err
	}
	return Outcome{Content: d.content, Edits: edits}, nil
}

// allowed refuses values that the type of a Kubernetes object forbids. An
// object that was wrong before may be changed all the same.
func allowed(old, new *document) error {
	if _, known := kinds.Of(scalarAt(new.root(), "apiVersion"), scalarAt(new.root(), "kind")); !known {
		return nil
	}
	before, err := notation.Data(old.root())
	if err != nil || kinds.Check(before) != nil {
		return nil
	}
	after, err := notation.Data(new.root())
	if err == nil {
		err = kinds.Check(after)
	}
	if err != nil {
		return refuse(v1alpha1.ReasonEditSchemaViolated, "file %s: %s", old.file, err)
	}
	return nil
}

func scalarAt(n *yaml.Node, key string) string {
	if v := notation.Field(n, key); v != nil {
		return v.Value
	}
	return ""
}

// Read returns one document of a file as JSON has it, numbers as json.Number.
func Read(file string, content []byte, sel Selector) (any, error) {
	d, err := open(file, content, sel)
	if err != nil {
		return nil, err
	}
	v, err := notation.Data(d.root())
	if err != nil {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "file %s cannot be read as data: %s", file, err)
	}
	return v, nil
}

// do makes one action and proves that it did nothing else.
func (d *document) do(a action) (*document, splice, Edit, error) {
	where := a.path
	if a.verb == insertItem {
		where.segments = where.segments[:len(where.segments)-1]
	}
	at, err := d.locate(where)
	if err != nil {
		return nil, splice{}, Edit{}, err
	}
	edit := Edit{Path: a.path.text, Line: at.line()}
	if len(at.missing) == 0 && a.verb != insertItem {
		edit.Old = notation.Show(at.value)
	}
	if a.verb != removeNode {
		edit.New = notation.Text(a.value)
	}
	s, err := d.plan(at, a)
	if err != nil {
		return nil, splice{}, Edit{}, err
	}
	if a.verb == insertItem || len(at.missing) > 0 {
		edit.Line = d.lineOf(s)
	}
	next, err := d.prove(at, a, s.into(d.content))
	return next, s, edit, err
}

// splice replaces content[start:end] by text.
type splice struct {
	start, end int
	text       string
}

func (s splice) into(content []byte) []byte {
	out := make([]byte, 0, len(content)+len(s.text))
	out = append(out, content[:s.start]...)
	out = append(out, s.text...)
	return append(out, content[s.end:]...)
}

// shift moves the lines of earlier edits that stand behind the splice.
func (s splice) shift(content []byte, edits []Edit) []Edit {
	first := 1 + bytes.Count(content[:s.start], []byte("\n"))
	gone := bytes.Count(content[s.start:s.end], []byte("\n"))
	come := bytes.Count([]byte(s.text), []byte("\n"))
	for i := range edits {
		if edits[i].Line > first+gone || (s.start == s.end && edits[i].Line == first && come > 0 && s.text[len(s.text)-1] == '\n') {
			edits[i].Line += come - gone
		}
	}
	return edits
}

// lineOf is the line of the first thing that a splice adds.
func (d *document) lineOf(s splice) int {
	line := 1 + bytes.Count(d.content[:s.start], []byte("\n"))
	for _, c := range []byte(s.text) {
		switch c {
		case '\n':
			line++
		case ' ', '\r':
		default:
			return line
		}
	}
	return line
}

func refuse(reason run.Reason, format string, args ...any) error {
	return run.Refuse(reason, format, args...)
}

func unsupported(format string, args ...any) error {
	return refuse(v1alpha1.ReasonEditUnsupported, format, args...)
}
