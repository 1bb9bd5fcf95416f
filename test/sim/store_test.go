package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// key names an object; there is one namespace.
type key struct{ kind, name string }

type objects map[key]client.Object

// names lists the objects of a kind in a fixed order.
func (o objects) names(kind string) []key {
	var out []key
	for k := range o {
		if k.kind == kind {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b key) int { return cmp.Compare(a.name, b.name) })
	return out
}

func kindOf(o any) string {
	name := fmt.Sprintf("%T", o)
	return strings.TrimSuffix(name[strings.LastIndex(name, ".")+1:], "List")
}

// store is the API server: what it holds is never changed in place.
type store struct {
	objects objects
	version int
	// watch is told of each change, with nil for what is gone.
	watch func(k key, old, now client.Object)
}

func (s *store) put(k key, o client.Object) {
	s.version++
	old := s.objects[k]
	o.SetResourceVersion(fmt.Sprint(s.version))
	if old == nil {
		o.SetUID(types.UID(fmt.Sprintf("uid-%d", s.version)))
		o.SetGeneration(1)
	}
	if !o.GetDeletionTimestamp().IsZero() && len(o.GetFinalizers()) == 0 {
		s.remove(k)
		return
	}
	s.objects[k] = o
	s.watch(k, old, o)
}

func (s *store) remove(k key) {
	s.version++
	old := s.objects[k]
	delete(s.objects, k)
	s.watch(k, old, nil)
}

// change edits a copy of an object and stores it.
func (s *store) change(k key, edit func(client.Object)) {
	o := s.objects[k].DeepCopyObject().(client.Object)
	edit(o)
	s.put(k, o)
}

// api is what the reconcilers call: it reads from a cache, or past it, and its
// writes may fail or be the last that the controller does.
type api struct {
	client.Client // what no reconciler calls
	store         *store
	cache         objects
	// fault decides about a write: err is answered, applied says that it took
	// effect all the same. It may panic instead, before or after.
	fault func(what string) (applied, crash bool, err error)
	note  func(format string, args ...any)
	now   func() time.Time
}

// crash is what a controller that is killed panics with.
type crash struct{}

func (a *api) live() client.Client {
	l := *a
	l.cache = a.store.objects
	return &l
}

func missing(k key) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: k.kind}, k.name)
}

func (a *api) Get(_ context.Context, name client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	k := key{kindOf(out), name.Name}
	found := a.cache[k]
	if found == nil {
		return missing(k)
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
	var items []runtime.Object
	for _, k := range a.cache.names(kindOf(out)) {
		found := a.cache[k]
		if o.LabelSelector == nil || o.LabelSelector.Matches(labelsOf(found)) {
			items = append(items, found.DeepCopyObject())
		}
	}
	return apimeta.SetList(out, items)
}

type labelsOfObject map[string]string

func labelsOf(o client.Object) labelsOfObject { return o.GetLabels() }

// Has, Get and Lookup make a map a set of labels.
func (l labelsOfObject) Has(k string) bool              { _, ok := l[k]; return ok }
func (l labelsOfObject) Get(k string) string            { return l[k] }
func (l labelsOfObject) Lookup(k string) (string, bool) { v, ok := l[k]; return v, ok }

// write does one write with all that may go wrong.
func (a *api) write(what string, do func() error) error {
	applied, crashes, fail := a.fault(what)
	if fail == nil && !crashes || applied {
		if err := do(); err != nil {
			a.note("  %s: %v", what, err)
			return err
		}
	}
	a.note("  %s: fault %v, applied %t, crash %t", what, fail, applied || fail == nil && !crashes, crashes)
	if crashes {
		panic(crash{})
	}
	return fail
}

func (a *api) Create(_ context.Context, o client.Object, opts ...client.CreateOption) error {
	var options client.CreateOptions
	options.ApplyOptions(opts)
	k := key{kindOf(o), o.GetName()}
	if len(options.DryRun) > 0 {
		return nil
	}
	return a.write("create "+k.kind+" "+k.name, func() error {
		if a.store.objects[k] != nil {
			return apierrors.NewAlreadyExists(schema.GroupResource{Resource: k.kind}, k.name)
		}
		made := o.DeepCopyObject().(client.Object)
		made.SetCreationTimestamp(metav1.NewTime(a.now()))
		if k.kind == "PersistentVolumeClaim" {
			made.SetFinalizers([]string{"kubernetes.io/pvc-protection"})
		}
		a.store.put(k, made)
		fill(o, made)
		return nil
	})
}

func (a *api) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	k := key{kindOf(o), o.GetName()}
	return a.write("delete "+k.kind+" "+k.name, func() error {
		found := a.store.objects[k]
		if found == nil || found.GetUID() != o.GetUID() {
			return missing(k)
		}
		if k.kind == "Job" { // it goes in the foreground: its pods first
			o.SetFinalizers([]string{metav1.FinalizerDeleteDependents})
		}
		a.store.change(k, func(x client.Object) {
			at := metav1.NewTime(a.now())
			x.SetFinalizers(o.GetFinalizers())
			x.SetDeletionTimestamp(&at)
		})
		return nil
	})
}

// Patch knows what reconcilers patch: finalizers and spec.cancel.
func (a *api) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.PatchOption) error {
	return a.patch("patch", o, p, func(x client.Object) {
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

func (a *api) patch(verb string, o client.Object, p client.Patch, edit func(client.Object)) error {
	data, err := p.Data(o)
	if err != nil {
		return err
	}
	k := key{kindOf(o), o.GetName()}
	return a.write(verb+" "+k.kind+" "+k.name+" "+told(o), func() error {
		found := a.store.objects[k]
		if found == nil {
			return missing(k)
		}
		if strings.Contains(string(data), `"resourceVersion"`) && found.GetResourceVersion() != o.GetResourceVersion() {
			return apierrors.NewConflict(schema.GroupResource{Resource: k.kind}, k.name, errors.New("it was changed in between"))
		}
		next := found.DeepCopyObject().(client.Object)
		edit(next)
		a.store.put(k, next)
		fill(o, next)
		return nil
	})
}

func (a *api) Status() client.SubResourceWriter { return &statusWriter{api: a} }

type statusWriter struct {
	client.SubResourceWriter
	api *api
}

// Patch of a status is whole, since all of ours carry the version they were computed from.
func (s *statusWriter) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.api.patch("status", o, p, func(x client.Object) {
		switch x := x.(type) {
		case *v1alpha1.WorkflowExecution:
			o.(*v1alpha1.WorkflowExecution).Status.DeepCopyInto(&x.Status)
		case *v1alpha1.ActionExecution:
			o.(*v1alpha1.ActionExecution).Status.DeepCopyInto(&x.Status)
		}
	})
}

// told is a status in a few words.
func told(o client.Object) string {
	switch o := o.(type) {
	case *v1alpha1.WorkflowExecution:
		out := []string{string(o.Status.Phase)}
		for _, s := range o.Status.Steps {
			out = append(out, fmt.Sprintf("%s:%s/%d", s.Name, s.Phase, s.Attempts))
		}
		return strings.Join(out, " ")
	case *v1alpha1.ActionExecution:
		return fmt.Sprintf("%s cancel=%t", o.Status.Phase, o.Spec.Cancel)
	}
	return ""
}
