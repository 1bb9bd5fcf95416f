package sim

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// key names an object.
type key struct{ kind, namespace, name string }

func (k key) String() string { return k.kind + " " + k.namespace + "/" + k.name }

func (k key) named() types.NamespacedName {
	return types.NamespacedName{Namespace: k.namespace, Name: k.name}
}

func compare(a, b key) int {
	return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
}

func keyOf(o client.Object) key { return key{kindOf(o), o.GetNamespace(), o.GetName()} }

// kindOf is the kind of an object or of a list of such objects.
func kindOf(o any) string {
	return strings.TrimSuffix(reflect.TypeOf(o).Elem().Name(), "List")
}

// objects are kept by kind in a fixed order. What names returned stays as it is
// when objects come and go.
type objects struct {
	by    map[key]client.Object
	order map[string][]key
}

func newObjects() *objects { return &objects{map[key]client.Object{}, map[string][]key{}} }

func (o *objects) names(kind string) []key { return o.order[kind] }

func (o *objects) set(k key, to client.Object) {
	if o.by[k] == nil {
		at, _ := slices.BinarySearchFunc(o.order[k.kind], k, compare)
		o.order[k.kind] = slices.Insert(slices.Clone(o.order[k.kind]), at, k)
	}
	o.by[k] = to
}

func (o *objects) delete(k key) {
	if o.by[k] == nil {
		return
	}
	at, _ := slices.BinarySearchFunc(o.order[k.kind], k, compare)
	o.order[k.kind] = slices.Delete(slices.Clone(o.order[k.kind]), at, at+1)
	delete(o.by, k)
}

// store is the API server: what it holds is never changed in place.
type store struct {
	*objects
	version int
	// watch is told of each change, with nil for what was not or is gone.
	watch func(k key, old, now client.Object)
}

func (s *store) put(o client.Object) {
	k := keyOf(o)
	s.version++
	old := s.by[k]
	o.SetResourceVersion(fmt.Sprint(s.version))
	if old == nil {
		o.SetUID(types.UID(fmt.Sprintf("uid-%04d", s.version)))
		o.SetGeneration(1)
	}
	if !o.GetDeletionTimestamp().IsZero() && len(o.GetFinalizers()) == 0 {
		s.remove(k)
		return
	}
	s.set(k, o)
	s.watch(k, old, o)
}

func (s *store) remove(k key) {
	s.version++
	old := s.by[k]
	s.delete(k)
	s.watch(k, old, nil)
}

// change edits a copy of an object and stores it.
func (s *store) change(k key, edit func(client.Object)) {
	o := s.by[k].DeepCopyObject().(client.Object)
	edit(o)
	s.put(o)
}

// all lists the objects of a type in a fixed order.
func all[T client.Object](o *objects, kind string) []T {
	var out []T
	for _, k := range o.names(kind) {
		out = append(out, o.by[k].(T))
	}
	return out
}
