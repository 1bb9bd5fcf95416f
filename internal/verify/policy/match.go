package policy

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// matcher limits a policy to some kinds of objects.
type matcher struct {
	resource, group, version string
	selector                 labels.Selector
}

// resources carry images: those that Policy Controller knows, and Tekton's.
func resources() []string {
	return []string{"pods", "replicasets", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "taskruns", "pipelineruns"}
}

func compileMatch(m match) (matcher, error) {
	compiled := matcher{resource: m.Resource, group: m.Group, version: m.Version, selector: labels.Everything()}
	if !slices.Contains(resources(), m.Resource) || m.Version == "" {
		return matcher{}, fmt.Errorf("resource %q and version %q: a version, or *, is needed and one of %s; with another name the policy would guard nothing", m.Resource, m.Version, strings.Join(resources(), ", "))
	}
	if m.Selector == nil {
		return compiled, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(m.Selector)
	if err != nil {
		return matcher{}, fmt.Errorf("selector: %w", err)
	}
	compiled.selector = selector
	return compiled, nil
}

// concerns errs on the strict side for pods: whatever carries an image, it ends
// as a Pod, whose labels are not known yet.
func (m matcher) concerns(on Object) bool {
	if m.resource == "pods" && m.group == "" {
		return true
	}
	resource := strings.ToLower(on.Kind) + "s"
	version := m.version == "*" || m.version == on.Version
	return m.resource == resource && m.group == on.Group && version && m.selector.Matches(labels.Set(on.Labels))
}
