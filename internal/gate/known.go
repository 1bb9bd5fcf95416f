package gate

import (
	"encoding/json"
	"fmt"

	"github.com/kubernaut/kubernaut/internal/expr"
)

// known returns the inputs of a step with values in place of references, and
// whether that is all of them: an input that refers to an output of another
// step has no value before that step has run, and is left out.
func (c *Case) known(i int) (inputs json.RawMessage, whole bool, err error) {
	inputs = c.Run.Steps[i].Inputs
	if c.Scope == nil {
		return inputs, true, nil
	}
	waits, err := waiting(inputs)
	if err != nil {
		return nil, false, err
	}
	if !waits {
		inputs, err = expr.Resolve(inputs, *c.Scope)
		return inputs, true, err
	}
	var given map[string]json.RawMessage
	if json.Unmarshal(inputs, &given) != nil {
		return inputs, true, nil // no object: the contract refuses it as it stands
	}
	for _, name := range sortedKeys(given) {
		if waits, err = waiting(given[name]); err != nil {
			return nil, false, err
		}
		if waits {
			delete(given, name)
		}
	}
	if inputs, err = json.Marshal(given); err != nil {
		return nil, false, fmt.Errorf("write inputs: %w", err)
	}
	inputs, err = expr.Resolve(inputs, *c.Scope)
	return inputs, false, err
}

// waiting says whether a value refers to an output, or to an item of a list.
func waiting(value json.RawMessage) (bool, error) {
	refs, err := expr.References(value)
	for _, ref := range refs {
		if ref.Kind == expr.Output || ref.Kind == expr.Item || ref.Kind == expr.Index {
			return true, err
		}
	}
	return false, err
}
