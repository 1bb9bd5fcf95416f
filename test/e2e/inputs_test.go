package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// Both ways of giving inputs reach the action in its real image, byte for byte.
func TestInputModes(t *testing.T) {
	ns := namespace(t)
	if err := shared.NewRepo(t.Context(), ns, false); err != nil {
		t.Fatal(err)
	}
	modes := map[string][]string{"env": {v1alpha1.ActionEntrypoint}, "stdin": {"/kubernaut/launch", "--", v1alpha1.ActionEntrypoint}}
	heads := map[string]string{}
	for mode, command := range modes {
		var out struct{ CommitSHA string }
		message := cloneIn(t, ns, mode, command)
		if err := json.Unmarshal([]byte(message), &out); err != nil || len(out.CommitSHA) != 40 {
			t.Errorf("mode %s: outputs %q, want the commit that was cloned", mode, message)
		}
		heads[mode] = out.CommitSHA
	}
	if heads["env"] != heads["stdin"] {
		t.Errorf("the modes tell different commits: %v", heads)
	}
}

// cloneIn runs the real image of git-clone as a pod and returns what it left
// as its outputs.
func cloneIn(t *testing.T, ns, name string, command []string) string {
	t.Helper()
	inputs := raw(map[string]string{"repository": shared.CloneURL(ns)})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: corev1.PodSpec{
		RestartPolicy:   corev1.RestartPolicyNever,
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](65532), FSGroup: ptr.To[int64](65532)},
		Volumes:         []corev1.Volume{{Name: "workspace"}, {Name: "tmp"}},
		Containers: []corev1.Container{{
			Name: "action", Image: shared.actions["git-clone"].String(), Command: command,
			Env:          []corev1.EnvVar{{Name: "ACTION_INPUTS", Value: string(inputs.Raw)}, {Name: "ACTION_OUTPUTS_PATH", Value: corev1.TerminationMessagePathDefault}},
			VolumeMounts: []corev1.VolumeMount{{Name: "workspace", MountPath: "/workspace"}, {Name: "tmp", MountPath: "/tmp"}},
		}},
	}}
	if err := shared.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	err := harness.Until(t.Context(), time.Minute, func(ctx context.Context) error {
		if err := shared.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if p := pod.Status.Phase; p != corev1.PodSucceeded && p != corev1.PodFailed {
			return errors.New("the pod is " + string(p))
		}
		return nil
	})
	if err != nil || pod.Status.Phase != corev1.PodSucceeded {
		t.Fatalf("pod %s: %v: %s", name, err, yamlOf(pod.Status))
	}
	return pod.Status.ContainerStatuses[0].State.Terminated.Message
}
