// Package rights compares the rights that contracts ask for with the ceiling
// that an operator set.
package rights

import (
	"fmt"
	"slices"
)

// Rule is a set of rights in one namespace.
type Rule struct {
	APIGroups, Resources, Verbs []string
}

// Exceeding lists, one line each, the rights in want that no single rule of the
// ceiling grants. Wildcards in want always exceed; a wildcard in the ceiling
// grants nothing, so that a ceiling is always read as it stands.
func Exceeding(want, ceiling []Rule) []string {
	var out []string
	for _, w := range want {
		for _, group := range w.APIGroups {
			for _, resource := range w.Resources {
				out = append(out, exceeding(group, resource, w.Verbs, ceiling)...)
			}
		}
	}
	return out
}

func exceeding(group, resource string, verbs []string, ceiling []Rule) []string {
	var out []string
	for _, verb := range verbs {
		if group == "*" || resource == "*" || verb == "*" || !granted(group, resource, verb, ceiling) {
			out = append(out, fmt.Sprintf("%s %s in group %q", verb, resource, group))
		}
	}
	return out
}

func granted(group, resource, verb string, ceiling []Rule) bool {
	return slices.ContainsFunc(ceiling, func(c Rule) bool {
		return slices.Contains(c.APIGroups, group) && slices.Contains(c.Resources, resource) && slices.Contains(c.Verbs, verb)
	})
}

// Default is the ceiling where no ExecutionPolicy sets one: what the shipped
// contracts ask for. It is the same set that the controller holds as
// ClusterRole kubernaut-ceiling, because nobody can grant what he does not have,
// and that the admission policy of this name lets it grant.
func Default() []Rule {
	return []Rule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, Verbs: []string{"get", "update"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "delete"}},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"list"}},
	}
}
