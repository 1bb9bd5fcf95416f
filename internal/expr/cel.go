package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
)

// MaxCondition bounds the source of a condition in bytes: what a person can
// read in one go, and far below what slows the parser down.
const MaxCondition = 1024

// Shape says what a condition may name, and of what type each thing is. Types
// are words of the language: string, integer, number, boolean, array, object,
// duration, quantity. Any other word, and none, is a type that is not known:
// what is done with it is checked when the condition is asked.
type Shape struct {
	// Params holds types by parameter.
	Params map[string]string
	// Outputs holds types by step, then output. The outputs of a step with a
	// nil map are not known beforehand: any name, any type.
	Outputs map[string]map[string]string
	// Target says whether target.* has values.
	Target bool
}

// Outcome is how a step ended, for conditions.
type Outcome struct {
	// Phase is Succeeded, Failed, Skipped or Cancelled.
	Phase string
	// Reason is a constant of api/v1alpha1.
	Reason string
}

// Condition is a boolean expression of the Common Expression Language over
// what references may name: params.NAME, steps.STEP.outputs.NAME,
// steps.STEP.phase, steps.STEP.reason, target.* and execution.*. A name that
// is no word of the language stands in brackets: steps["git-clone"]. It is
// safe for concurrent use.
type Condition struct {
	refs    []Ref
	types   map[Ref]string
	program cel.Program
	info    *celast.SourceInfo
}

// Compile checks a condition against a shape: its syntax, every name, every
// type, and what it may cost. The error joins an *Invalid for each fault; its
// message starts with the place in the source. It takes about a tenth of a
// millisecond for a line.
func Compile(source string, shape Shape) (*Condition, error) {
	switch {
	case len(source) > MaxCondition:
		return nil, &Invalid{Message: fmt.Sprintf("found a condition of %d bytes, at most %d are taken: compute it in a step and test its output", len(source), MaxCondition)}
	case strings.TrimSpace(source) == "":
		return nil, &Invalid{Message: "found an empty condition: want an expression such as params.count > 1"}
	}
	env, err := language()
	if err != nil {
		return nil, fmt.Errorf("make the language of conditions: %w", err)
	}
	parsed, issues := env.Parse(source)
	if faults := faultsOf(issues); len(faults) > 0 {
		return nil, faults[0]
	}
	tree := parsed.NativeRep()
	names := naming{shape: shape, info: tree.SourceInfo(), next: celast.MaxID(tree), types: map[Ref]string{}}
	if names.walk(tree.Expr()); len(names.faults) > 0 {
		return nil, errors.Join(names.faults...)
	}
	checked, issues := env.Check(parsed)
	if faults := faultsOf(issues); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if t := checked.OutputType(); t.Kind() != types.BoolKind && t.Kind() != types.DynKind {
		return nil, &Invalid{Message: fmt.Sprintf("the condition is of type %s: want boolean", typeWords(cel.FormatCELType(t)))}
	}
	if err := bounded(checked); err != nil {
		return nil, err
	}
	if err := affordable(env, checked); err != nil {
		return nil, err
	}
	program, err := env.Program(checked, cel.CostLimit(maxCost), cel.CostTracking(meter{}))
	if err != nil {
		return nil, &Invalid{Message: err.Error()}
	}
	return &Condition{refs: names.refs(), types: names.types, program: program, info: checked.NativeRep().SourceInfo()}, nil
}

// Refs lists everything that the condition names, inside has() too, each once,
// sorted by kind, step and name.
func (c *Condition) Refs() []Ref { return slices.Clone(c.refs) }

// Holds says whether the condition is true. It is an error if a value that
// decides it is missing, is not of its type, or if it takes too long.
func (c *Condition) Holds(s Scope) (bool, error) {
	values, err := s.celValues(c.types, c.refs)
	if err != nil {
		return false, err
	}
	out, _, err := c.program.Eval(values)
	if err != nil {
		return false, c.failed(err)
	}
	held, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the condition is of type %s: want boolean", typeWords(out.Type().TypeName()))
	}
	return bool(held), nil
}

// failed puts an error of the evaluation into the author's words.
func (c *Condition) failed(err error) error {
	var cancelled interpreter.EvalCancelledError
	if errors.As(err, &cancelled) {
		return fmt.Errorf("the condition takes too long: it went beyond the cost of %d that one evaluation may have", maxCost)
	}
	at := ""
	var e *types.Err
	if errors.As(err, &e) {
		at = place(c.info.GetStartLocation(e.NodeID()))
	}
	message := err.Error()
	if key, ok := strings.CutPrefix(message, "no such key: "); ok {
		message = fmt.Sprintf("the object has no key %q", key)
		if slices.ContainsFunc(c.refs, func(r Ref) bool { return r.InCondition() == key }) {
			message = key + " has no value"
		}
	}
	return errors.New(at + plainer(message))
}
