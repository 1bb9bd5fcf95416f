// Package kinds knows the types of Kubernetes' own objects: what their fields may hold and how their lists are merged.
package kinds

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// Of returns the type of a kind, false if it is none of Kubernetes' own.
func Of(apiVersion, kind string) (Type, bool) {
	for group, types := range map[string][]any{
		"v1": {corev1.ConfigMap{}, corev1.LimitRange{}, corev1.Namespace{}, corev1.Node{}, corev1.PersistentVolume{}, corev1.PersistentVolumeClaim{}, corev1.Pod{},
			corev1.PodTemplate{}, corev1.ReplicationController{}, corev1.ResourceQuota{}, corev1.Secret{}, corev1.Service{}, corev1.ServiceAccount{}},
		"apps/v1":                      {appsv1.DaemonSet{}, appsv1.Deployment{}, appsv1.ReplicaSet{}, appsv1.StatefulSet{}},
		"autoscaling/v1":               {autoscalingv1.HorizontalPodAutoscaler{}},
		"autoscaling/v2":               {autoscalingv2.HorizontalPodAutoscaler{}},
		"batch/v1":                     {batchv1.CronJob{}, batchv1.Job{}},
		"networking.k8s.io/v1":         {networkingv1.Ingress{}, networkingv1.IngressClass{}, networkingv1.NetworkPolicy{}},
		"policy/v1":                    {policyv1.PodDisruptionBudget{}},
		"rbac.authorization.k8s.io/v1": {rbacv1.ClusterRole{}, rbacv1.ClusterRoleBinding{}, rbacv1.Role{}, rbacv1.RoleBinding{}},
		"scheduling.k8s.io/v1":         {schedulingv1.PriorityClass{}},
		"storage.k8s.io/v1":            {storagev1.StorageClass{}},
	} {
		for _, one := range types {
			if t := reflect.TypeOf(one); group == apiVersion && t.Name() == kind {
				return Type{t}, true
			}
		}
	}
	return Type{}, false
}

// Check says which value of an object does not have the type of its field, nil
// for kinds that are not Kubernetes' own. Fields that it does not know pass:
// a newer cluster may have them.
func Check(object any) error {
	m, _ := object.(map[string]any)
	apiVersion, _ := m["apiVersion"].(string)
	kind, _ := m["kind"].(string)
	t, known := Of(apiVersion, kind)
	if !known {
		return nil
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode object: %w", err)
	}
	err = json.Unmarshal(raw, reflect.New(t.t).Interface())
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s of a %s: wanted %s, found %s", wrong.Field, kind, wrong.Type, wrong.Value)
	}
	return err
}

// Type is the type of an object or of a field. The zero Type is unknown.
type Type struct{ t reflect.Type }

// Field is the type of a field and how its list is merged: by the key of its
// items, or as a set of values if the key is empty. Lists that are not merged
// are replaced.
func (t Type) Field(name string) (field Type, merged bool, key string) {
	switch {
	case t.t == nil:
		return Type{}, false, ""
	case t.t.Kind() == reflect.Map:
		return bare(t.t.Elem()), false, ""
	case t.t.Kind() != reflect.Struct:
		return Type{}, false, ""
	}
	for i := range t.t.NumField() {
		f := t.t.Field(i)
		called, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if called == "" && f.Anonymous {
			if field, merged, key = bare(f.Type).Field(name); field.t != nil {
				return field, merged, key
			}
		}
		if called == name {
			return bare(f.Type), strings.Contains(f.Tag.Get("patchStrategy"), "merge"), f.Tag.Get("patchMergeKey")
		}
	}
	return Type{}, false, ""
}

// bare is the type of one value: of the items of a list, of what is pointed at.
func bare(t reflect.Type) Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return Type{t}
}
