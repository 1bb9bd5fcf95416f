package expr

import (
	"fmt"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// growth refuses loops that put a list or object into several places: each
// round of [[1]].map(x, [x, x]).map(x, [x, x]) doubles what a comparison has to
// read, at the cost of two list elements, and a comparison cannot be ended.
// Inside a loop a list therefore takes scalars, or one part of the element that
// the loop is at.
type growth struct {
	tree *celast.AST
	info *celast.SourceInfo
}

// bounded checks what a condition makes in its loops.
func bounded(checked *cel.Ast) error {
	tree := checked.NativeRep()
	return growth{tree, tree.SourceInfo()}.walk(tree.Expr(), "")
}

// walk checks e, inside the loop over element; "" outside of any.
func (g growth) walk(e celast.Expr, element string) error {
	switch e.Kind() {
	case celast.ComprehensionKind:
		loop := e.AsComprehension()
		if err := g.all(element, loop.IterRange(), loop.AccuInit()); err != nil {
			return err
		}
		return g.all(loop.IterVar(), loop.LoopCondition(), loop.LoopStep(), loop.Result())
	case celast.SelectKind:
		return g.walk(e.AsSelect().Operand(), element)
	case celast.CallKind:
		if e.AsCall().IsMemberFunction() {
			if err := g.walk(e.AsCall().Target(), element); err != nil {
				return err
			}
		}
		return g.all(element, e.AsCall().Args()...)
	case celast.ListKind:
		return g.made(e, element, e.AsList().Elements())
	case celast.MapKind:
		var values []celast.Expr
		for _, entry := range e.AsMap().Entries() {
			values = append(values, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return g.made(e, element, values)
	}
	return nil
}

func (g growth) all(element string, list ...celast.Expr) error {
	for _, e := range list {
		if err := g.walk(e, element); err != nil {
			return err
		}
	}
	return nil
}

// made checks a list or object that is made of parts.
func (g growth) made(e celast.Expr, element string, parts []celast.Expr) error {
	for _, p := range parts {
		if element == "" || scalar(g.tree.GetType(p.ID())) || len(parts) == 1 && partOf(p, element) {
			continue
		}
		return &Invalid{Message: place(g.info.GetStartLocation(p.ID())) + fmt.Sprintf(
			"a list or object made in a loop takes text, numbers and booleans, or one part of the element: found type %s", typeWords(cel.FormatCELType(g.tree.GetType(p.ID()))))}
	}
	return g.all(element, parts...)
}

func scalar(t *cel.Type) bool {
	switch t.Kind() {
	case types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind, types.StringKind, types.BytesKind,
		types.DurationKind, types.TimestampKind, types.NullTypeKind, types.TypeKind:
		return true
	}
	return false
}

// partOf says whether e is the element itself or selected from it.
func partOf(e celast.Expr, element string) bool {
	switch e.Kind() {
	case celast.IdentKind:
		return e.AsIdent() == element
	case celast.SelectKind:
		return partOf(e.AsSelect().Operand(), element)
	case celast.CallKind:
		return e.AsCall().FunctionName() == operators.Index && partOf(e.AsCall().Args()[0], element)
	}
	return false
}
