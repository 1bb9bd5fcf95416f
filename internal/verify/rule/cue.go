package rule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	cuejson "cuelang.org/go/encoding/json"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// maxAtOnce bounds how many evaluations of one rule in CUE go on at a time, and
// with them those that nobody waits for any more: CUE cannot be interrupted.
// Images of one run are judged side by side, and a rule takes microseconds.
const maxAtOnce = 4

// maxCompile bounds what a rule takes without a document. It is generous, since
// a busy machine must not close a policy until somebody changes it.
const maxCompile = 5 * time.Second

// schema is a rule in CUE. It keeps the text and neither a value, because a
// context of CUE remembers all it has ever seen, nor a tree, because building a
// value of it writes to it.
type schema struct {
	text string
	// places are taken by evaluations that go on.
	places chan struct{}
}

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
	s := schema{text: text, places: make(chan struct{}, maxAtOnce)}
	err = s.bounded(context.Background(), maxCompile, func() error {
		if err := cuecontext.New().BuildFile(file).Err(); err != nil {
			return errors.New(brief(cueerrors.Details(err, nil)))
		}
		return nil
	})
	return s, err
}

// Evaluate demands that the document fits the rule and is concrete.
func (s schema) Evaluate(ctx context.Context, document []byte) ([]string, error) {
	return nil, s.bounded(ctx, maxTime, func() error { return s.judge(document) })
}

// bounded waits so long for an answer of CUE. What takes longer is left to end by
// itself.
func (s schema) bounded(ctx context.Context, limit time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %d evaluations of it go on already", policy.ErrCutShort, maxAtOnce)
	}
	said := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil { // it would end the process, in nobody's call
				said <- fmt.Errorf("CUE gave up on it: %v", p)
			}
			<-s.places
		}()
		said <- ask()
	}()
	select {
	case err := <-said:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w after %s", policy.ErrCutShort, limit)
	}
}

func (s schema) judge(document []byte) error {
	parsed, err := cuejson.Extract("document", document)
	if err != nil {
		return fmt.Errorf("parse document: %s", brief(err.Error()))
	}
	file, err := parser.ParseFile("rule.cue", s.text)
	if err != nil {
		return errors.New(brief(cueerrors.Details(err, nil)))
	}
	root := cuecontext.New()
	both := root.BuildFile(file).Unify(root.BuildExpr(parsed))
	if err := both.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return errors.New(brief(err.Error()))
	}
	return nil
}
