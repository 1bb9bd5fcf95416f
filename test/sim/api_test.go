package sim

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// api is what the reconcilers call: it reads from a cache, or past it, and its
// writes may take long, fail, or be the last that the controller does.
type api struct {
	client.Client // what no reconciler calls
	w             *world
	past          bool // reads past the cache
}

// crash is what a controller that is killed panics with.
type crash struct{}

func (a *api) live() client.Client { return &api{w: a.w, past: true} }

func (a *api) objects() *objects {
	if a.past {
		return a.w.store.objects
	}
	return a.w.cache
}

func missing(k key) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: k.kind}, k.name)
}

func (a *api) Get(_ context.Context, name client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	k := key{kindOf(out), name.Namespace, name.Name}
	if a.past {
		if err := a.w.slowRead(k); err != nil {
			return err
		}
	}
	found := a.objects().by[k]
	if found == nil {
		return missing(k)
	}
	if a.past {
		a.w.judged(found)
	}
	fill(out, found)
	return nil
}

func fill(out, from client.Object) {
	reflect.ValueOf(out).Elem().Set(reflect.ValueOf(from.DeepCopyObject()).Elem())
}

func (a *api) List(_ context.Context, out client.ObjectList, opts ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(opts)
	kind := kindOf(out)
	if kind == "WorkflowExecution" && o.Namespace == "" {
		a.w.counted()
	}
	var items []runtime.Object
	for _, k := range a.objects().names(kind) {
		found := a.objects().by[k]
		if o.Namespace != "" && o.Namespace != k.namespace || !selected(o, found) {
			continue
		}
		if ptr.Deref(o.UnsafeDisableDeepCopy, false) {
			items = append(items, found)
		} else {
			items = append(items, found.DeepCopyObject())
		}
	}
	return apimeta.SetList(out, items)
}

func selected(o client.ListOptions, found client.Object) bool {
	if o.LabelSelector != nil && !o.LabelSelector.Matches(labelsOf(found.GetLabels())) {
		return false
	}
	if o.FieldSelector == nil {
		return true
	}
	e, is := found.(*v1alpha1.WorkflowExecution)
	return is && e.Spec.WorkflowRef != nil && o.FieldSelector.Matches(fields.Set{"spec.workflowRef.name": e.Spec.WorkflowRef.Name})
}

type labelsOf map[string]string

// Has, Get and Lookup make a map a set of labels.
func (l labelsOf) Has(k string) bool              { _, ok := l[k]; return ok }
func (l labelsOf) Get(k string) string            { return l[k] }
func (l labelsOf) Lookup(k string) (string, bool) { v, ok := l[k]; return v, ok }

// write does one write with all that may go wrong, and all that may happen until
// it arrives and until its answer is there.
func (a *api) write(what string, do func() error) error {
	applied, crashes, fail := a.w.fault()
	a.w.meanwhile(what)
	if fail == nil && !crashes || applied {
		if err := do(); err != nil {
			a.w.note("  %s: %v", what, err)
			return err
		}
	}
	if fail != nil || crashes {
		a.w.note("  %s: fault %v, applied %t, crash %t", what, fail, applied, crashes)
	} else {
		a.w.note("  %s", what)
	}
	if crashes {
		panic(crash{})
	}
	a.w.meanwhile("the answer to " + what)
	return fail
}

func (a *api) Create(_ context.Context, o client.Object, opts ...client.CreateOption) error {
	var options client.CreateOptions
	options.ApplyOptions(opts)
	k := keyOf(o)
	if len(options.DryRun) > 0 {
		return nil
	}
	sent := *a.w.pass()
	return a.write("create "+k.String(), func() error {
		if a.w.store.by[k] != nil {
			return apierrors.NewAlreadyExists(schema.GroupResource{Resource: k.kind}, k.name)
		}
		made := o.DeepCopyObject().(client.Object)
		made.SetCreationTimestamp(metav1.NewTime(a.w.now))
		if k.kind == "PersistentVolumeClaim" {
			made.SetFinalizers([]string{"kubernetes.io/pvc-protection"})
		}
		a.w.creator = sent
		a.w.store.put(made)
		fill(o, made)
		return nil
	})
}

func (a *api) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	k := keyOf(o)
	return a.write("delete "+k.String(), func() error {
		found := a.w.store.by[k]
		if found == nil || found.GetUID() != o.GetUID() {
			return missing(k)
		}
		if k.kind == "Job" { // it goes in the foreground: its pods first
			o.SetFinalizers([]string{metav1.FinalizerDeleteDependents})
		}
		a.w.store.change(k, func(x client.Object) {
			at := metav1.NewTime(a.w.now)
			x.SetFinalizers(o.GetFinalizers())
			x.SetDeletionTimestamp(&at)
		})
		return nil
	})
}

// Patch knows what reconcilers patch: finalizers and spec.cancel.
func (a *api) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.PatchOption) error {
	data, err := p.Data(o)
	if err != nil {
		return err
	}
	locked := strings.Contains(string(data), `"resourceVersion"`)
	return a.patch("patch", o, locked, func(_, x client.Object) {
		switch x := x.(type) {
		case *v1alpha1.ActionExecution:
			x.Spec.Cancel = o.(*v1alpha1.ActionExecution).Spec.Cancel
			x.Generation++
		case *v1alpha1.WorkflowExecution, *corev1.PersistentVolumeClaim:
			x.SetFinalizers(o.GetFinalizers())
		default:
			panic(fmt.Sprintf("the simulator does not know what a patch of %T changes", x))
		}
	})
}

// patch edits what is stored; locked fails if somebody else wrote since o was read.
func (a *api) patch(verb string, o client.Object, locked bool, edit func(was, x client.Object)) error {
	k := keyOf(o)
	return a.write(verb+" "+k.String()+" "+told(o), func() error {
		found := a.w.store.by[k]
		if found == nil {
			return missing(k)
		}
		if locked && found.GetResourceVersion() != o.GetResourceVersion() {
			return apierrors.NewConflict(schema.GroupResource{Resource: k.kind}, k.name, errors.New("it was changed in between"))
		}
		next := found.DeepCopyObject().(client.Object)
		edit(found, next)
		a.w.store.put(next)
		fill(o, next)
		return nil
	})
}

func (a *api) Status() client.SubResourceWriter { return &statusWriter{api: a} }

type statusWriter struct {
	client.SubResourceWriter
	api *api
}

// Patch of a status is whole, since all of ours carry the version they were
// computed from; making the patch is dear, so that only some worlds look.
func (s *statusWriter) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.SubResourcePatchOption) error {
	w := s.api.w
	if w.seed%32 == 0 {
		data, err := p.Data(o)
		if err != nil {
			return err
		}
		if !strings.Contains(string(data), `"resourceVersion"`) {
			w.violated("the status of %s is written without the version it was computed from", o.GetName())
		}
	}
	if e, is := o.(*v1alpha1.WorkflowExecution); is {
		w.sent(e)
	}
	return s.api.patch("status", o, true, func(was, x client.Object) {
		switch x := x.(type) {
		case *v1alpha1.WorkflowExecution:
			o.(*v1alpha1.WorkflowExecution).Status.DeepCopyInto(&x.Status)
			w.checkWrite(was.(*v1alpha1.WorkflowExecution), x)
		case *v1alpha1.ActionExecution:
			o.(*v1alpha1.ActionExecution).Status.DeepCopyInto(&x.Status)
			w.checkActionWrite(was.(*v1alpha1.ActionExecution), x)
		}
	})
}

// told is a status in a few words.
func told(o client.Object) string {
	switch o := o.(type) {
	case *v1alpha1.WorkflowExecution:
		out := []string{string(o.Status.Phase), reasonOf(o.Status.Conditions)}
		for _, s := range o.Status.Steps {
			out = append(out, fmt.Sprintf("%s:%s/%d", s.Name, s.Phase, s.Attempts))
		}
		return strings.Join(out, " ")
	case *v1alpha1.ActionExecution:
		return fmt.Sprintf("%s %s cancel=%t", o.Status.Phase, reasonOf(o.Status.Conditions), o.Spec.Cancel)
	}
	return ""
}

// reasonOf is the reason of the Ready condition.
func reasonOf(conditions []metav1.Condition) string {
	for _, c := range conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Reason
		}
	}
	return ""
}
