package volumes

import (
	"context"
	"errors"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/util/workqueue"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

func claim() *corev1.PersistentVolumeClaim {
	class := className
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c", UID: "1", Annotations: map[string]string{"volume.kubernetes.io/selected-node": place.Node}},
		Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: &class, Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Mi")}}},
	}
}

// start is a worker whose caches hold the objects.
func start(t *testing.T, objects ...runtime.Object) (*worker, *fake.Clientset) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	client := fake.NewClientset(objects...)
	w := &worker{place: &place.Place{State: t.TempDir()}, client: client, factory: informers.NewSharedInformerFactory(client, 0),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](1, 1))}
	w.factory.Core().V1().PersistentVolumeClaims().Informer()
	w.factory.Core().V1().PersistentVolumes().Informer()
	w.factory.Start(ctx.Done())
	w.factory.WaitForCacheSync(ctx.Done())
	return w, client
}

func TestProvideIsTriedAgain(t *testing.T) {
	w, client := start(t, claim())
	failures := 2
	client.PrependReactor("create", "persistentvolumes", func(clienttesting.Action) (bool, runtime.Object, error) {
		failures--
		return failures >= 0, nil, errors.New("the API is away")
	})
	w.queue.Add("claim/n/c")
	for range 3 {
		w.next(context.Background())
	}
	volume, err := client.CoreV1().PersistentVolumes().Get(context.Background(), "pvc-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(volume.Spec.Local.Path); err != nil || volume.Spec.ClaimRef.UID != "1" {
		t.Errorf("volume %+v: %v", volume.Spec, err)
	}
	if w.queue.NumRequeues("claim/n/c") != 0 {
		t.Error("it is not forgotten after the success")
	}
}

func TestWanting(t *testing.T) {
	other := "other"
	for name, change := range map[string]func(*corev1.PersistentVolumeClaim){
		"has a volume":  func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "v" },
		"has no node":   func(c *corev1.PersistentVolumeClaim) { c.Annotations = nil },
		"other class":   func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = &other },
		"no class":      func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = nil },
		"being deleted": func(c *corev1.PersistentVolumeClaim) { c.DeletionTimestamp = &metav1.Time{} },
	} {
		c := claim()
		change(c)
		if !wanting(claim()) || wanting(c) {
			t.Errorf("%s: %t", name, wanting(c))
		}
	}
}

func TestReclaim(t *testing.T) {
	ours := volumeOf(claim(), "pvc-1", "")
	ours.Status.Phase = corev1.VolumeReleased
	foreign := ours.DeepCopy()
	foreign.Name, foreign.Annotations = "foreign", nil
	bound := ours.DeepCopy()
	bound.Name, bound.Status.Phase = "bound", corev1.VolumeBound
	w, client := start(t, ours, foreign, bound)
	for _, name := range []string{"pvc-1", "foreign", "bound", "gone"} {
		if err := os.MkdirAll(Dir(w.place, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := w.sync(context.Background(), volumeKey+name); err != nil {
			t.Error(err)
		}
	}
	left, err := client.CoreV1().PersistentVolumes().List(context.Background(), metav1.ListOptions{})
	if err != nil || len(left.Items) != 2 {
		t.Errorf("left: %v, %v", left.Items, err)
	}
	if _, err := os.Stat(Dir(w.place, "pvc-1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
	if _, err := os.Stat(Dir(w.place, "bound")); err != nil {
		t.Errorf("a bound volume's folder: %v", err)
	}
}
