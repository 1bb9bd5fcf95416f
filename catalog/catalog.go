// Package catalog reads the Actions and Workflows that a tree of manifests publishes and says what is wrong with them.
package catalog

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Kinds that a catalog publishes.
const (
	KindAction   = "Action"
	KindWorkflow = "Workflow"
)

// MaxObjects is how many objects one catalog publishes: half of what its
// inventory holds, since old and new stand there together while one revision
// follows the other.
const MaxObjects = 1000

// Object is one manifest of a Set.
type Object struct {
	Kind, Name string
	// Manifest is what shall be applied, without the fields that nobody wrote.
	Manifest *unstructured.Unstructured
	// Action is set if Kind is Action, Workflow if it is Workflow.
	Action   *v1alpha1.Action
	Workflow *v1alpha1.Workflow
	// origin is where it stands in the sources.
	origin position
}

// Set is what a catalog publishes, ordered by kind and name.
type Set struct {
	Objects []Object
}

// Load builds the Kustomize tree at path and reads what comes out, without
// network, plugins or anything outside tree. Without a kustomization file
// every YAML file at and below path is taken, as Flux does. The Set is empty
// if and only if there are findings; they are sorted by file and line, which
// are those of the files that a person wrote. Calls must not overlap: the
// Kustomize library keeps state of its own.
func Load(tree fs.FS, path string) (Set, []v1alpha1.Finding) {
	path = clean(path)
	built, src, findings := build(tree, path)
	if len(findings) > 0 {
		return Set{}, order(findings)
	}
	var set Set
	for _, res := range built {
		object, found := decode(res, src)
		if len(found) == 0 && object.Workflow != nil {
			for _, f := range Check(object.Workflow.Spec) {
				found = append(found, object.Finding(f.Field, f.Reason, f.Message))
			}
		}
		findings = append(findings, found...)
		set.Objects = append(set.Objects, object)
	}
	findings = append(findings, twins(set.Objects)...)
	if len(findings) > 0 {
		return Set{}, order(findings)
	}
	slices.SortFunc(set.Objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return set, nil
}

// Count returns how many objects are of a kind.
func (s Set) Count(kind string) int {
	n := 0
	for _, o := range s.Objects {
		if o.Kind == kind {
			n++
		}
	}
	return n
}

// Into puts every object into a namespace and refuses those that name another.
func (s Set) Into(namespace string) []v1alpha1.Finding {
	var findings []v1alpha1.Finding
	for _, o := range s.Objects {
		if own := o.Manifest.GetNamespace(); own != "" && own != namespace {
			findings = append(findings, o.Finding("metadata.namespace", v1alpha1.ReasonValidationFailed,
				fmt.Sprintf("found namespace %q: a catalog publishes into its own, %q: remove the line", own, namespace)))
			continue
		}
		o.Manifest.SetNamespace(namespace)
	}
	return order(findings)
}

// Missing returns a finding for each step whose action is neither in the set
// nor known to have, which answers for Actions that were published elsewhere.
func (s Set) Missing(have func(name string) bool) []v1alpha1.Finding {
	own := map[string]bool{}
	for _, o := range s.Objects {
		own[o.Name] = own[o.Name] || o.Kind == KindAction
	}
	var findings []v1alpha1.Finding
	for _, o := range s.Objects {
		if o.Workflow == nil {
			continue
		}
		for _, step := range Steps(o.Workflow.Spec) {
			if step.Action == "" || own[step.Action] || have(step.Action) {
				continue
			}
			findings = append(findings, o.Finding(step.Field+".action", v1alpha1.ReasonInvalidReference,
				fmt.Sprintf("step %q uses action %q, which neither this catalog nor the namespace has: add it or mend the name", step.Name, step.Action)))
		}
	}
	return order(findings)
}

// Finding returns a finding about a field of the object, such as
// "spec.steps[1].inputs.url", with the file and line where it stands.
func (o Object) Finding(field, reason, message string) v1alpha1.Finding {
	if field != "" {
		message = field + ": " + message
	}
	return v1alpha1.Finding{
		File: o.origin.file, Line: int32(o.origin.line(field)), Object: cut(o.Kind+"/"+o.Name, 320),
		Reason: reason, Message: cut(message, maxMessage),
	}
}

// twins finds objects of one kind and name.
func twins(objects []Object) []v1alpha1.Finding {
	var findings []v1alpha1.Finding
	first := map[string]Object{}
	for _, o := range objects {
		id := o.Kind + "/" + o.Name
		if before, ok := first[id]; ok && o.Name != "" {
			findings = append(findings, o.Finding("metadata.name", v1alpha1.ReasonValidationFailed,
				fmt.Sprintf("%s stands in %s line %d too: rename or remove one", id, before.origin.file, before.origin.line(""))))
			continue
		}
		first[id] = o
	}
	return findings
}

func order(findings []v1alpha1.Finding) []v1alpha1.Finding {
	slices.SortStableFunc(findings, func(a, b v1alpha1.Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return findings
}
