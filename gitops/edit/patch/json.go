package patch

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/internal/run"
)

// JSON reads a JSON Patch (RFC 6902): a list of operations, of which test is
// one. They are all made or none.
func JSON(text []byte) ([]edit.Change, error) {
	var list []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&list); err != nil || len(text) > maxPatch {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "JSON patch must be a list of operations of at most %d bytes: %v", maxPatch, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "JSON patch is followed by something else")
	}
	out := make([]edit.Change, 0, len(list))
	for i, given := range list {
		c, missing := operation(given)
		if missing != "" {
			return nil, run.Refuse(v1alpha1.ReasonEditInvalid, "JSON patch operation %d: wanted %s", i, missing)
		}
		out = append(out, c)
	}
	return out, nil
}

// operation reads one operation; missing says what it lacks.
func operation(given map[string]any) (c edit.Change, missing string) {
	name, _ := given["op"].(string)
	ops := map[string]edit.Op{"add": edit.Insert, "remove": edit.Delete, "replace": edit.Replace, "test": edit.Test, "copy": edit.Copy, "move": edit.Move}
	op, known := ops[name]
	path, hasPath := given["path"].(string)
	from, _ := given["from"].(string)
	value, hasValue := given["value"]
	switch {
	case !known:
		return c, "op to be add, remove, replace, move, copy or test"
	case !hasPath || !strings.HasPrefix(path, "/"):
		return c, "path to be a JSON Pointer to something in the document, such as /spec/replicas"
	case (op == edit.Copy || op == edit.Move) && !strings.HasPrefix(from, "/"):
		return c, "from to be a JSON Pointer to something in the document"
	case (op == edit.Insert || op == edit.Replace || op == edit.Test) && !hasValue:
		return c, "a value"
	}
	return edit.Change{Op: op, Path: path, From: from, Value: value, Must: true}, ""
}
