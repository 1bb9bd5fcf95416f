package catalog

import (
	"cmp"
	"fmt"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
)

// Types holds the types of what the conditions of a workflow name.
type Types struct {
	// Parameters by name.
	Parameters map[string]string
	// Outputs by step and name. A step that conditions name without its outputs
	// has an entry, too.
	Outputs map[string]map[string]string
}

// OutputTypes lists the types of what an action gives.
func OutputTypes(c contract.Contract) map[string]string {
	out := make(map[string]string, len(c.Spec.Outputs))
	for _, o := range c.Spec.Outputs {
		out[o.Name] = string(o.Type)
	}
	return out
}

// Conditions checks every when and precondition of a workflow: its syntax, its
// names, its types and its cost. Outputs holds the types of what each step
// gives; those of a step that is not in it are not known yet. The types are
// what a run needs to ask the same conditions.
func Conditions(spec v1alpha1.WorkflowSpec, outputs map[string]map[string]string) (Types, []Fault) {
	c := conditions{
		known: Types{Parameters: map[string]string{}, Outputs: outputs},
		named: Types{Parameters: map[string]string{}, Outputs: map[string]map[string]string{}},
		spec:  spec, sensitive: Sensitive(spec.Parameters),
	}
	for _, p := range spec.Parameters {
		c.known.Parameters[p.Name] = cmp.Or(p.Type, typeString)
	}
	for _, step := range Steps(spec) {
		c.step(step)
	}
	return c.named, c.faults
}

// conditions is one check of all conditions.
type conditions struct {
	known, named Types
	spec         v1alpha1.WorkflowSpec
	sensitive    map[string]bool
	faults       []Fault
}

func (c *conditions) step(step Placed) {
	if step.When == "" && len(step.Preconditions) == 0 {
		return
	}
	shape := expr.Shape{Params: c.known.Parameters, Outputs: map[string]map[string]string{}, Target: c.spec.Target != nil}
	earlier := before(c.spec, step.Name, every)
	for _, s := range Steps(c.spec) {
		if !earlier[s.Name] {
			continue
		}
		shape.Outputs[s.Name] = c.known.Outputs[s.Name]
		if s.ForEach != nil {
			shape.Outputs[s.Name] = listsOf(c.known.Outputs[s.Name])
		}
	}
	if step.When != "" {
		c.check(step.Field+".when", step.When, shape)
	}
	for i, p := range step.Preconditions {
		c.check(fmt.Sprintf("%s.preconditions[%d].condition", step.Field, i), p.Condition, shape)
	}
}

// listsOf are the outputs of a step that has them once for each item.
func listsOf(outputs map[string]string) map[string]string {
	if outputs == nil {
		return nil
	}
	out := make(map[string]string, len(outputs))
	for name := range outputs {
		out[name] = typeArray
	}
	return out
}

func (c *conditions) check(field, source string, shape expr.Shape) {
	compiled, err := expr.Compile(source, shape)
	for _, bad := range invalid(err) {
		c.faults = append(c.faults, Fault{Field: field, Reason: v1alpha1.ReasonInvalidCondition, Message: bad.Message})
	}
	if err != nil {
		return
	}
	if message := Exposed(c.sensitive, compiled.Refs()); message != "" {
		c.faults = append(c.faults, Fault{Field: field, Reason: v1alpha1.ReasonInvalidCondition, Message: message})
	}
	for _, r := range compiled.Refs() {
		c.note(r, shape)
	}
}

// note keeps the type of what a condition names.
func (c *conditions) note(r expr.Ref, shape expr.Shape) {
	if r.Kind == expr.Param {
		c.named.Parameters[r.Name] = shape.Params[r.Name]
	}
	if r.Step != "" && c.named.Outputs[r.Step] == nil {
		c.named.Outputs[r.Step] = map[string]string{}
	}
	if r.Kind == expr.Output {
		c.named.Outputs[r.Step][r.Name] = shape.Outputs[r.Step][r.Name]
	}
}
