package notation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// ByteOrderMark may stand before the first character of a file.
const ByteOrderMark = "\xef\xbb\xbf"

// Parse reads all documents of a file.
func Parse(content []byte) (docs []*yaml.Node, err error) {
	// The parser is a port from C; a slip in it must not end the program.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("parser gave up: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(content, []byte(ByteOrderMark))))
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

// Data is a node as JSON has it.
func Data(n *yaml.Node) (any, error) {
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return Decode(raw)
}

// IsCollection says whether a value is a map or a list.
func IsCollection(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
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

// Field returns the value of the first such key of a map, nil if there is none.
func Field(n *yaml.Node, key string) *yaml.Node {
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
