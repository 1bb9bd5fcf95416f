package job

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubernaut/kubernaut/internal/run"
)

// walk calls see for every field below v, with its path in Go's names. Of a
// type alone, with lists empty, it walks what an element would be.
func walk(v reflect.Value, path string, deep int, see func(path string, v reflect.Value)) {
	see(path, v)
	if deep == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), path, deep-1, see)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, deep-1, see)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), path, deep-1, see)
		}
	}
}

// namesImage reports whether a field names an image.
func namesImage(path string, v reflect.Value) bool {
	last := path[strings.LastIndex(path, ".")+1:]
	return v.Kind() == reflect.String && last != "ImagePullPolicy" && (strings.Contains(last, "Image") || strings.HasSuffix(path, "Image.Reference"))
}

// Whatever of a Job can name an image names the verified one, or nothing.
func TestAttack13_EveryImageOfAJobIsTheVerifiedOne(t *testing.T) {
	for _, n := range []run.Needs{needs(), {Stdin: true, WritableRoot: true, User: 1000}, {}} {
		ae, found := example(), 0
		walk(reflect.ValueOf(Build(ae, n)), "Job", 32, func(path string, v reflect.Value) {
			if namesImage(path, v) && v.String() != "" {
				found++
				if v.String() != ae.Spec.Image {
					t.Errorf("%s is %s, which nobody has verified", path, v)
				}
			}
		})
		if found != 1 {
			t.Errorf("%d images in the Job of one action", found)
		}
	}
}

// The test above looks at all places that Kubernetes has for an image. Where a
// release brings a new one, this one fails until somebody has thought of it.
func TestAttack13_PlacesForImages(t *testing.T) {
	job := &batchv1.Job{}
	pod := &job.Spec.Template.Spec
	pod.InitContainers, pod.Containers, pod.EphemeralContainers = make([]corev1.Container, 1), make([]corev1.Container, 1), make([]corev1.EphemeralContainer, 1)
	pod.Volumes = []corev1.Volume{{}}
	fill(reflect.ValueOf(&pod.Volumes[0].VolumeSource).Elem())
	var got []string
	walk(reflect.ValueOf(job), "Job", 32, func(path string, v reflect.Value) {
		if namesImage(path, v) {
			got = append(got, strings.TrimPrefix(path, "Job.Spec.Template.Spec."))
		}
	})
	slices.Sort(got)
	want := []string{
		"Containers.Image", "EphemeralContainers.EphemeralContainerCommon.Image", "InitContainers.Image",
		"Volumes.VolumeSource.Image.Reference",
		// Names of a disk, and not of a container's image.
		"Volumes.VolumeSource.RBD.RBDImage",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places for images (-want +got):\n%s", diff)
	}
}

// fill makes a value of each pointer of a struct.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer {
			f.Set(reflect.New(f.Type().Elem()))
		}
	}
}
