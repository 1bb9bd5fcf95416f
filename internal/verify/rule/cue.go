package rule

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/cuecontext"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	cuejson "cuelang.org/go/encoding/json"
)

// schema is a rule in CUE. It keeps the text as a tree and not as a value,
// because a context of CUE remembers all it has ever seen.
type schema struct{ file *ast.File }

func compileCUE(text string) (schema, error) {
	file, err := parser.ParseFile("rule.cue", text)
	if err != nil {
		return schema{}, errors.New(brief(cueerrors.Details(err, nil)))
	}
	for spec := range file.ImportSpecs() {
		if path := strings.Trim(spec.Path.Value, `"`); strings.HasPrefix(path, "tool/") || strings.Contains(path, ".") {
			return schema{}, fmt.Errorf("import %s: a rule can import pure packages of CUE's own library alone", spec.Path.Value)
		}
	}
	if err := cuecontext.New().BuildFile(file).Err(); err != nil {
		return schema{}, errors.New(brief(cueerrors.Details(err, nil)))
	}
	return schema{file: file}, nil
}

// Evaluate demands that the document fits the rule and is concrete.
func (s schema) Evaluate(_ context.Context, document []byte) ([]string, error) {
	parsed, err := cuejson.Extract("document", document)
	if err != nil {
		return nil, fmt.Errorf("parse document: %s", brief(err.Error()))
	}
	root := cuecontext.New()
	both := root.BuildFile(s.file).Unify(root.BuildExpr(parsed))
	if err := both.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return nil, errors.New(brief(err.Error()))
	}
	return nil, nil
}
