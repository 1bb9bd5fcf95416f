package plan

import (
	"fmt"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
)

// when says what the condition of a step makes of it once all its edges are
// taken: nothing, or that it is skipped, or that it fails.
func (p *pass) when(step run.Step) (skip, fail *run.Note) {
	if step.When == "" {
		return nil, nil
	}
	switch held, err := p.holds(step.When); {
	case err != nil:
		return nil, &run.Note{Step: step.Name, Reason: v1alpha1.ReasonConditionFailed, Message: fmt.Sprintf("when: %v", err)}
	case !held:
		return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonWhenFalse, Message: fmt.Sprintf("when is false: %s", step.When)}, nil
	}
	return nil, nil
}

// unmet says which precondition keeps a step from starting, and so fails it.
func (p *pass) unmet(step run.Step) *run.Note {
	for i, c := range step.Preconditions {
		switch held, err := p.holds(c.Condition); {
		case err != nil:
			return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonConditionFailed, Message: fmt.Sprintf("preconditions[%d]: %v", i, err)}
		case !held && c.Message != "":
			return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonPreconditionFailed, Message: fmt.Sprintf("%s (%s)", c.Message, c.Condition)}
		case !held:
			return &run.Note{Step: step.Name, Reason: v1alpha1.ReasonPreconditionFailed, Message: fmt.Sprintf("the precondition is false: %s", c.Condition)}
		}
	}
	return nil
}

// holds asks a condition of what is known now.
func (p *pass) holds(source string) (bool, error) {
	c, err := expr.Compile(source, expr.Shape{Params: p.Run.Values.ParameterTypes, Outputs: p.Run.Values.OutputTypes, Target: p.Run.Values.Target != nil})
	if err != nil {
		return false, err
	}
	scope, err := p.scope()
	if err != nil {
		return false, err
	}
	return c.Holds(scope)
}

// scope collects what conditions may name, once for each decision. Steps that
// have not ended have no phase.
func (p *pass) scope() (expr.Scope, error) {
	if p.values != nil {
		return *p.values, nil
	}
	s, err := Scope(p.whole, p.Seen)
	if err != nil {
		return s, err
	}
	s.Steps, p.values = p.ends, &s
	return s, nil
}
