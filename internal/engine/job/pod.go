package job

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	// nonRoot is the user and the group of every action image we build.
	nonRoot = 65532
	// credentialsPath is where the Secrets of a step are mounted.
	credentialsPath = "/kubernaut/credentials/"
	// launcher feeds inputs to standard input.
	launcher = "/kubernaut/launch"
)

// pod returns the pod of an action: the security floor, which a contract may
// tighten and never loosen, and what the contract asks for.
func pod(ae *v1alpha1.ActionExecution, needs run.Needs) corev1.PodSpec {
	user := needs.User
	if user == 0 {
		user = nonRoot
	}
	account := accountOf(ae, needs)
	spec := corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		ServiceAccountName:           account,
		AutomountServiceAccountToken: ptr.To(account != ""),
		EnableServiceLinks:           ptr.To(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(user), RunAsGroup: ptr.To[int64](nonRoot), FSGroup: ptr.To[int64](nonRoot),
			FSGroupChangePolicy: ptr.To(corev1.FSGroupChangeOnRootMismatch),
			SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: containerName, Image: ae.Spec.Image, ImagePullPolicy: corev1.PullIfNotPresent,
			Command: command(needs), Env: environment(ae), Resources: resources(needs),
			// A message only ever comes from the action itself, but when it fails
			// the end of its log says why.
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(!needs.WritableRoot),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
	mount(&spec, ae)
	if ae.Spec.NodeName != "" {
		spec.Affinity = near(ae.Spec.NodeName)
	}
	return spec
}

func command(needs run.Needs) []string {
	if needs.Stdin {
		return []string{launcher, "--", v1alpha1.ActionEntrypoint}
	}
	return []string{v1alpha1.ActionEntrypoint}
}

// mount adds the workspace, a small writable /tmp and the credentials.
func mount(spec *corev1.PodSpec, ae *v1alpha1.ActionExecution) {
	add := func(name, path string, readOnly bool, source corev1.VolumeSource) {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
		c := &spec.Containers[0]
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path, ReadOnly: readOnly})
	}
	add("tmp", "/tmp", false, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr.To(resource.MustParse("64Mi"))}})
	for _, v := range ae.Spec.Volumes {
		add(v.Name, v.MountPath, false, corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: v.PVCName}})
	}
	for _, c := range ae.Spec.Credentials {
		add("credential-"+c.Name, credentialsPath+c.Name, true, corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: c.SecretRef.Name, DefaultMode: ptr.To[int32](0o440)},
		})
	}
}

// near prefers the node where the workspace's volume is attached already.
func near(node string) *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
		Weight: 100,
		Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}},
		}},
	}}}}
}

// resources turns the contract's quantities into lists; one that cannot be read
// is left out, so the API server's own rules hold.
func resources(needs run.Needs) corev1.ResourceRequirements {
	list := func(in map[string]string) corev1.ResourceList {
		out := corev1.ResourceList{}
		for name, value := range in {
			if q, err := resource.ParseQuantity(value); err == nil {
				out[corev1.ResourceName(name)] = q
			}
		}
		return out
	}
	return corev1.ResourceRequirements{Requests: list(needs.Requests), Limits: list(needs.Limits)}
}

// escape keeps Kubernetes from expanding $(NAME) and $$ in a value.
func escape(value string) string { return strings.ReplaceAll(value, "$", "$$") }

func ownedBy(o metav1.Object, kind string, uid types.UID) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion().String(), Kind: kind, Name: o.GetName(), UID: uid,
		Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
	}
}
