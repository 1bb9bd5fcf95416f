// Package smoke proves on the running lab what the product relies on.
package smoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
	"github.com/kubernaut/kubernaut/test/lab/internal/volumes"
)

// suite is one run of the checks, in a namespace of its own.
type suite struct {
	place     *place.Place
	client    clientset.Interface
	namespace string
	programs  Programs
}

// Programs are those that the checks need: an image that pods start, and the
// path of the one that signs and verifies with the lab's Sigstore.
type Programs struct{ Image, Prove string }

// Run runs every check and prints what it proved and how long it took.
func Run(ctx context.Context, p *place.Place, client clientset.Interface, programs Programs, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	s := &suite{place: p, client: client, programs: programs, namespace: "lab-smoke-" + place.Random(3)}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end(ctx)) }()
	for _, check := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"a Job runs confined, reaches the API through its Service, and resolves names", s.job},
		{"a claim is writable for a pod that is not root, and gone with its folder", s.claim},
		{"a pod above its memory limit is killed (OOMKilled, 137)", s.oom},
		{"one empty pod, from create to Succeeded", func(ctx context.Context) error { return s.empty(ctx, 1) }},
		{"four empty pods in a row", func(ctx context.Context) error { return s.empty(ctx, 4) }},
		{"a text is signed without a key (Fulcio, Rekor 2, timestamp) and verified offline", s.keyless},
		{"where the Policy Controller is asked for, an image needs a policy that lets it in", s.admission},
	} {
		begin := time.Now()
		if err := check.run(ctx); err != nil {
			return fmt.Errorf("check that %s: %w", check.name, err)
		}
		fmt.Fprintf(out, "%6.2fs  %s\n", time.Since(begin).Seconds(), check.name)
	}
	return nil
}

// begin makes the namespace and waits for its account, without which no pod
// is admitted.
func (s *suite) begin(ctx context.Context) error {
	_, err := s.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: s.namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create namespace: %w", err)
	}
	return proc.Poll(ctx, 20*time.Second, func(ctx context.Context) error {
		_, err := s.client.CoreV1().ServiceAccounts(s.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// end removes everything, also when the checks were interrupted.
func (s *suite) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.client.CoreV1().Namespaces().Delete(ctx, s.namespace, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete namespace: %w", err)
	}
	return nil
}

func (s *suite) job(ctx context.Context) error {
	pod := s.pod("job", "confined", "reach")
	if err := s.createJob(ctx, pod); err != nil {
		return err
	}
	return s.jobDone(ctx, pod.Name)
}

func (s *suite) claim(ctx context.Context) error {
	claims := s.client.CoreV1().PersistentVolumeClaims(s.namespace)
	_, err := claims.Create(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Mi")}},
	}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create claim: %w", err)
	}
	pod := s.pod("claim", "write")
	pod.Spec.Volumes = []corev1.Volume{{Name: "volume", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"}}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "volume", MountPath: "/volume"}}
	if err := s.succeeds(ctx, pod); err != nil {
		return err
	}
	bound, err := claims.Get(ctx, "claim", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read claim: %w", err)
	}
	dir := volumes.Dir(s.place, bound.Spec.VolumeName)
	if data, err := os.ReadFile(filepath.Join(dir, "written")); err != nil || string(data) != "by a pod" {
		return fmt.Errorf("the folder has %q (%v)", data, err)
	}
	if err := s.client.CoreV1().Pods(s.namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete pod: %w", err)
	}
	if err := claims.Delete(ctx, "claim", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete claim: %w", err)
	}
	return proc.Poll(ctx, 30*time.Second, func(ctx context.Context) error { return s.gone(ctx, bound.Spec.VolumeName, dir) })
}

// gone says what is left of a volume.
func (s *suite) gone(ctx context.Context, volume, dir string) error {
	if _, err := s.client.CoreV1().PersistentVolumes().Get(ctx, volume, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("volume %s is still there (%v)", volume, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("folder %s is still there (%v)", dir, err)
	}
	return nil
}

func (s *suite) oom(ctx context.Context) error {
	ended, err := s.run(ctx, s.pod("oom", "eat"))
	if err != nil {
		return err
	}
	if state := terminated(ended); state.Reason != "OOMKilled" || state.ExitCode != 137 {
		return fmt.Errorf("it ended %s with %d: %s", state.Reason, state.ExitCode, state.Message)
	}
	return nil
}

// empty runs pods that do nothing, each after the one before.
func (s *suite) empty(ctx context.Context, n int) error {
	for i := range n {
		if err := s.succeeds(ctx, s.pod(fmt.Sprintf("empty-%d-of-%d", i+1, n), "nothing")); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) keyless(ctx context.Context) error {
	return proc.Run(ctx, s.programs.Prove, s.place.Path("env.json"))
}
