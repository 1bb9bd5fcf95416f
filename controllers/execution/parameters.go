package execution

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
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
	in := contract.Input{Name: p.Name, Type: contract.Type(p.Type), Required: p.Required, Pattern: p.Pattern, Description: p.Description,
		DependsOn: p.DependsOn, Sensitive: p.Sensitive}
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

// sound checks an inline run's steps, which no workflow controller has seen.
func sound(spec v1alpha1.WorkflowSpec) error {
	return refuse(catalog.Check(spec))
}

// refuse makes one refusal of all faults; none are none.
func refuse(faults []catalog.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	texts := make([]string, 0, len(faults))
	for _, f := range faults {
		texts = append(texts, f.Field+": "+f.Message)
	}
	return run.Refuse(run.Reason(faults[0].Reason), "the run's steps cannot be carried out: %s", strings.Join(texts, "; "))
}
