package gate

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
	"github.com/kubernaut/kubernaut/internal/verify"
)

func listing(name string, accounts ...string) v1alpha1.ExecutionPolicy {
	return v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ExecutionPolicySpec{ServiceAccounts: accounts}}
}

func TestAccountsThatStepsMayName(t *testing.T) {
	rails, more, silent := listing("rails", "deployer", "run-a", names.Attempt("run", "a", run.MaxAttempts), "other-b", "default"), listing("more", "deployer"), listing("silent")
	for name, c := range map[string]struct {
		account  string
		policies []v1alpha1.ExecutionPolicy
		says     []string
	}{
		"none named":                {"", nil, nil},
		"no policy":                 {"deployer", nil, []string{"step a", "deployer", "namespace ops", "serviceAccounts"}},
		"no policy, default":        {"default", nil, []string{"default", "serviceAccounts"}},
		"a policy without a list":   {"deployer", []v1alpha1.ExecutionPolicy{silent}, []string{"deployer", "serviceAccounts"}},
		"listed":                    {"deployer", []v1alpha1.ExecutionPolicy{rails}, nil},
		"listed, default":           {"default", []v1alpha1.ExecutionPolicy{rails}, nil},
		"listed, and one is silent": {"deployer", []v1alpha1.ExecutionPolicy{silent, rails}, nil},
		"listed in both":            {"deployer", []v1alpha1.ExecutionPolicy{rails, more}, nil},
		"listed in one of two":      {"default", []v1alpha1.ExecutionPolicy{rails, more}, []string{"step a", "default", "ExecutionPolicy more", "name one of deployer"}},
		"not listed":                {"admin", []v1alpha1.ExecutionPolicy{rails}, []string{"admin", "ExecutionPolicy rails", "deployer"}},
		"the beginning of one":      {"deploy", []v1alpha1.ExecutionPolicy{rails}, []string{"ExecutionPolicy rails"}},
		"made for this step":        {"run-a", []v1alpha1.ExecutionPolicy{rails}, []string{"run-a", "made for one step"}},
		"made for its last attempt": {names.Attempt("run", "a", run.MaxAttempts), []v1alpha1.ExecutionPolicy{rails}, []string{"made for one step"}},
		"made for another run":      {"other-b", []v1alpha1.ExecutionPolicy{rails}, []string{"other-b", "made for one step"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := caseOf()
			k.Policy, k.Run.Steps[0].ServiceAccount = PolicyOf(c.policies, settings.Merge()), c.account
			k.Actions = NamesOf([]v1alpha1.ActionExecution{{ObjectMeta: metav1.ObjectMeta{Name: "other-b"}}})
			v := whole(&registry{document: document}).Walk(t.Context(), k)
			if (v.Kind == run.Passed) != (c.says == nil) || (c.says != nil && (v.Kind != run.Refused || v.Reason != v1alpha1.ReasonPolicyDenied)) {
				t.Fatalf("verdict %+v", v)
			}
			for _, word := range c.says {
				if !strings.Contains(v.Message, word) {
					t.Errorf("%q does not say %q", v.Message, word)
				}
			}
		})
	}
}

func TestSubjectOfEachStep(t *testing.T) {
	want := verify.Subject{Namespace: "ops", ServiceAccount: "default", Kind: "Job", Group: "batch", Version: "v1", Labels: map[string]string{
		v1alpha1.LabelExecution: "run", v1alpha1.LabelStep: "a", v1alpha1.LabelActionExecution: "run-a"}}
	r, k := &registry{document: document}, caseOf()
	k.Run.Steps = append(k.Run.Steps, k.Run.Steps[0])
	k.Run.Steps[1].Name, k.Run.Steps[1].ServiceAccount = "b", "deployer"
	k.Policy = PolicyOf([]v1alpha1.ExecutionPolicy{listing("rails", "deployer")}, settings.Merge())
	if v := whole(r).Walk(t.Context(), k); v.Kind != run.Passed {
		t.Fatal(v)
	}
	second := want
	second.ServiceAccount = "deployer"
	second.Labels = map[string]string{v1alpha1.LabelExecution: "run", v1alpha1.LabelStep: "b", v1alpha1.LabelActionExecution: "run-b"}
	slices.SortFunc(r.subjects, func(a, b verify.Subject) int {
		return strings.Compare(a.Labels[v1alpha1.LabelStep], b.Labels[v1alpha1.LabelStep])
	})
	if diff := cmp.Diff([]verify.Subject{want, want, want, second, second, second}, r.subjects); diff != "" {
		t.Errorf("digest, signature, contract are asked for (-want +got):\n%s", diff)
	}
	k = caseOf()
	k.Object = "by-hand"
	if got := k.subject(0).Labels[v1alpha1.LabelActionExecution]; got != "by-hand" {
		t.Errorf("the label of an object that exists is %s", got)
	}
}
