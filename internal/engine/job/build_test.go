package job

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

func example() *v1alpha1.ActionExecution {
	return &v1alpha1.ActionExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a", UID: "uid-a"},
		Spec: v1alpha1.ActionExecutionSpec{
			Execution: v1alpha1.ExecutionReference{Name: "run", UID: "uid-run"}, Step: "a", ActionType: "demo/scale",
			Image:       "registry.example.com/demo@sha256:" + strings.Repeat("1", 64),
			Inputs:      &apiextensionsv1.JSON{Raw: []byte(`{"text":"$(HOME) costs $5 and $$"}`)},
			Facts:       map[string]string{"KUBERNAUT_REASON": "$(KUBERNAUT_STEP)"},
			NodeName:    "node-1",
			Volumes:     []v1alpha1.ActionVolume{{Name: "workspace", PVCName: "run-workspace", MountPath: "/workspace"}},
			Credentials: []v1alpha1.Credential{{Name: "git", SecretRef: v1alpha1.LocalReference{Name: "forge"}}},
		},
	}
}

func needs() run.Needs {
	return run.Needs{
		Limits: map[string]string{"cpu": "500m", "memory": "64Mi"}, Requests: map[string]string{"cpu": "10m"},
		Permissions: []run.Permission{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}}},
		Outputs:     []string{"word"},
	}
}

// The whole Job stands in a file, so that a change of the security floor is
// seen in a review. REWRITE=1 writes it anew.
func TestBuildGolden(t *testing.T) {
	for name, job := range map[string]any{
		"testdata/job.yaml":         Build(example(), needs()),
		"testdata/job-minimal.yaml": Build(&v1alpha1.ActionExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-b"}, Spec: v1alpha1.ActionExecutionSpec{Step: "b", Image: "i"}}, run.Needs{Idempotent: true, Stdin: true}),
	} {
		got, err := yaml.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		if os.Getenv("REWRITE") != "" {
			_ = os.MkdirAll("testdata", 0o755)
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The floor holds whatever a contract asks for.
func TestSecurityFloor(t *testing.T) {
	for name, n := range map[string]run.Needs{
		"nothing": {}, "all": {User: 1000, WritableRoot: true, Stdin: true, Idempotent: true, Limits: map[string]string{"cpu": "nonsense"}}, "rights": needs(),
	} {
		job := Build(example(), n)
		spec := job.Spec.Template.Spec
		pod, c := spec.SecurityContext, spec.Containers[0].SecurityContext
		for what, holds := range map[string]bool{
			"no root":          *pod.RunAsNonRoot && *pod.RunAsUser != 0 && *pod.RunAsGroup != 0,
			"seccomp":          pod.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
			"no escalation":    !*c.AllowPrivilegeEscalation && c.Privileged == nil,
			"no capabilities":  len(c.Capabilities.Add) == 0 && c.Capabilities.Drop[0] == "ALL",
			"read-only root":   *c.ReadOnlyRootFilesystem != n.WritableRoot,
			"not the host's":   !spec.HostNetwork && !spec.HostPID && !spec.HostIPC,
			"one try":          *job.Spec.BackoffLimit == 0 && spec.RestartPolicy == corev1.RestartPolicyNever,
			"token for rights": *spec.AutomountServiceAccountToken == (len(n.Permissions) > 0),
			"no host path":     !slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil }),
		} {
			if !holds {
				t.Errorf("%s: the floor is broken: %s", name, what)
			}
		}
	}
}

func TestAccountHasJustTheContractsRights(t *testing.T) {
	sa, role, binding := account(example(), needs(), []corev1.LocalObjectReference{{Name: "pull"}})
	want := []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}}}
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if binding.RoleRef.Name != role.Name || binding.Subjects[0].Name != sa.Name || binding.Subjects[0].Namespace != "ops" || len(binding.Subjects) != 1 || sa.ImagePullSecrets[0].Name != "pull" {
		t.Errorf("binding = %+v %+v", binding.RoleRef, binding.Subjects)
	}
	for _, o := range []metav1.Object{sa, role, binding} {
		if !metav1.IsControlledBy(o, example()) || o.GetNamespace() != "ops" {
			t.Errorf("%T does not go with its ActionExecution", o)
		}
	}
	ae := example()
	ae.Spec.ServiceAccountName = "own"
	if got := Build(ae, needs()).Spec.Template.Spec; got.ServiceAccountName != "own" || !*got.AutomountServiceAccountToken {
		t.Errorf("account = %s", got.ServiceAccountName)
	}
}

func TestEscapingSurvivesTheKubelet(t *testing.T) {
	for _, s := range []string{"", "$", "$$", "$(HOME)", "$$(HOME)", "$$$(X)$", "a$b$(", "$(a)$(b)"} {
		if got := expand(escape(s)); got != s {
			t.Errorf("%q arrives as %q", s, got)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("$(A) $$(B) $$$")
	f.Fuzz(func(t *testing.T, s string) {
		if got := expand(escape(s)); got != s {
			t.Errorf("%q arrives as %q", s, got)
		}
	})
}

// expand is the kubelet's reading of a value, in which no variable is known:
// $$ is a dollar sign and $(X) is kept when X is not known.
func expand(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case '$':
			out.WriteByte('$')
			i++
		case '(':
			if end := strings.IndexByte(s[i:], ')'); end >= 0 {
				out.WriteString("EXPANDED")
				i += end
				continue
			}
			out.WriteString("$(")
			i++
		default:
			out.WriteString(s[i : i+2])
			i++
		}
	}
	return out.String()
}
