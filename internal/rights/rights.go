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

// Default is the ceiling where no ExecutionPolicy sets one. It is the same set
// that the controller itself holds as ClusterRole kubernaut-ceiling, because
// Kubernetes lets nobody grant what he does not have.
func Default() []Rule {
	return []Rule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets", "daemonsets"}, Verbs: []string{"get", "list", "patch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale", "statefulsets/scale"}, Verbs: []string{"get", "update", "patch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "delete"}},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"get", "list"}},
	}
}
