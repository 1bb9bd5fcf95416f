package expr

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// naming finds what a condition names, holds it against the shape, and makes
// params["max-age"] a selection from the map of all values of its type, so
// that one language serves conditions of every shape.
type naming struct {
	shape  Shape
	info   *celast.SourceInfo
	next   int64
	types  map[Ref]string
	faults []error
}

// roots are the words that conditions start names with.
func roots() []string {
	return []string{string(Param), string(Output), string(Target), string(Execution)}
}

// link is one step of a chain such as steps.a.outputs.b: the expression so
// far, and the field it ends with.
type link struct {
	at    celast.Expr
	field string
}

// walk replaces every name in e.
func (n *naming) walk(e celast.Expr) {
	if root, links := chain(e); root != nil && slices.Contains(roots(), root.AsIdent()) {
		n.name(root, links)
		return
	}
	switch e.Kind() {
	case celast.SelectKind:
		n.walk(e.AsSelect().Operand())
	case celast.CallKind:
		n.call(e)
	case celast.ListKind:
		n.all(e.AsList().Elements()...)
	case celast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			n.all(entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
	case celast.StructKind:
		n.fault(e, "messages are not taken: want values, lists and maps")
	case celast.ComprehensionKind:
		n.loop(e)
	}
}

func (n *naming) all(list ...celast.Expr) {
	for _, e := range list {
		n.walk(e)
	}
}

func (n *naming) call(e celast.Expr) {
	call := e.AsCall()
	if call.IsMemberFunction() {
		// Time zones are read from the machine's files.
		if strings.HasPrefix(call.FunctionName(), "get") && len(call.Args()) > 0 {
			n.fault(e, "%s takes no time zone here: times are in UTC", call.FunctionName())
		}
		n.walk(call.Target())
	}
	n.all(call.Args()...)
}

func (n *naming) loop(e celast.Expr) {
	loop := e.AsComprehension()
	if slices.Contains(roots(), loop.IterVar()) {
		n.fault(e, "%q cannot be the name of an element: call it x", loop.IterVar())
		return
	}
	n.all(loop.IterRange(), loop.AccuInit(), loop.LoopCondition(), loop.LoopStep(), loop.Result())
}

// chain takes a selection apart; the root is nil if e is none that starts with
// a word.
func chain(e celast.Expr) (root celast.Expr, links []link) {
	switch e.Kind() {
	case celast.IdentKind:
		return e, nil
	case celast.SelectKind:
		root, links = chain(e.AsSelect().Operand())
		return root, append(links, link{e, e.AsSelect().FieldName()})
	case celast.CallKind:
		if operand, key, ok := constantIndex(e); ok {
			root, links = chain(operand)
			return root, append(links, link{e, key})
		}
	}
	return nil, nil
}

// constantIndex takes apart x["key"].
func constantIndex(e celast.Expr) (operand celast.Expr, key string, ok bool) {
	if e.Kind() != celast.CallKind || e.AsCall().FunctionName() != operators.Index {
		return nil, "", false
	}
	args := e.AsCall().Args()
	if args[1].Kind() != celast.LiteralKind {
		return nil, "", false
	}
	text, ok := args[1].AsLiteral().(types.String)
	return args[0], string(text), ok
}

// name replaces the part of a chain that names a value; the rest selects from
// that value.
func (n *naming) name(root celast.Expr, links []link) {
	words := []string{root.AsIdent()}
	for _, l := range links[:min(len(links), 3)] {
		words = append(words, l.field)
	}
	ref, used, message := n.find(words)
	if message != "" {
		n.fault(root, "%s", message)
		return
	}
	kind := n.kindOf(ref)
	n.types[ref] = kind
	at := links[used-1].at
	test := at.Kind() == celast.SelectKind && at.AsSelect().IsTestOnly()
	n.next++
	start, _ := n.info.GetOffsetRange(root.ID())
	n.info.SetOffsetRange(n.next, start)
	n.info.SetOffsetRange(at.ID(), start)
	fac := celast.NewExprFactory()
	all := fac.NewIdent(n.next, variable(kind))
	if test {
		at.SetKindCase(fac.NewPresenceTest(at.ID(), all, ref.InCondition()))
		return
	}
	at.SetKindCase(fac.NewSelect(at.ID(), all, ref.InCondition()))
}

// find makes the reference that words start with, and says how many links of
// the chain it takes; the message says why there is none.
func (n *naming) find(words []string) (ref Ref, used int, message string) {
	kind := Kind(words[0])
	if len(words) == 1 {
		return ref, 0, fmt.Sprintf("%s is no value by itself: want %s", kind, forms(kind))
	}
	ref, used = Ref{Kind: kind, Name: words[1]}, 1
	switch {
	case kind == Param:
		_, known := n.shape.Params[ref.Name]
		return ref, used, unknown(known, "parameter", ref, n.knownParams())
	case kind == Target && !n.shape.Target:
		return ref, used, fmt.Sprintf("found %s: the workflow declares no target", ref.InCondition())
	case kind == Target:
		return ref, used, unknown(names(kind, ref.Name), "field of the target", ref, facts(kind, targetFields()))
	case kind == Execution:
		return ref, used, unknown(names(kind, ref.Name), "field of the execution", ref, facts(kind, executionFields()))
	}
	return n.step(words)
}

// step is find for what starts with steps.
func (n *naming) step(words []string) (ref Ref, used int, message string) {
	outputs, known := n.shape.Outputs[words[1]]
	if !known {
		return ref, 0, unknown(false, "earlier step", Ref{Kind: Output, Name: words[1]}, n.knownSteps())
	}
	if len(words) > 2 && (words[2] == "phase" || words[2] == "reason") {
		return Ref{Kind: StepRef, Step: words[1], Name: words[2]}, 2, ""
	}
	if len(words) < 4 || words[2] != "outputs" {
		step := "steps" + selection(words[1])
		return ref, 0, fmt.Sprintf("found %s: want %s.outputs.NAME, %s.phase or %s.reason", step+strings.Join(selections(words[2:]), ""), step, step, step)
	}
	ref = Ref{Kind: Output, Step: words[1], Name: words[3]}
	if outputs == nil {
		return ref, 3, ""
	}
	_, known = outputs[ref.Name]
	var all []string
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		all = append(all, Ref{Kind: Output, Step: ref.Step, Name: name}.InCondition())
	}
	return ref, 3, unknown(known, fmt.Sprintf("output %q of step", clip(ref.Name)), Ref{Name: ref.Step}, all)
}

func (n *naming) kindOf(r Ref) string {
	switch r.Kind {
	case Param:
		return n.shape.Params[r.Name]
	case Output:
		return n.shape.Outputs[r.Step][r.Name]
	}
	return "string"
}

func (n *naming) knownParams() []string {
	return facts(Param, slices.Sorted(maps.Keys(n.shape.Params)))
}

func (n *naming) knownSteps() []string {
	return facts(Output, slices.Sorted(maps.Keys(n.shape.Outputs)))
}

func facts(kind Kind, names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		out = append(out, string(kind)+selection(name))
	}
	return out
}

// unknown says what is known instead; "" if the name is known.
func unknown(known bool, what string, r Ref, all []string) string {
	const most = 12
	switch {
	case known:
		return ""
	case len(all) == 0:
		return fmt.Sprintf("unknown %s %q: there is none", what, clip(r.Name))
	case len(all) > most:
		return fmt.Sprintf("unknown %s %q: want one of %s or %d more", what, clip(r.Name), strings.Join(all[:most], ", "), len(all)-most)
	}
	return fmt.Sprintf("unknown %s %q: want one of %s", what, clip(r.Name), strings.Join(all, ", "))
}

// forms says what may follow a root.
func forms(kind Kind) string {
	switch kind {
	case Param:
		return `params.NAME or params["NAME"]`
	case Output:
		return "steps.STEP.outputs.NAME, steps.STEP.phase or steps.STEP.reason"
	case Target:
		return "target." + strings.Join(targetFields(), "|")
	}
	return "execution." + strings.Join(executionFields(), "|")
}

// refs lists what was named.
func (n *naming) refs() []Ref {
	return slices.SortedFunc(maps.Keys(n.types), func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Name, b.Name))
	})
}

func (n *naming) fault(at celast.Expr, format string, args ...any) {
	n.faults = append(n.faults, &Invalid{Message: place(n.info.GetStartLocation(at.ID())) + fmt.Sprintf(format, args...)})
}

// InCondition writes the reference as it stands in a condition.
func (r Ref) InCondition() string {
	switch r.Kind {
	case Output:
		return "steps" + selection(r.Step) + ".outputs" + selection(r.Name)
	case StepRef:
		return "steps" + selection(r.Step) + selection(r.Name)
	}
	return string(r.Kind) + selection(r.Name)
}

var word = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// selection writes a name behind what it is selected from.
func selection(name string) string {
	if !word.MatchString(name) || slices.Contains([]string{"in", "true", "false", "null"}, name) {
		return fmt.Sprintf("[%q]", name)
	}
	return "." + name
}

func selections(names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		out = append(out, selection(name))
	}
	return out
}
