package edit

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit/notation"
)

// document is a parsed file and the one document in it that is edited.
type document struct {
	file    string
	content []byte
	// starts holds the offset of each line.
	starts []int
	// all documents; chosen is one of them.
	all    []*yaml.Node
	chosen int
	// aliased are the anchors that something refers to.
	aliased map[string]bool
}

func (d *document) root() *yaml.Node { return d.all[d.chosen].Content[0] }

// open parses a file and chooses the document that is edited.
func open(file string, content []byte, sel Selector) (*document, error) {
	d, err := read(file, content)
	if err != nil {
		return nil, err
	}
	d.chosen, err = d.choose(sel)
	return d, err
}

func read(file string, content []byte) (*document, error) {
	if err := readable(file, content); err != nil {
		return nil, err
	}
	all, err := notation.Parse(content)
	if err != nil {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "file %s is not YAML: %s", file, err)
	}
	d := &document{file: file, content: content, starts: lineStarts(content), all: all, aliased: map[string]bool{}}
	for _, doc := range all {
		if isEncrypted(doc) {
			return nil, refuse(v1alpha1.ReasonEditEncrypted, "file %s is encrypted by SOPS: change it with the key", file)
		}
		d.collectAliases(doc)
	}
	return d, nil
}

// readable refuses what cannot be placed byte by byte.
func readable(file string, content []byte) error {
	switch {
	case len(content) > maxFile:
		return unsupported("file %s is larger than %d bytes", file, maxFile)
	case !utf8.Valid(content):
		return unsupported("file %s is not UTF-8", file)
	case bytes.Contains(content, []byte("{{")):
		return refuse(v1alpha1.ReasonEditTemplated, "file %s is a template ({{): change the values that it is rendered from", file)
	case bytes.ContainsAny(content, "\u0085\u2028\u2029"), bytes.Contains(bytes.ReplaceAll(content, []byte("\r\n"), nil), []byte("\r")):
		return unsupported("file %s has unusual line ends", file)
	}
	return nil
}

func lineStarts(content []byte) []int {
	first := 0
	if bytes.HasPrefix(content, []byte(notation.ByteOrderMark)) {
		first = len(notation.ByteOrderMark)
	}
	starts := []int{first}
	for i, b := range content {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// offset turns a node's line and column, which counts characters, into bytes.
func (d *document) offset(n *yaml.Node) int {
	at := d.starts[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(d.content[at:])
		at += size
	}
	return at
}

func (d *document) collectAliases(n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		d.aliased[n.Value] = true
		return
	}
	for _, c := range n.Content {
		d.collectAliases(c)
	}
}

func isEncrypted(doc *yaml.Node) bool {
	seal := notation.Field(doc.Content[0], "sops")
	return seal != nil && notation.Field(seal, "mac") != nil
}

func (d *document) choose(sel Selector) (int, error) {
	var found []int
	for i, doc := range d.all {
		if sel.fits(doc.Content[0]) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, refuse(v1alpha1.ReasonEditTargetNotFound, "file %s has no document that is %s", d.file, sel)
	}
	return 0, refuse(v1alpha1.ReasonEditTargetAmbiguous, "file %s has %d documents that are %s: name apiVersion, kind, name or namespace", d.file, len(found), sel)
}

func (s Selector) fits(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode && (s != Selector{} || root.Tag == "!!null") {
		return false
	}
	meta := notation.Field(root, "metadata")
	for _, want := range []struct {
		value string
		node  *yaml.Node
	}{
		{s.APIVersion, notation.Field(root, "apiVersion")}, {s.Kind, notation.Field(root, "kind")},
		{s.Name, notation.Field(meta, "name")}, {s.Namespace, notation.Field(meta, "namespace")},
	} {
		if want.value != "" && (want.node == nil || want.node.Value != want.value) {
			return false
		}
	}
	return true
}

// String names the selector in messages.
func (s Selector) String() string {
	if s == (Selector{}) {
		return "the only one"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", s.APIVersion, s.Kind, strings.TrimPrefix(s.Namespace+"/"+s.Name, "/")))
}
