package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/expr"
)

// inputs holds every step against the contract of its action. Steps with an
// image of their own are held against theirs when a run begins.
func (r *Reconciler) inputs(_ context.Context, p *pass) error {
	var faults []manifests.Fault
	sensitive := manifests.Sensitive(p.obj.Spec.Parameters)
	for _, step := range manifests.Steps(p.obj.Spec) {
		given, refs, err := split(step.WorkflowStep)
		if err != nil {
			faults = append(faults, fault(step.Field, ".inputs", v1alpha1.ReasonInvalidParameters, err.Error()))
			continue
		}
		if c, known := p.contracts[step.Action]; known {
			faults = append(faults, checkInputs(step.Field, c, given, refs)...)
			faults = append(faults, checkExposed(step.Field, c, sensitive, refs)...)
			faults = append(faults, checkCredentials(step.Field, c, step.Credentials)...)
		}
		faults = append(faults, p.checkOutputs(step.Field, refs)...)
	}
	return refuse(append(faults, p.checkConditions()...))
}

// checkConditions holds every condition against the types of the outputs that it names.
func (p *pass) checkConditions() []manifests.Fault {
	outputs := map[string]map[string]string{}
	for _, step := range manifests.Steps(p.obj.Spec) {
		if c, known := p.contracts[step.Action]; known {
			outputs[step.Name] = manifests.OutputTypes(c)
		}
	}
	_, faults := manifests.Conditions(p.obj.Spec, outputs)
	return faults
}

func fault(step string, field, reason, message string) manifests.Fault {
	return manifests.Fault{Field: step + field, Reason: reason, Message: message}
}

// split tells inputs that are known now from those that hold references. The
// known ones are as a run would give them, with $$( made $(.
func split(step v1alpha1.WorkflowStep) (given map[string]any, refs map[string][]expr.Ref, err error) {
	given, refs = map[string]any{}, map[string][]expr.Ref{}
	if step.Inputs == nil || len(step.Inputs.Raw) == 0 {
		return given, refs, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(step.Inputs.Raw, &all); err != nil {
		return nil, nil, fmt.Errorf("inputs are not an object")
	}
	for name, value := range all {
		found, err := expr.References(value)
		if err != nil {
			return nil, nil, fmt.Errorf("input %s: %w", name, err)
		}
		if len(found) > 0 {
			refs[name] = found
			continue
		}
		plain, err := expr.Resolve(value, expr.Scope{})
		if err != nil {
			return nil, nil, fmt.Errorf("input %s: %w", name, err)
		}
		var v any
		if err := json.Unmarshal(plain, &v); err != nil {
			return nil, nil, fmt.Errorf("input %s: %w", name, err)
		}
		given[name] = v
	}
	return given, refs, nil
}

// checkInputs has the contract judge what is known and leaves out what it says
// of inputs whose value comes with the run.
func checkInputs(step string, c contract.Contract, given map[string]any, refs map[string][]expr.Ref) []manifests.Fault {
	var faults []manifests.Fault
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if _, ok := c.Input(name); !ok {
			faults = append(faults, fault(step, ".inputs."+name, v1alpha1.ReasonInvalidParameters, fmt.Sprintf("%s has no such input", c.Spec.ActionType)))
		}
	}
	_, findings := c.ValidateValues(given)
	for _, f := range findings {
		if _, later := refs[strings.TrimPrefix(f.Field, "inputs.")]; later {
			continue
		}
		if _, later := refs[strings.TrimPrefix(f.Found, "no inputs.")]; later {
			continue
		}
		faults = append(faults, fault(step, "."+f.Field, v1alpha1.ReasonInvalidParameters, fmt.Sprintf("found %s, %s wants %s", f.Found, c.Spec.ActionType, f.Want)))
	}
	return faults
}

// checkExposed refuses sensitive parameters in inputs that are not.
func checkExposed(step string, c contract.Contract, sensitive map[string]bool, refs map[string][]expr.Ref) []manifests.Fault {
	var faults []manifests.Fault
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if in, ok := c.Input(name); !ok || in.Sensitive {
			continue
		}
		if message := manifests.Exposed(sensitive, refs[name]); message != "" {
			faults = append(faults, fault(step, ".inputs."+name, v1alpha1.ReasonInvalidReference, message))
		}
	}
	return faults
}

// checkCredentials refuses credentials that the action does not read and the
// lack of those that it must have.
func checkCredentials(step string, c contract.Contract, given []v1alpha1.Credential) []manifests.Fault {
	var faults []manifests.Fault
	for _, g := range given {
		if !slices.ContainsFunc(c.Spec.Credentials, func(d contract.Credential) bool { return d.Name == g.Name }) {
			faults = append(faults, fault(step, ".credentials", v1alpha1.ReasonInvalidParameters, fmt.Sprintf("%s reads no credential %q", c.Spec.ActionType, g.Name)))
		}
	}
	for _, d := range c.Spec.Credentials {
		if d.Required && !slices.ContainsFunc(given, func(g v1alpha1.Credential) bool { return g.Name == d.Name }) {
			faults = append(faults, fault(step, ".credentials", v1alpha1.ReasonInvalidParameters, fmt.Sprintf("%s needs the credential %q", c.Spec.ActionType, d.Name)))
		}
	}
	return faults
}

// checkOutputs refuses references to outputs that the other step's action does
// not declare.
func (p *pass) checkOutputs(step string, refs map[string][]expr.Ref) []manifests.Fault {
	var faults []manifests.Fault
	for _, input := range slices.Sorted(maps.Keys(refs)) {
		for _, ref := range refs[input] {
			c, known := p.contracts[p.actionOf(ref.Step)]
			if ref.Kind != expr.Output || !known {
				continue
			}
			if !slices.ContainsFunc(c.Spec.Outputs, func(o contract.Output) bool { return o.Name == ref.Name }) {
				faults = append(faults, fault(step, ".inputs."+input, v1alpha1.ReasonInvalidReference, fmt.Sprintf("%s: %s declares no such output", ref, c.Spec.ActionType)))
			}
		}
	}
	return faults
}

// actionOf returns the Action of a step, empty if it has none.
func (p *pass) actionOf(step string) string {
	for _, s := range manifests.Steps(p.obj.Spec) {
		if s.Name == step {
			return s.Action
		}
	}
	return ""
}
