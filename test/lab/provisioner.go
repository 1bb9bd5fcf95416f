package main

import (
	"context"
	"fmt"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const provisionerName = "lab.kubernaut.ai/local"

// provisioner makes `local` volumes: unlike host-path ones, the kubelet hands
// them to a pod's fsGroup, so that an action that is not root can write.
type provisioner struct {
	lab    *lab
	client *clientset.Clientset
}

func serveProvisioner(ctx context.Context, l *lab) error {
	client, err := l.clients()
	if err != nil {
		return err
	}
	p := provisioner{lab: l, client: client}
	factory := informers.NewSharedInformerFactory(client, 0)
	handle := func(do func(context.Context, any) error) cache.ResourceEventHandlerFuncs {
		f := func(o any) {
			if err := do(ctx, o); err != nil {
				log.Print(err)
			}
		}
		return cache.ResourceEventHandlerFuncs{AddFunc: f, UpdateFunc: func(_, o any) { f(o) }}
	}
	if _, err := factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(handle(p.provide)); err != nil {
		return err
	}
	if _, err := factory.Core().V1().PersistentVolumes().Informer().AddEventHandler(handle(p.reclaim)); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
	return nil
}

// provide makes the volume of a claim that the scheduler has given a node.
func (p provisioner) provide(ctx context.Context, o any) error {
	claim, ok := o.(*corev1.PersistentVolumeClaim)
	if !ok || claim.Spec.VolumeName != "" || claim.Annotations["volume.kubernetes.io/selected-node"] != node ||
		claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName != storageClassName {
		return nil
	}
	name := "pvc-" + string(claim.UID)
	path := p.lab.path("volumes", name)
	if err := os.MkdirAll(path, 0o770); err != nil {
		return fmt.Errorf("make folder of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	_, err := p.client.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisionerName}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes: claim.Spec.AccessModes, StorageClassName: storageClassName, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef: &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: path},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
			}}}},
		},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create volume of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return nil
}

// reclaim removes a volume whose claim is gone, with its folder.
func (p provisioner) reclaim(ctx context.Context, o any) error {
	volume, ok := o.(*corev1.PersistentVolume)
	if !ok || volume.Annotations["pv.kubernetes.io/provisioned-by"] != provisionerName || volume.Status.Phase != corev1.VolumeReleased {
		return nil
	}
	if err := os.RemoveAll(p.lab.path("volumes", volume.Name)); err != nil {
		return fmt.Errorf("remove folder of volume %s: %w", volume.Name, err)
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete volume %s: %w", volume.Name, err)
	}
	return nil
}
