// Package edit changes values in YAML files byte by byte and proves that nothing else changed.
package edit

import (
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Change asks for one value at one path.
type Change struct {
	// Path names keys separated by dots, list items as [0] or [name=api]; a
	// backslash makes the next character a plain one: metadata.labels.app\.kubernetes\.io/name.
	Path string
	// Value is a string, bool, integer, float, json.Number or nil, and for
	// keys that do not exist yet also a map[string]any or []any of these. It
	// is written so that it reads back as this very type.
	Value any
}

// Selector names one document of a file; empty fields fit everything.
type Selector struct{ APIVersion, Kind, Name, Namespace string }

// Edit is one change that was made.
type Edit struct {
	Path string
	// Old and New are the values as text; Old is empty if there was none.
	Old, New string
	// Line in the new content, from 1.
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

// maxFile bounds what is parsed.
const maxFile = 4 << 20

// Apply makes the changes to one document of a file. Every byte outside the
// changed values stays: quotes, comments, line ends, byte order mark, anchors,
// markers. Missing keys are added behind their siblings. What cannot be done
// exactly is refused, and then nothing is changed; every error is a
// *run.Refusal that names file and path.
func Apply(file string, content []byte, sel Selector, changes []Change) (Outcome, error) {
	flat, err := flatten(changes)
	if err != nil {
		return Outcome{}, err
	}
	e := editor{file: file, sel: sel}
	out := Outcome{Content: content}
	paths := make([]path, 0, len(flat))
	for _, c := range flat {
		p, err := parsePath(c.Path)
		if err != nil {
			return Outcome{}, err
		}
		next, edit, err := e.apply(out.Content, p, c)
		if err != nil {
			return Outcome{}, err
		}
		if next == nil {
			continue
		}
		out.Content = next
		out.Edits = append(out.Edits, edit)
		paths = append(paths, p)
	}
	return e.number(out, paths)
}

// number fills in the lines, which later changes may have moved.
func (e editor) number(out Outcome, paths []path) (Outcome, error) {
	if len(paths) == 0 {
		return out, nil
	}
	d, err := e.open(out.Content)
	if err != nil {
		return Outcome{}, err
	}
	for i, p := range paths {
		at, err := d.locate(p)
		if err != nil {
			return Outcome{}, err
		}
		out.Edits[i].Line = at.line()
	}
	return out, nil
}

// editor makes changes one after the other, each proven by itself.
type editor struct {
	file string
	sel  Selector
}

// apply returns nil content if the value is there already.
func (e editor) apply(content []byte, p path, c Change) ([]byte, Edit, error) {
	d, err := e.open(content)
	if err != nil {
		return nil, Edit{}, err
	}
	at, err := d.locate(p)
	if err != nil {
		return nil, Edit{}, err
	}
	if len(at.missing) == 0 && holds(at.value, c.Value) {
		return nil, Edit{}, nil
	}
	splice, err := d.plan(at, c.Value)
	if err != nil {
		return nil, Edit{}, err
	}
	next := splice.into(content)
	if err := e.prove(d, at, c.Value, next); err != nil {
		return nil, Edit{}, err
	}
	edit := Edit{Path: c.Path, New: text(c.Value)}
	if len(at.missing) == 0 {
		edit.Old = at.value.Value
	}
	return next, edit, nil
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

func refuse(reason run.Reason, format string, args ...any) error {
	return run.Refuse(reason, format, args...)
}

func unsupported(format string, args ...any) error {
	return refuse(v1alpha1.ReasonEditUnsupported, format, args...)
}
