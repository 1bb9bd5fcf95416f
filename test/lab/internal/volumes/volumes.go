// Package volumes makes `local` volumes for claims and removes them again:
// unlike host-path ones, the kubelet hands them to a pod's fsGroup, so that an
// action that is not root can write.
package volumes

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

const (
	className   = "lab-local"
	provisioner = "lab.kubernaut.ai/local"
	madeBy      = "pv.kubernetes.io/provisioned-by"
	// Health is where the provisioner says that it works.
	Health = "127.0.0.1:10270"
)

// Class makes the default storage class.
func Class(ctx context.Context, client clientset.Interface) error {
	reclaim, mode := corev1.PersistentVolumeReclaimDelete, storagev1.VolumeBindingWaitForFirstConsumer
	_, err := client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: className, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: provisioner, ReclaimPolicy: &reclaim, VolumeBindingMode: &mode,
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create storage class: %w", err)
	}
	return nil
}

// Dir is the folder of the volume of a claim.
func Dir(p *place.Place, volume string) string { return p.Path("volumes", volume) }

// worker makes and removes volumes, one after the other.
type worker struct {
	place   *place.Place
	client  clientset.Interface
	queue   workqueue.TypedRateLimitingInterface[string]
	factory informers.SharedInformerFactory
}

// The kinds of a key in the queue.
const (
	claimKey  = "claim/"
	volumeKey = "volume/"
)

// Serve makes volumes until it is told to end.
func Serve(ctx context.Context, p *place.Place, client clientset.Interface) error {
	w := &worker{
		place: p, client: client, factory: informers.NewSharedInformerFactory(client, 0),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
	}
	core := w.factory.Core().V1()
	for kind, informer := range map[string]cache.SharedIndexInformer{
		claimKey: core.PersistentVolumeClaims().Informer(), volumeKey: core.PersistentVolumes().Informer(),
	} {
		if _, err := informer.AddEventHandler(w.enqueue(kind)); err != nil {
			return fmt.Errorf("watch %ss: %w", strings.TrimSuffix(kind, "/"), err)
		}
	}
	w.factory.Start(ctx.Done())
	for kind, ok := range w.factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return fmt.Errorf("read all %s: %w", kind, ctx.Err())
		}
	}
	go w.serveHealth()
	go func() { <-ctx.Done(); w.queue.ShutDown() }()
	for w.next(ctx) {
	}
	return nil
}

// serveHealth answers only once the caches are full.
func (w *worker) serveHealth() {
	server := &http.Server{Addr: Health, ReadHeaderTimeout: 2 * time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	log.Fatal("serve health: ", server.ListenAndServe())
}

func (w *worker) enqueue(kind string) cache.ResourceEventHandlerFuncs {
	add := func(o any) {
		if key, err := cache.MetaNamespaceKeyFunc(o); err == nil {
			w.queue.Add(kind + key)
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, o any) { add(o) }}
}

// next works on one key; what fails is tried again, later and later.
func (w *worker) next(ctx context.Context) bool {
	key, shutdown := w.queue.Get()
	if shutdown {
		return false
	}
	defer w.queue.Done(key)
	if err := w.sync(ctx, key); err != nil {
		log.Print(err)
		w.queue.AddRateLimited(key)
		return true
	}
	w.queue.Forget(key)
	return true
}

func (w *worker) sync(ctx context.Context, key string) error {
	core := w.factory.Core().V1()
	if name, ok := strings.CutPrefix(key, volumeKey); ok {
		volume, err := core.PersistentVolumes().Lister().Get(name)
		if apierrors.IsNotFound(err) || err == nil && !released(volume) {
			return nil
		}
		if err != nil {
			return err
		}
		return w.reclaim(ctx, name)
	}
	namespace, name, err := cache.SplitMetaNamespaceKey(strings.TrimPrefix(key, claimKey))
	if err != nil {
		return err
	}
	claim, err := core.PersistentVolumeClaims().Lister().PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) || err == nil && !wanting(claim) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.provide(ctx, claim)
}

// wanting says whether a claim of ours has a node, chosen by the scheduler,
// but no volume.
func wanting(claim *corev1.PersistentVolumeClaim) bool {
	return claim.DeletionTimestamp == nil && claim.Spec.VolumeName == "" &&
		claim.Annotations["volume.kubernetes.io/selected-node"] == place.Node &&
		claim.Spec.StorageClassName != nil && *claim.Spec.StorageClassName == className
}

// released says whether a volume is ours and its claim is gone.
func released(volume *corev1.PersistentVolume) bool {
	return volume.Annotations[madeBy] == provisioner && volume.Status.Phase == corev1.VolumeReleased
}

func (w *worker) provide(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	name := "pvc-" + string(claim.UID)
	if err := os.MkdirAll(Dir(w.place, name), 0o770); err != nil {
		return fmt.Errorf("make folder of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	_, err := w.client.CoreV1().PersistentVolumes().Create(ctx, volumeOf(claim, name, Dir(w.place, name)), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create volume of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return nil
}

func volumeOf(claim *corev1.PersistentVolumeClaim, name, path string) *corev1.PersistentVolume {
	onNode := corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{place.Node}}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{madeBy: provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes: claim.Spec.AccessModes, StorageClassName: className, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef:               &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{onNode},
			}}}},
		},
	}
}

// reclaim removes a volume with its folder.
func (w *worker) reclaim(ctx context.Context, name string) error {
	if err := os.RemoveAll(Dir(w.place, name)); err != nil {
		return fmt.Errorf("remove folder of volume %s: %w", name, err)
	}
	err := w.client.CoreV1().PersistentVolumes().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete volume %s: %w", name, err)
	}
	return nil
}
