package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// maxNodes bounds a document with its aliases written out: a few bytes of
// aliases of aliases otherwise fill any memory.
const maxNodes = 200_000

// file is one source file and its documents.
type file struct {
	name     string // as findings name it
	content  []byte
	docs     []*yaml.Node
	findings []v1alpha1.Finding
}

// parseFile reads YAML (and so JSON) and finds syntax errors, keys that stand
// twice and documents that explode.
func parseFile(name string, content []byte) *file {
	f := &file{name: name, content: content}
	d := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return f
		}
		if err != nil {
			f.add(lineIn(err.Error()), strings.TrimPrefix(err.Error(), "yaml: "))
			return f
		}
		c := counter{done: map[*yaml.Node]int{}}
		if n := c.count(&doc); n > maxNodes {
			f.add(doc.Line, fmt.Sprintf("with its aliases written out the document has more than %d values", maxNodes))
			return f
		}
		f.docs = append(f.docs, &doc)
		f.twice(&doc)
	}
}

func (f *file) add(line int, message string) {
	f.findings = append(f.findings, v1alpha1.Finding{File: f.name, Line: int32(line), Reason: v1alpha1.ReasonBuildFailed, Message: cut(message, maxMessage)})
}

// finding is one about a field of the first document.
func (f *file) finding(field, message string) v1alpha1.Finding {
	p := position{file: f.name}
	if len(f.docs) > 0 {
		p.node = f.docs[0]
	}
	return v1alpha1.Finding{File: f.name, Line: int32(p.line(field)), Reason: v1alpha1.ReasonBuildFailed, Message: cut(message, maxMessage)}
}

func (f *file) err() error {
	if len(f.findings) == 0 {
		return nil
	}
	return fmt.Errorf("%s line %d: %s", f.name, f.findings[0].Line, f.findings[0].Message)
}

// checkObjects refuses documents that are no Kubernetes objects, which the
// build would say without a line.
func (f *file) checkObjects() {
	for _, doc := range f.docs {
		at := doc.Content[0]
		named := text(doc, "metadata", "name") != "" || strings.HasSuffix(text(doc, "kind"), "List")
		empty := at.Kind == yaml.ScalarNode && at.Tag == "!!null"
		if !empty && (text(doc, "apiVersion") == "" || text(doc, "kind") == "" || !named) {
			f.add(at.Line, "not a Kubernetes object: apiVersion, kind and metadata.name are needed")
		}
	}
}

// lineIn finds the line that a message of the YAML library names.
func lineIn(message string) int {
	m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// counter counts nodes with aliases written out.
type counter struct{ done map[*yaml.Node]int }

func (c counter) count(n *yaml.Node) int {
	if known, ok := c.done[n]; ok {
		return known
	}
	// An alias inside its own anchor has no end.
	c.done[n] = maxNodes + 1
	sum := 1
	if n.Kind == yaml.AliasNode {
		sum += c.count(n.Alias)
	}
	for _, child := range n.Content {
		if sum += c.count(child); sum > maxNodes {
			sum = maxNodes + 1
			break
		}
	}
	c.done[n] = sum
	return sum
}

// twice finds keys that stand twice in one mapping.
func (f *file) twice(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		lines := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if first, ok := lines[key.Value]; ok && key.Kind == yaml.ScalarNode {
				f.add(key.Line, fmt.Sprintf("key %q stands in line %d already: remove one", key.Value, first))
				continue
			}
			lines[key.Value] = key.Line
		}
	}
	for _, child := range n.Content {
		f.twice(child)
	}
}

// position is where an object stands in the sources.
type position struct {
	file string
	node *yaml.Node // nil if only the file is known
}

// line of a field such as "spec.steps[1].inputs.url": of the deepest part of
// it that stands in the file, since a patch may have added the rest.
func (p position) line(field string) int {
	if p.node == nil {
		return 0
	}
	at := p.node
	if at.Kind == yaml.DocumentNode && len(at.Content) == 1 {
		at = at.Content[0]
	}
	line := at.Line
	for _, word := range words(field) {
		key, value := child(at, word)
		if value == nil {
			break
		}
		at, line = value, key.Line
	}
	return line
}

// child finds a key's node and value, or an entry of a list as both.
func child(n *yaml.Node, word string) (key, value *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == word {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(word); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
	}
	return nil, nil
}

// words cuts a field path; brackets hold an index or a quoted key.
func words(field string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`\["((?:[^"\\]|\\.)*)"\]|\[([^\]"]*)\]|([^.\[\]]+)`).FindAllStringSubmatch(field, -1) {
		word := m[2] + m[3]
		if m[1] != "" {
			if unquoted, err := strconv.Unquote(`"` + m[1] + `"`); err == nil {
				word = unquoted
			}
		}
		out = append(out, word)
	}
	return out
}

// where finds the document of an object in the file it came from.
func (s *sources) where(origin, kind, name string) position {
	in, ok := inside("/" + strings.TrimPrefix(origin, "../"))
	if !ok {
		return position{}
	}
	f := s.read[in]
	if f == nil {
		return position{file: s.relative(in)}
	}
	best, similar := position{file: f.name}, -1
	for _, doc := range f.docs {
		called := text(doc, "metadata", "name")
		// A prefix or suffix may have been added to the name.
		if text(doc, "kind") == kind && strings.Contains(name, called) && len(called) > similar {
			best.node, similar = doc, len(called)
		}
	}
	return best
}

// holding returns the line of the first scalar with a value; 0 if there is none.
func holding(n *yaml.Node, value string) int {
	if n == nil {
		return 0
	}
	if n.Kind == yaml.ScalarNode && n.Value == value {
		return n.Line
	}
	for _, child := range n.Content {
		if line := holding(child, value); line > 0 {
			return line
		}
	}
	return 0
}

// duplicates finds objects of one kind and name in all files that were read.
func (s *sources) duplicates() []v1alpha1.Finding {
	var findings []v1alpha1.Finding
	first := map[string]position{}
	for _, name := range slices.Sorted(maps.Keys(s.read)) {
		f := s.read[name]
		for _, doc := range f.docs {
			kind, called := text(doc, "kind"), text(doc, "metadata", "name")
			id, here := kind+"/"+called, position{file: f.name, node: doc}
			before, ok := first[id]
			if !ok || kind == "" || called == "" {
				first[id] = here
				continue
			}
			findings = append(findings, v1alpha1.Finding{File: here.file, Line: int32(here.line("metadata.name")), Object: cut(id, 320), Reason: v1alpha1.ReasonValidationFailed,
				Message: cut(fmt.Sprintf("%s stands in %s line %d too: rename or remove one", id, before.file, before.line("")), maxMessage)})
		}
	}
	return findings
}

// text reads a string of a document; "" if it is not there.
func text(doc *yaml.Node, keys ...string) string {
	at := doc
	if at.Kind == yaml.DocumentNode && len(at.Content) == 1 {
		at = at.Content[0]
	}
	for _, key := range keys {
		if _, at = child(at, key); at == nil {
			return ""
		}
	}
	return at.Value
}
