package job

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// leftoverRetry is when an object that the garbage collector is about to take
// is looked at again: it needs a second or two.
const leftoverRetry = 2 * time.Second

// server is the API server and the time, for runs and for single steps.
type server struct {
	client client.Client
	// live reads past the cache, to judge an object that the cache may not have yet.
	live client.Reader
	now  func() time.Time
}

// create makes an object once. One of the same name that is the owner's is
// what an earlier try has made, and is read into o; any other is somebody else's.
func (s server) create(ctx context.Context, o client.Object, owner metav1.Object) error {
	kind := fmt.Sprintf("%T", o)[len("*v1."):]
	err := s.client.Create(ctx, o, client.FieldOwner(v1alpha1.FieldOwner))
	if err == nil {
		return nil
	}
	if apierrors.IsInvalid(err) {
		return run.Refuse(v1alpha1.ReasonInvalid, "the API server does not accept %s %s/%s: %v", kind, o.GetNamespace(), o.GetName(), err)
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create %s %s/%s: %w", kind, o.GetNamespace(), o.GetName(), err)
	}
	if err := s.live.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return fmt.Errorf("read %s %s/%s: %w", kind, o.GetNamespace(), o.GetName(), err)
	}
	if !metav1.IsControlledBy(o, owner) {
		return s.foreign(kind, o, owner)
	}
	return nil
}

// foreign refuses an object of somebody else. One that an earlier owner of the
// same name left behind is on its way out and only waited for.
func (s server) foreign(kind string, found, owner metav1.Object) error {
	if ref := metav1.GetControllerOf(found); ref != nil && ref.Name == owner.GetName() && ref.APIVersion == v1alpha1.GroupVersion().String() {
		return run.WaitFor(v1alpha1.ReasonForeignObject, s.now().Add(leftoverRetry),
			"waits for %s %s/%s to be deleted, which an earlier %s of the same name left", kind, found.GetNamespace(), found.GetName(), ref.Kind)
	}
	return run.Refuse(v1alpha1.ReasonForeignObject,
		"%s %s/%s exists and does not belong to %s: it is left alone; remove it or create a run of another name",
		kind, found.GetNamespace(), found.GetName(), owner.GetName())
}
