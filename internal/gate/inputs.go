package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
)

// maxInputs bounds the inputs of one step: the kernel takes 128 KiB for one
// environment variable and escaping may double what it is given.
const maxInputs = 60 << 10

// Inputs holds the inputs of each step against its contract.
type Inputs struct{}

// Name returns "inputs".
func (Inputs) Name() string { return "inputs" }

// Check validates values where they are known. Before a run has started, inputs
// may refer to outputs; then names, required ones and credentials are checked.
func (Inputs) Check(_ context.Context, c *Case) run.Verdict {
	for i, step := range c.Run.Steps {
		if message := c.exposed(i); message != "" {
			return refuse(v1alpha1.ReasonInvalidReference, fmt.Sprintf("step %s (%s): %s", step.Name, step.ActionType, message))
		}
		values, whole, err := c.known(i)
		if err != nil {
			return unresolved(step, err)
		}
		var problems []string
		if size := max(len(step.Inputs), len(values)); size > maxInputs {
			problems = append(problems, fmt.Sprintf("inputs have %d bytes and %d are allowed: put the rest into a file in the workspace", size, maxInputs))
		}
		if whole {
			if _, findings := c.Contracts[i].ValidateInputs(values); len(findings) > 0 {
				problems = append(problems, contract.Join(findings))
			}
		} else {
			problems = append(problems, namesOf(step, c.Contracts[i])...)
		}
		problems = append(problems, credentialsOf(step, c.Contracts[i])...)
		if len(problems) > 0 {
			return refuse(v1alpha1.ReasonInvalidParameters, fmt.Sprintf("step %s (%s): %s", step.Name, step.ActionType, strings.Join(problems, "; ")))
		}
	}
	return run.Pass()
}

// exposed finds a sensitive parameter in an input that the contract does not
// call sensitive, before its value can get into a message.
func (c *Case) exposed(i int) string {
	var given map[string]json.RawMessage
	if len(c.Sensitive) == 0 || json.Unmarshal(c.Run.Steps[i].Inputs, &given) != nil {
		return ""
	}
	for _, name := range sortedKeys(given) {
		if in, ok := c.Contracts[i].Input(name); ok && in.Sensitive {
			continue
		}
		refs, _ := expr.References(given[name]) // those that cannot be read are refused with the others
		if message := catalog.Exposed(c.Sensitive, refs); message != "" {
			return fmt.Sprintf("input %s: %s", name, message)
		}
	}
	return ""
}

// unresolved refuses inputs whose references cannot be replaced.
func unresolved(step run.Step, err error) run.Verdict {
	return refuse(v1alpha1.ReasonInvalidReference, fmt.Sprintf("step %s: %v", step.Name, err))
}

// namesOf finds inputs that the contract does not declare, and required ones
// that are not given.
func namesOf(step run.Step, c contract.Contract) []string {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(step.Inputs, &given); err != nil {
		return []string{"inputs are not a JSON object: " + err.Error()}
	}
	var out []string
	for _, name := range sortedKeys(given) {
		if _, ok := c.Input(name); !ok {
			out = append(out, fmt.Sprintf("input %q is not one of the contract's", name))
		}
	}
	for _, input := range c.Spec.Inputs {
		if _, ok := given[input.Name]; input.Required && !ok {
			out = append(out, fmt.Sprintf("input %q is required and not given", input.Name))
		}
	}
	return out
}

// credentialsOf finds credentials that the contract does not declare, and
// required ones that are not given.
func credentialsOf(step run.Step, c contract.Contract) []string {
	declared := map[string]bool{}
	var out []string
	for _, need := range c.Spec.Credentials {
		declared[need.Name] = true
		if _, ok := step.Credentials[need.Name]; need.Required && !ok {
			out = append(out, fmt.Sprintf("credential %q is required and the step does not give it: add it under credentials", need.Name))
		}
	}
	for _, name := range sortedKeys(step.Credentials) {
		if !declared[name] {
			out = append(out, fmt.Sprintf("credential %q is not one of the contract's", name))
		}
	}
	return out
}
