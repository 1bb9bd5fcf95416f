package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/rights"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
)

func approval(decision string, change func(*v1alpha1.ApprovalSpec)) v1alpha1.Approval {
	a := v1alpha1.Approval{Spec: v1alpha1.ApprovalSpec{
		Execution: v1alpha1.ExecutionReference{Name: "run", UID: "uid"}, ContentHash: "sha256:c", Decision: decision, Approver: "ada", Until: metav1.Time{Time: noon().Add(time.Hour)}}}
	if change != nil {
		change(&a.Spec)
	}
	return a
}

func TestApproval(t *testing.T) {
	yes, no := approval("Approve", nil), approval("Reject", nil)
	for name, c := range map[string]struct {
		approvals []v1alpha1.Approval
		threshold int
		want      run.Reason
	}{
		"few steps":                {nil, 1, ""},
		"nobody":                   {nil, 0, v1alpha1.ReasonAwaitingApproval},
		"approved":                 {[]v1alpha1.Approval{yes}, 0, ""},
		"refused":                  {[]v1alpha1.Approval{no}, 0, v1alpha1.ReasonApprovalRefused},
		"refused though unasked":   {[]v1alpha1.Approval{no}, 5, v1alpha1.ReasonApprovalRefused},
		"refusal after approvals":  {[]v1alpha1.Approval{yes, yes, no}, 0, v1alpha1.ReasonApprovalRefused},
		"refusal before approvals": {[]v1alpha1.Approval{no, yes}, 0, v1alpha1.ReasonApprovalRefused},
		"another word":             {[]v1alpha1.Approval{approval("approve", nil)}, 0, v1alpha1.ReasonApprovalRefused},
		"another content":          {[]v1alpha1.Approval{approval("Approve", func(s *v1alpha1.ApprovalSpec) { s.ContentHash = "sha256:d" })}, 0, v1alpha1.ReasonAwaitingApproval},
		"another run":              {[]v1alpha1.Approval{approval("Approve", func(s *v1alpha1.ApprovalSpec) { s.Execution.UID = "old" })}, 0, v1alpha1.ReasonAwaitingApproval},
		"run over":                 {[]v1alpha1.Approval{approval("Approve", func(s *v1alpha1.ApprovalSpec) { s.Until.Time = noon() })}, 0, v1alpha1.ReasonAwaitingApproval},
		"without an end":           {[]v1alpha1.Approval{approval("Approve", func(s *v1alpha1.ApprovalSpec) { s.Until = metav1.Time{} })}, 0, v1alpha1.ReasonAwaitingApproval},
		"refusal of another run":   {[]v1alpha1.Approval{yes, approval("Reject", func(s *v1alpha1.ApprovalSpec) { s.Execution.UID = "old" })}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := caseOf()
			k.Approvals, k.Policy.ApprovalThreshold = c.approvals, c.threshold
			v := Approval{}.Check(t.Context(), k)
			if v.Reason != c.want || (v.Kind == run.Passed) != (c.want == "") {
				t.Errorf("verdict %+v, want %q", v, c.want)
			}
			if v.Kind == run.Waiting && !(strings.Contains(v.Message, "uid") && strings.Contains(v.Message, "sha256:c")) {
				t.Errorf("the message does not say what to approve: %s", v.Message)
			}
		})
	}
}

func TestTheStrictestPolicyCounts(t *testing.T) {
	policy := func(parallel int32, threshold *int32, repositories ...string) v1alpha1.ExecutionPolicy {
		return v1alpha1.ExecutionPolicy{Spec: v1alpha1.ExecutionPolicySpec{MaxParallelSteps: parallel, ApprovalThreshold: threshold, Repositories: repositories}}
	}
	for name, c := range map[string]struct {
		policies            []v1alpha1.ExecutionPolicy
		parallel, threshold int
		repositories        [][]string
	}{
		"none":       {nil, 7, 12, nil},
		"one raises": {[]v1alpha1.ExecutionPolicy{policy(20, ptr.To[int32](50))}, 20, 50, nil},
		"two":        {[]v1alpha1.ExecutionPolicy{policy(20, ptr.To[int32](0), "a/"), policy(2, ptr.To[int32](50), "b/", "c/")}, 2, 0, [][]string{{"a/"}, {"b/", "c/"}}},
		"silent":     {[]v1alpha1.ExecutionPolicy{policy(0, nil, "a/")}, 7, 12, [][]string{{"a/"}}},
		"one silent": {[]v1alpha1.ExecutionPolicy{policy(0, nil), policy(20, ptr.To[int32](50))}, 20, 50, nil},
		"half each":  {[]v1alpha1.ExecutionPolicy{policy(10, nil), policy(0, ptr.To[int32](20)), policy(0, nil, "a/")}, 10, 20, [][]string{{"a/"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := PolicyOf(c.policies, settings.Settings{MaxParallelSteps: 7, ComplexityApprovalThreshold: 12})
			if got.MaxParallel != c.parallel || got.ApprovalThreshold != c.threshold {
				t.Errorf("parallel %d, threshold %d, want %d, %d", got.MaxParallel, got.ApprovalThreshold, c.parallel, c.threshold)
			}
			if diff := cmp.Diff(c.repositories, got.Repositories); diff != "" {
				t.Errorf("repositories (-want +got):\n%s", diff)
			}
			if len(got.Ceilings) != 1 {
				t.Errorf("ceilings = %v, want the default one alone", got.Ceilings)
			}
		})
	}
}

func TestRepositories(t *testing.T) {
	const team = "https://git.example.com/team/"
	for _, c := range []struct {
		repository, prefix string
		want               bool
	}{
		{team + "app", team, true},
		{team + "app.git", team, true},
		{team + "app", team + "app", true},
		{team + "app.git", team + "app", true},
		{team + "app", team + "app.git", true},
		{"https://git.example.com/team-evil/app", team, false},
		{"https://git.example.com/team-evil", "https://git.example.com/team", false},
		{team + "app-evil", team + "app", false},
		{team + "app/x", team + "app", false},
		{team + "../evil/app", team, false},
		{team + "%2e%2e/evil/app", team, false},
		{team + `..\evil\app`, team, false},
		{team + "x?y", team, false},
		{team + "x#y", team, false},
		{team + "x\n", team, false},
		{"https://git.example.com@evil.example.com/team/app", team, false},
		{"https://git.example.com.evil.example.com/team/app", "https://git.example.com", false},
		{"HTTPS://git.example.com/team/app", team, false},
		{"https://git.example.com/Team/app", team, false},
		{"http://git.example.com/team/app", team, false},
		{team, team, true},
		{"anything", "", false},
		{"git@git.example.com:team/app", team, false},
	} {
		if got := within(c.repository, c.prefix); got != c.want {
			t.Errorf("%q within %q is %v", c.repository, c.prefix, got)
		}
	}
	k := caseOf()
	k.Policy.Repositories = [][]string{{team}, {"https://other.example.com/"}}
	if v := (Repositories{}).Check(t.Context(), k); v.Kind == run.Passed {
		t.Error("a repository passes that one of two policies does not allow")
	}
}

func TestRights(t *testing.T) {
	ceiling := []rights.Rule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"}}}
	for name, c := range map[string]struct {
		spoil func(*Case)
		pass  bool
	}{
		"below the default": {func(*Case) {}, true},
		"above a policy's":  {func(c *Case) { c.Policy.Ceilings = append(c.Policy.Ceilings, ceiling) }, false},
		"its own account": {func(c *Case) {
			c.Policy.Ceilings, c.Run.Steps[0].ServiceAccount = append(c.Policy.Ceilings, ceiling), "own"
			c.Policy.Accounts = []Accounts{{Policy: "rails", Names: []string{"own"}}}
		}, true},
		"everything":        {func(c *Case) { c.Contracts[0].Spec.RBAC.Permissions[0].Verbs = []string{"*"} }, false},
		"secrets":           {func(c *Case) { c.Contracts[0].Spec.RBAC.Permissions[0].Resources = []string{"secrets"} }, false},
		"the whole cluster": {func(c *Case) { c.Contracts[0].Spec.RBAC.Permissions[0].Scope = "Cluster" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := caseOf()
			if v := whole(&registry{document: document}).Walk(t.Context(), k); v.Kind != run.Passed {
				t.Fatal(v)
			}
			c.spoil(k)
			v := Rights{}.Check(t.Context(), k)
			if (v.Kind == run.Passed) != c.pass || (!c.pass && v.Reason != v1alpha1.ReasonRightsExceeded) {
				t.Errorf("verdict %+v", v)
			}
		})
	}
}

func FuzzWithin(f *testing.F) {
	for _, s := range []string{"", "/", "app", "../evil", "%2e", "a/b.git", ".git"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tail string) {
		const prefix = "https://git.example.com/team/"
		if within(prefix+tail, prefix) && strings.ContainsAny(tail, "%?#\\") {
			t.Errorf("%q is within", tail)
		}
		if within("https://git.example.com/team"+tail, "https://git.example.com/team") && tail != "" && tail != ".git" {
			t.Errorf("%q is within a prefix without a slash", tail)
		}
	})
}

func TestTheSmallestCapOfRunsHolds(t *testing.T) {
	unsaid := settings.Settings{MaxConcurrentRunsPerNamespace: 7}
	capped := func(n int32) v1alpha1.ExecutionPolicy {
		return v1alpha1.ExecutionPolicy{Spec: v1alpha1.ExecutionPolicySpec{MaxConcurrentRuns: n}}
	}
	for want, policies := range map[int][]v1alpha1.ExecutionPolicy{7: {capped(0)}, 9: {capped(9)}, 3: {capped(9), capped(3), capped(0)}} {
		if got := PolicyOf(policies, unsaid).MaxRuns; got != want {
			t.Errorf("%d runs, want %d", got, want)
		}
	}
}
