package catalog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	sjson "sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/resource"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// originAnnotation is what Kustomize leaves on objects at our request.
const originAnnotation = "config.kubernetes.io/origin"

// decode reads one built object strictly. An object that is not one of ours
// has findings and neither Action nor Workflow.
func decode(res *resource.Resource, src *sources) (Object, []v1alpha1.Finding) {
	o := Object{Kind: res.GetKind(), Name: res.GetName(), Manifest: &unstructured.Unstructured{}}
	if origin, err := res.GetOrigin(); err == nil && origin != nil {
		o.origin = src.where(origin.Path, res.OrgId().Kind, res.OrgId().Name)
	}
	raw, err := res.MarshalJSON()
	if err == nil {
		err = o.Manifest.UnmarshalJSON(raw)
	}
	if err != nil {
		return o, []v1alpha1.Finding{o.Finding("", v1alpha1.ReasonBuildFailed, fmt.Sprintf("not a Kubernetes object: %v", err))}
	}
	unstructured.RemoveNestedField(o.Manifest.Object, "metadata", "annotations", originAnnotation)
	if len(o.Manifest.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(o.Manifest.Object, "metadata", "annotations")
	}
	gv := v1alpha1.GroupVersion().String()
	var into any
	switch {
	case o.Manifest.GetAPIVersion() == gv && o.Kind == KindAction:
		o.Action = &v1alpha1.Action{}
		into = o.Action
	case o.Manifest.GetAPIVersion() == gv && o.Kind == KindWorkflow:
		o.Workflow = &v1alpha1.Workflow{}
		into = o.Workflow
	default:
		return o, []v1alpha1.Finding{o.Finding("kind", v1alpha1.ReasonValidationFailed,
			fmt.Sprintf("found %s of %s: a catalog publishes Action and Workflow of %s only", o.Kind, o.Manifest.GetAPIVersion(), gv))}
	}
	return o, append(o.checkMetadata(), o.strict(into)...)
}

// checkMetadata allows what a person writes; finalizers and owners would let a
// commit keep objects from being pruned.
func (o Object) checkMetadata() []v1alpha1.Finding {
	var findings []v1alpha1.Finding
	meta, _, _ := unstructured.NestedMap(o.Manifest.Object, "metadata")
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		if !slices.Contains([]string{"name", "namespace", "labels", "annotations"}, key) {
			findings = append(findings, o.Finding("metadata."+key, v1alpha1.ReasonValidationFailed, "a catalog's metadata holds name, namespace, labels and annotations only: remove it"))
		}
	}
	if _, ok := o.Manifest.Object["status"]; ok {
		findings = append(findings, o.Finding("status", v1alpha1.ReasonValidationFailed, "status is written by the controller: remove it"))
	}
	if problems := validation.IsDNS1123Subdomain(o.Name); len(problems) > 0 {
		findings = append(findings, o.Finding("metadata.name", v1alpha1.ReasonValidationFailed, strings.Join(problems, "; ")))
	}
	return findings
}

// strict decodes the manifest and refuses fields that the kind does not have.
func (o Object) strict(into any) []v1alpha1.Finding {
	raw, err := o.Manifest.MarshalJSON()
	if err != nil {
		return []v1alpha1.Finding{o.Finding("", v1alpha1.ReasonBuildFailed, err.Error())}
	}
	unknown, err := sjson.UnmarshalStrict(raw, into)
	if err != nil {
		f := o.Finding(fieldOf(err), v1alpha1.ReasonValidationFailed, strings.TrimPrefix(err.Error(), "json: "))
		if quoted := regexp.MustCompile(`"(.+)"`).FindStringSubmatch(err.Error()); quoted != nil && fieldOf(err) == "" {
			f.Line = int32(max(holding(o.origin.node, quoted[1]), int(f.Line)))
		}
		return []v1alpha1.Finding{f}
	}
	var findings []v1alpha1.Finding
	for _, e := range unknown {
		field := regexp.MustCompile(`"(.*)"`).FindStringSubmatch(e.Error())
		if field == nil {
			findings = append(findings, o.Finding("", v1alpha1.ReasonValidationFailed, e.Error()))
			continue
		}
		findings = append(findings, o.Finding(field[1], v1alpha1.ReasonValidationFailed, "unknown field: mend its name or remove it"))
	}
	return findings
}

// fieldOf finds the field in a message such as "cannot unmarshal string into
// Go struct field WorkflowSpec.spec.steps of type …".
func fieldOf(err error) string {
	m := regexp.MustCompile(`Go struct field \w+\.(\S+) of type`).FindStringSubmatch(err.Error())
	if m == nil {
		return ""
	}
	return m[1]
}
