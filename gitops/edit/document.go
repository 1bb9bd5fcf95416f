package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

const byteOrderMark = "\xef\xbb\xbf"

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

func (e editor) open(content []byte) (*document, error) {
	if err := e.readable(content); err != nil {
		return nil, err
	}
	all, err := parse(content)
	if err != nil {
		return nil, refuse(v1alpha1.ReasonEditInvalid, "file %s is not YAML: %s", e.file, err)
	}
	d := &document{file: e.file, content: content, starts: lineStarts(content), all: all, aliased: map[string]bool{}}
	for _, doc := range all {
		if isEncrypted(doc) {
			return nil, refuse(v1alpha1.ReasonEditEncrypted, "file %s is encrypted by SOPS: change it with the key", e.file)
		}
		d.collectAliases(doc)
	}
	d.chosen, err = e.choose(all)
	return d, err
}

// readable refuses what cannot be placed byte by byte.
func (e editor) readable(content []byte) error {
	switch {
	case len(content) > maxFile:
		return unsupported("file %s is larger than %d bytes", e.file, maxFile)
	case !utf8.Valid(content):
		return unsupported("file %s is not UTF-8", e.file)
	case bytes.Contains(content, []byte("{{")):
		return refuse(v1alpha1.ReasonEditTemplated, "file %s is a template ({{): change the values that it is rendered from", e.file)
	case bytes.ContainsAny(content, "\u0085\u2028\u2029"), bytes.Contains(bytes.ReplaceAll(content, []byte("\r\n"), nil), []byte("\r")):
		return unsupported("file %s has unusual line ends", e.file)
	}
	return nil
}

func parse(content []byte) (docs []*yaml.Node, err error) {
	// The parser is a port from C; a slip in it must not end the program.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("parser gave up: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(content, []byte(byteOrderMark))))
	for {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, &n)
	}
}

func lineStarts(content []byte) []int {
	first := 0
	if bytes.HasPrefix(content, []byte(byteOrderMark)) {
		first = len(byteOrderMark)
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
	seal := field(doc.Content[0], "sops")
	return seal != nil && field(seal, "mac") != nil
}

// field returns the value of the first such key of a map, nil if there is none.
func field(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func (e editor) choose(all []*yaml.Node) (int, error) {
	var found []int
	for i, doc := range all {
		if e.sel.fits(doc.Content[0]) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, refuse(v1alpha1.ReasonEditTargetNotFound, "file %s has no document that is %s", e.file, e.sel)
	}
	return 0, refuse(v1alpha1.ReasonEditTargetAmbiguous, "file %s has %d documents that are %s: name apiVersion, kind, name or namespace", e.file, len(found), e.sel)
}

func (s Selector) fits(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode && (s != Selector{} || root.Tag == "!!null") {
		return false
	}
	meta := field(root, "metadata")
	for _, want := range []struct {
		value string
		node  *yaml.Node
	}{
		{s.APIVersion, field(root, "apiVersion")}, {s.Kind, field(root, "kind")},
		{s.Name, field(meta, "name")}, {s.Namespace, field(meta, "namespace")},
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
