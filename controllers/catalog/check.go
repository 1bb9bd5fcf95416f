package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/run"
)

// maxFindings is how many the status holds.
const maxFindings = 50

// refuse turns findings into a Refusal; none are none.
func (p *pass) refuse(findings []v1alpha1.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	slices.SortStableFunc(findings, func(a, b v1alpha1.Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	p.findings = findings
	f := findings[0]
	where := f.File
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if where != "" {
		where += ": "
	}
	more := ""
	if len(findings) > 1 {
		more = fmt.Sprintf(" (and %d more, see status.findings)", len(findings)-1)
	}
	return run.Refuse(run.Reason(reasonOf(findings)), "%s%s%s", where, f.Message, more)
}

// reasonOf sums findings up: one reason if they share it, else that of
// validation.
func reasonOf(findings []v1alpha1.Finding) string {
	for _, f := range findings {
		if f.Reason != findings[0].Reason {
			return v1alpha1.ReasonValidationFailed
		}
	}
	switch reason := findings[0].Reason; reason {
	case v1alpha1.ReasonEmptySource, v1alpha1.ReasonBuildFailed, v1alpha1.ReasonApplyFailed:
		return reason
	default:
		return v1alpha1.ReasonValidationFailed
	}
}

// claim puts the set into the namespace, labels it, and refuses what would
// take an object from somebody else, use an Action that nobody has, or change
// what a version means.
func (r *Reconciler) claim(_ context.Context, p *pass) error {
	findings := p.set.Into(p.obj.Namespace)
	findings = append(findings, p.set.Missing(func(name string) bool { return p.stays(manifests.KindAction, name) })...)
	for _, o := range p.set.Objects {
		if live := p.world.find(o.Kind, o.Name); live != nil && !owns(p.obj, live) {
			findings = append(findings, o.Finding("metadata.name", v1alpha1.ReasonForeignObject,
				fmt.Sprintf("%s %s exists and was not published by this catalog: rename or remove one of the two", o.Kind, o.Name)))
		}
		if o.Workflow != nil {
			findings = append(findings, p.conflict(o)...)
		}
		mark(p, o)
	}
	return p.refuse(findings)
}

// stays says whether an object that the set does not hold will be there when
// the set is published.
func (p *pass) stays(kind, name string) bool {
	o := p.world.find(kind, name)
	return o != nil && (!owns(p.obj, o) || !prunes(p.obj.Spec))
}

// conflict refuses other content under a version that was published. The
// hash is the one that the workflow controller gave, so that an edit of the
// live object counts for nothing.
func (p *pass) conflict(o manifests.Object) []v1alpha1.Finding {
	live, ok := p.world.workflows[o.Name]
	if !ok || !owns(p.obj, live) || live.Status.Version != o.Workflow.Spec.Version || live.Status.ContentHash == "" {
		return nil
	}
	if manifests.Hash(*o.Workflow) == live.Status.ContentHash {
		return nil
	}
	return []v1alpha1.Finding{o.Finding("spec.version", v1alpha1.ReasonVersionConflict,
		fmt.Sprintf("%s was published with other content: raise the version", o.Workflow.Spec.Version))}
}

func mark(p *pass, o manifests.Object) {
	labels := o.Manifest.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.LabelCatalog], labels[v1alpha1.LabelCatalogNamespace] = p.obj.Name, p.obj.Namespace
	o.Manifest.SetLabels(labels)
	annotations := o.Manifest.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationRevision] = p.snapshot.Revision
	o.Manifest.SetAnnotations(annotations)
}

// rehearse asks the API server about the whole set before any of it is
// written: it applies the schema and whatever admission adds.
func (r *Reconciler) rehearse(ctx context.Context, p *pass) error {
	var findings []v1alpha1.Finding
	for _, o := range p.set.Objects {
		err := send(ctx, p.writer, o, client.DryRunAll)
		if err == nil {
			continue
		}
		found := explain(o, err)
		if len(found) == 0 {
			return fmt.Errorf("try %s %s: %w", o.Kind, o.Name, err)
		}
		findings = append(findings, found...)
	}
	return p.refuse(findings)
}

// explain turns an answer of the API server that repeating cannot mend into
// findings; none means that it may be repeated.
func explain(o manifests.Object, err error) []v1alpha1.Finding {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	switch {
	case apierrors.IsInvalid(err) && status.Status().Details != nil && len(status.Status().Details.Causes) > 0:
		var findings []v1alpha1.Finding
		for _, cause := range status.Status().Details.Causes {
			// The server says that it left out rules, of no field.
			if cause.Field != "<nil>" {
				findings = append(findings, o.Finding(cause.Field, v1alpha1.ReasonValidationFailed, cause.Message))
			}
		}
		return findings
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return []v1alpha1.Finding{o.Finding("", v1alpha1.ReasonValidationFailed, err.Error())}
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsRequestEntityTooLargeError(err), apierrors.IsMethodNotSupported(err):
		return []v1alpha1.Finding{o.Finding("", v1alpha1.ReasonApplyFailed, err.Error())}
	}
	return nil
}
