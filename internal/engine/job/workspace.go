package job

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	// protection keeps a claim while a pod names it, even one that ended.
	protection = "kubernetes.io/pvc-protection"
	// releaseRetry is when a claim whose pods still run is looked at again, in
	// case the event of their end was missed.
	releaseRetry = 30 * time.Second
)

// claimOf returns the claim of a run's workspace: the same claim each time.
func claimOf(r run.Run) *corev1.PersistentVolumeClaim {
	w := run.Workspace{Size: "1Gi"}
	if r.Workspace != nil {
		w = *r.Workspace
	}
	size, err := resource.ParseQuantity(w.Size)
	if err != nil {
		size = resource.MustParse("1Gi")
	}
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.Namespace, Name: names.Workspace(r.Name), Labels: map[string]string{v1alpha1.LabelExecution: names.Label(r.Name)},
			OwnerReferences: []metav1.OwnerReference{ownedBy(owner(r), "WorkflowExecution", types.UID(r.UID))},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: w.StorageClass,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
}

// claim reads the run's claim; nil if there is none of ours.
func (e *Engine) claim(ctx context.Context, r run.Run) (*corev1.PersistentVolumeClaim, error) {
	claim := &corev1.PersistentVolumeClaim{}
	err := e.client.Get(ctx, types.NamespacedName{Namespace: r.Namespace, Name: names.Workspace(r.Name)}, claim)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read claim of run %s: %w", r.Name, err)
	}
	if err != nil || !metav1.IsControlledBy(claim, owner(r)) {
		return nil, nil
	}
	return claim, nil
}

// Release deletes the claim once no step runs. Pods that ended still name the
// claim and would keep it, with their logs, for as long as they exist; so the
// protection is taken off after their end was checked.
func (e *Engine) Release(ctx context.Context, r run.Run) error {
	claim, err := e.claim(ctx, r)
	if err != nil || claim == nil {
		return err
	}
	busy, err := e.busy(ctx, r, claim.Name)
	if err != nil {
		return err
	}
	if busy != "" {
		return run.WaitFor(v1alpha1.ReasonProgressing, e.now().Add(releaseRetry), "waits for pod %s to end before the workspace is deleted", busy)
	}
	if claim.DeletionTimestamp.IsZero() {
		uid := claim.UID
		if err := e.client.Delete(ctx, claim, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete claim %s: %w", claim.Name, err)
		}
	}
	next := claim.DeepCopy()
	if !controllerutil.RemoveFinalizer(next, protection) {
		return nil
	}
	if err := e.client.Patch(ctx, next, client.MergeFrom(claim)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("take protection off claim %s: %w", claim.Name, err)
	}
	return nil
}

// busy names a pod that has not ended and is of the run or mounts its claim,
// whoever made it; it reads past the cache, which holds our pods alone and may
// be late: a volume must not be taken from under a pod.
func (e *Engine) busy(ctx context.Context, r run.Run, claim string) (string, error) {
	var list corev1.PodList
	if err := e.live.List(ctx, &list, client.InNamespace(r.Namespace)); err != nil {
		return "", fmt.Errorf("list pods in namespace %s: %w", r.Namespace, err)
	}
	for _, pod := range list.Items {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		ours := pod.Labels[v1alpha1.LabelExecution] == names.Label(r.Name)
		if !ended && (ours || mounts(pod, claim)) {
			return pod.Name, nil
		}
	}
	return "", nil
}

func mounts(pod corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim
	})
}

func sortCredentials(c []v1alpha1.Credential) {
	slices.SortFunc(c, func(a, b v1alpha1.Credential) int { return cmp.Compare(a.Name, b.Name) })
}
