package catalog

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
)

// world is every Action and Workflow of the Catalog's namespace, whoever
// published it.
type world struct {
	actions   map[string]*v1alpha1.Action
	workflows map[string]*v1alpha1.Workflow
}

// observe reads the world once for the whole pass.
func (r *Reconciler) observe(ctx context.Context, p *pass) error {
	var actions v1alpha1.ActionList
	if err := r.live.List(ctx, &actions, client.InNamespace(p.obj.Namespace)); err != nil {
		return fmt.Errorf("list actions: %w", err)
	}
	var workflows v1alpha1.WorkflowList
	if err := r.live.List(ctx, &workflows, client.InNamespace(p.obj.Namespace)); err != nil {
		return fmt.Errorf("list workflows: %w", err)
	}
	p.world = world{actions: map[string]*v1alpha1.Action{}, workflows: map[string]*v1alpha1.Workflow{}}
	for i := range actions.Items {
		p.world.actions[actions.Items[i].Name] = &actions.Items[i]
	}
	for i := range workflows.Items {
		p.world.workflows[workflows.Items[i].Name] = &workflows.Items[i]
	}
	p.writer = r.client
	if account := p.obj.Spec.ServiceAccountName; account != "" {
		writer, err := r.opts.As(p.obj.Namespace, account)
		if err != nil {
			return fmt.Errorf("act as service account %s: %w", account, err)
		}
		p.writer = writer
	}
	return nil
}

// find returns an object of the world, nil if there is none.
func (w world) find(kind, name string) client.Object {
	if a, ok := w.actions[name]; ok && kind == manifests.KindAction {
		return a
	}
	if f, ok := w.workflows[name]; ok && kind == manifests.KindWorkflow {
		return f
	}
	return nil
}

// owns says whether the Catalog published an object.
func owns(c *v1alpha1.Catalog, o client.Object) bool {
	labels := o.GetLabels()
	return labels[v1alpha1.LabelCatalog] == c.Name && labels[v1alpha1.LabelCatalogNamespace] == c.Namespace
}

// intact says whether all that the inventory lists is there as it was
// published.
func (p *pass) intact() bool {
	for _, e := range p.obj.Status.Inventory {
		id, ok := manifests.ParseID(e.ID)
		if !ok {
			return false
		}
		o := p.world.find(id.Kind, id.Name)
		if o == nil || !owns(p.obj, o) || o.GetAnnotations()[v1alpha1.AnnotationRevision] != p.obj.Status.LastAppliedRevision || edited(o) {
			return false
		}
	}
	return true
}

// edited says whether somebody else set a field of the spec.
func edited(o client.Object) bool {
	return setBy(o, func(m metav1.ManagedFieldsEntry) bool { return m.Manager != v1alpha1.FieldOwner })
}

// restored says whether we once put back the spec of an object that was
// edited. An apply that leaves out a field does not remove it then.
func restored(o client.Object) bool {
	return setBy(o, func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == v1alpha1.FieldOwner && m.Operation != metav1.ManagedFieldsOperationApply
	})
}

// setBy says whether a field of the spec was set by such a manager.
func setBy(o client.Object, such func(metav1.ManagedFieldsEntry) bool) bool {
	for _, m := range o.GetManagedFields() {
		if m.Subresource == "" && m.FieldsV1 != nil && strings.Contains(m.FieldsV1.GetRawString(), `"f:spec"`) && such(m) {
			return true
		}
	}
	return false
}
