package catalog

import (
	"fmt"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
)

// Sensitive returns the names of the parameters whose values messages must not show.
func Sensitive(parameters []v1alpha1.Parameter) map[string]bool {
	out := map[string]bool{}
	for _, p := range parameters {
		if p.Sensitive {
			out[p.Name] = true
		}
	}
	return out
}

// Exposed says which of the references would show a sensitive parameter where
// they stand, such as in a condition or in an input that is not sensitive
// itself, and what to do; "" if none does.
func Exposed(sensitive map[string]bool, refs []expr.Ref) string {
	for _, r := range refs {
		if r.Kind == expr.Param && sensitive[r.Name] {
			return fmt.Sprintf("parameter %s is sensitive and may stand only in inputs that the action's contract calls sensitive: use it there alone, or declare it without sensitive", r.Name)
		}
	}
	return ""
}
