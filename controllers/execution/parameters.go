package execution

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/dag"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
)

// parameters holds what a run sets against the workflow's schema and fills in
// defaults.
func parameters(schema []v1alpha1.Parameter, given json.RawMessage) (json.RawMessage, error) {
	c := contract.Contract{}
	for _, p := range schema {
		in, err := inputOf(p)
		if err != nil {
			return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "parameter %s of the workflow cannot be used: %v", p.Name, err)
		}
		c.Spec.Inputs = append(c.Spec.Inputs, in)
	}
	values, findings := c.ValidateInputs(given)
	if len(findings) > 0 {
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "the run's parameters do not fit the workflow: %s", contract.Join(findings))
	}
	out, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encode parameters: %w", err)
	}
	return out, nil
}

// inputOf reads a parameter as the contract's kind of input, so that both are
// judged by one set of rules.
func inputOf(p v1alpha1.Parameter) (contract.Input, error) {
	in := contract.Input{Name: p.Name, Type: contract.Type(p.Type), Required: p.Required, Pattern: p.Pattern, Description: p.Description}
	if p.Type == "" {
		in.Type = contract.String
	}
	if p.Default != nil {
		if err := json.Unmarshal(p.Default.Raw, &in.Default); err != nil {
			return in, fmt.Errorf("read default: %w", err)
		}
	}
	for _, e := range p.Enum {
		var v any
		if err := json.Unmarshal(e.Raw, &v); err != nil {
			return in, fmt.Errorf("read enum: %w", err)
		}
		in.Enum = append(in.Enum, v)
	}
	in.Minimum, in.Maximum = bound(p.Type, p.Minimum), bound(p.Type, p.Maximum)
	return in, nil
}

// bound reads a bound in the type's own notation: numbers are JSON, durations
// and quantities are text.
func bound(kind, text string) any {
	if text == "" {
		return nil
	}
	var v any
	if kind == "integer" || kind == "number" {
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			return v
		}
	}
	return text
}

// graph checks an inline run's steps, which no workflow controller has seen.
func graph(steps []v1alpha1.WorkflowStep) error {
	nodes := make([]dag.Step, 0, len(steps))
	for _, s := range steps {
		nodes = append(nodes, dag.Step{Name: s.Name, RunAfter: s.RunAfter})
	}
	if _, findings := dag.Check(nodes); len(findings) > 0 {
		texts := make([]string, 0, len(findings))
		for _, f := range findings {
			texts = append(texts, f.Message)
		}
		return run.Refuse(v1alpha1.ReasonInvalidDependencyGraph, "the steps cannot be ordered: %s", strings.Join(texts, "; "))
	}
	for _, s := range steps {
		if err := references(s, dag.Before(nodes, s.Name)); err != nil {
			return err
		}
	}
	return nil
}

// references checks that an inline step refers to steps before it alone.
func references(s v1alpha1.WorkflowStep, before map[string]bool) error {
	refs, err := expr.References(raw(s.Inputs))
	if err != nil {
		return run.Refuse(v1alpha1.ReasonInvalidReference, "step %s: %v", s.Name, err)
	}
	for _, ref := range refs {
		switch {
		case ref.Kind == expr.Param:
			return run.Refuse(v1alpha1.ReasonInvalidReference, "step %s: %s: a run with its own steps has no parameters: write the value", s.Name, ref)
		case ref.Kind == expr.Output && !before[ref.Step]:
			return run.Refuse(v1alpha1.ReasonInvalidReference, "step %s: %s: step %s does not run before it: name it in runAfter", s.Name, ref, ref.Step)
		}
	}
	return nil
}
