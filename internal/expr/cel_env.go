package expr

import (
	"fmt"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/parser"
)

// maxCost is what one condition may cost, in the units of cel-go: about one
// for each operation, and one for each ten bytes of text that it reads. A loop
// costs five to ten for each entry, so that a list of some thousands can be
// searched. The time of a loop grows with its square, since the library counts
// costs on a stack: 50,000 end after a tenth of a second at worst.
const maxCost = 50_000

// assumedSize is how many entries of a list or object, and how many bytes of
// text, the estimate before the run counts on where it cannot know. One loop
// over such a list fits into maxCost, with a search by "in" for each entry; a
// loop inside that loop does not.
const assumedSize = 200

// words are the types of the language.
func words() []string {
	return []string{"string", "integer", "number", "boolean", "array", "object", "duration", "quantity"}
}

// typeOf is the type of a word; that of any other is not known.
func typeOf(word string) *cel.Type {
	switch word {
	case "string", "quantity":
		return cel.StringType
	case "integer":
		return cel.IntType
	case "number":
		return cel.DoubleType
	case "boolean":
		return cel.BoolType
	case "array":
		return cel.ListType(cel.DynType)
	case "object":
		return cel.MapType(cel.StringType, cel.DynType)
	case "duration":
		return cel.DurationType
	}
	return cel.DynType
}

// unsure is the variable of values whose type is not known.
const unsure = "@any"

// variable names the map of all values of a type. No source can contain it.
func variable(word string) string {
	if slices.Contains(words(), word) {
		return "@" + word
	}
	return unsure
}

// language makes the one that all conditions have: the standard library, and a
// map of values for each type.
func language() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.Macros(cel.GlobalMacro(operators.Has, 1, presence)),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.CustomTypeAdapter(orderly{}),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		cel.Variable(unsure, cel.MapType(cel.StringType, cel.DynType)),
	}
	for _, w := range words() {
		options = append(options, cel.Variable(variable(w), cel.MapType(cel.StringType, typeOf(w))))
	}
	return cel.NewEnv(options...)
}

// presence is has(), which takes x["key"] as it takes x.key.
func presence(eh cel.MacroExprFactory, target celast.Expr, args []celast.Expr) (celast.Expr, *cel.Error) {
	if operand, key, ok := constantIndex(args[0]); ok {
		return eh.NewPresenceTest(operand, key), nil
	}
	return parser.MakeHas(eh, target, args)
}

// affordable holds the estimated cost against the limit.
func affordable(env *cel.Env, checked *cel.Ast) error {
	estimate, err := env.EstimateCost(checked, sizes{})
	if err != nil {
		return fmt.Errorf("estimate the cost of the condition: %w", err)
	}
	if estimate.Max > maxCost {
		return &Invalid{Message: fmt.Sprintf("too costly: the condition may cost %d, at most %d is taken, where a list or object counts as %d entries: do not put all, exists, exists_one, map or filter inside each other",
			estimate.Max, maxCost, assumedSize)}
	}
	return nil
}

// sizes are those that an estimate counts on.
type sizes struct{}

// EstimateSize bounds what is not known before the run.
func (sizes) EstimateSize(e checker.AstNode) *checker.SizeEstimate {
	switch e.Type().Kind() {
	case types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind, types.DurationKind, types.TimestampKind, types.TypeKind:
		return &checker.SizeEstimate{Min: 1, Max: 1}
	}
	return &checker.SizeEstimate{Max: assumedSize}
}

// EstimateCallCost leaves the functions to the library.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// meter prices at run time what the library takes for cheap: comparing what is
// nested, and reading long text.
type meter struct{}

// CallCost is the cost of one call; nil if the library's own is right.
func (meter) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	var read uint64
	switch function {
	case operators.Equals, operators.NotEquals:
		read = min(weight(args[0]), weight(args[1]))
	case operators.In:
		read = weight(args[1])
		if list, ok := args[1].(traits.Lister); ok {
			read += 10 * uint64(list.Size().(types.Int))
		} else {
			read = weight(args[0])
		}
	case "size", "int", "uint", "double", "bool", "string", "bytes", "duration", "timestamp":
		if args[0].Type() != types.StringType && args[0].Type() != types.BytesType {
			return nil
		}
		read = weight(args[0])
	default:
		return nil
	}
	cost := 1 + read/10
	return &cost
}

// weight counts the bytes of text and the other things in a value, up to more
// than a condition may read.
func weight(v any) uint64 {
	left := int64(20 * maxCost)
	weigh(v, &left)
	return uint64(20*maxCost - left)
}

func weigh(v any, left *int64) {
	if *left--; *left < 0 {
		return
	}
	switch v := v.(type) {
	case types.String:
		*left -= int64(len(v))
	case string:
		*left -= int64(len(v))
	case types.Bytes:
		*left -= int64(len(v))
	case []any:
		weighAll(v, left)
	case []ref.Val:
		weighAll(v, left)
	case map[string]any:
		for key, value := range v {
			weigh(key, left)
			weigh(value, left)
		}
	case map[ref.Val]ref.Val:
		for key, value := range v {
			weigh(key, left)
			weigh(value, left)
		}
	case traits.Lister, traits.Mapper:
		weigh(v.(ref.Val).Value(), left)
	}
}

func weighAll[T any](list []T, left *int64) {
	for _, e := range list {
		weigh(e, left)
	}
}
