package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
)

// DefaultMaxItems is the longest list of forEach unless a step says otherwise.
const DefaultMaxItems = 10

// MaxItems is how many items all steps of a workflow may have together: status
// tells of each in about 100 bytes.
const MaxItems = 128

// checkItems refuses a workflow whose steps may have more items together than a
// status can tell of.
func checkItems(spec v1alpha1.WorkflowSpec) []Fault {
	all := 0
	for _, step := range Steps(spec) {
		if step.ForEach == nil {
			continue
		}
		each := run.ForEach{Items: step.ForEach.Items.Raw, Max: int(cmp.Or(step.ForEach.MaxItems, DefaultMaxItems))}
		if all += each.Most(); all > MaxItems {
			return []Fault{{Field: step.Field + ".forEach", Reason: v1alpha1.ReasonInvalidParameters,
				Message: fmt.Sprintf("with this step the workflow may have %d items, at most %d are taken of all steps together: lower maxItems, or split the workflow", all, MaxItems)}}
		}
	}
	return nil
}

// checkForEach refuses a list that a run could not take.
func checkForEach(spec v1alpha1.WorkflowSpec, step Placed) []Fault {
	if step.ForEach == nil {
		return nil
	}
	refs, message := listRefs(spec, step)
	reason := v1alpha1.ReasonInvalidReference
	if message == "" {
		reason, message = v1alpha1.ReasonInvalidParameters, noList(spec, *step.ForEach, refs)
	}
	if message == "" {
		return nil
	}
	return []Fault{{Field: step.Field + ".forEach.items", Reason: reason, Message: message}}
}

// listRefs finds the references of a list, or says which of them cannot stand there.
func listRefs(spec v1alpha1.WorkflowSpec, step Placed) (refs []expr.Ref, message string) {
	refs, err := expr.References(step.ForEach.Items.Raw)
	if err != nil {
		return nil, invalid(err)[0].Message
	}
	if message := Exposed(Sensitive(spec.Parameters), refs); message != "" {
		return nil, message
	}
	before := before(spec, step.Name, success)
	step.ForEach = nil // the list cannot be made of its own items
	for _, r := range refs {
		if message := refuse(spec, step, before, r); message != "" {
			return nil, message
		}
	}
	return refs, ""
}

// noList says why something is neither a list nor one reference to a list.
func noList(spec v1alpha1.WorkflowSpec, each v1alpha1.ForEach, refs []expr.Ref) string {
	var list []json.RawMessage
	most := int(cmp.Or(each.MaxItems, DefaultMaxItems))
	switch known := json.Unmarshal(each.Items.Raw, &list) == nil && list != nil; {
	case known && len(list) > most:
		return fmt.Sprintf("found %d items, at most %d are taken: raise forEach.maxItems", len(list), most)
	case known:
		return ""
	case len(refs) != 1 || !refs[0].Whole || refs[0].Path != "":
		return fmt.Sprintf("found %s, want a list, or a text that is one reference to a list", cut(string(each.Items.Raw), 80))
	case refs[0].Kind == expr.Output:
		return ""
	}
	i := slices.IndexFunc(spec.Parameters, func(p v1alpha1.Parameter) bool { return refs[0].Kind == expr.Param && p.Name == refs[0].Name })
	if i < 0 || spec.Parameters[i].Type != typeArray {
		return fmt.Sprintf("%s is no list: want a parameter of type array or an output", refs[0])
	}
	return ""
}
