package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/rights"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// Policy is what all ExecutionPolicies of a namespace say together.
type Policy struct {
	// MaxParallel steps of one run.
	MaxParallel int
	// MaxRuns of the namespace that go on at once.
	MaxRuns int
	// ApprovalThreshold is the number of steps above which a person must approve.
	ApprovalThreshold int
	// Repositories are lists of prefixes; a repository must be in each list.
	Repositories [][]string
	// Ceilings are sets of rights; a contract must stay below each.
	Ceilings [][]rights.Rule
	// Accounts that steps may name; one must be in each list, and without a list
	// none may be named.
	Accounts []Accounts
}

// PolicyOf merges policies. What a policy leaves out restricts nothing; of what
// several say the strictest counts; the controller's settings hold where none
// says anything.
func PolicyOf(policies []v1alpha1.ExecutionPolicy, unsaid settings.Settings) Policy {
	p := Policy{MaxParallel: unsaid.MaxParallelSteps, MaxRuns: unsaid.MaxConcurrentRunsPerNamespace, ApprovalThreshold: unsaid.ComplexityApprovalThreshold, Ceilings: [][]rights.Rule{rights.Default()}}
	var parallel, threshold, runs []int
	for _, policy := range policies {
		if n := int(policy.Spec.MaxParallelSteps); n > 0 {
			parallel = append(parallel, n)
		}
		if n := int(policy.Spec.MaxConcurrentRuns); n > 0 {
			runs = append(runs, n)
		}
		if n := policy.Spec.ApprovalThreshold; n != nil {
			threshold = append(threshold, int(*n))
		}
		if len(policy.Spec.ServiceAccounts) > 0 {
			p.Accounts = append(p.Accounts, Accounts{Policy: policy.Name, Names: policy.Spec.ServiceAccounts})
		}
		if len(policy.Spec.Repositories) > 0 {
			p.Repositories = append(p.Repositories, policy.Spec.Repositories)
		}
		if len(policy.Spec.Ceiling) > 0 {
			rules := make([]rights.Rule, 0, len(policy.Spec.Ceiling))
			for _, r := range policy.Spec.Ceiling {
				rules = append(rules, rights.Rule{APIGroups: r.APIGroups, Resources: r.Resources, Verbs: r.Verbs})
			}
			p.Ceilings = append(p.Ceilings, rules)
		}
	}
	if len(parallel) > 0 {
		p.MaxParallel = slices.Min(parallel)
	}
	if len(runs) > 0 {
		p.MaxRuns = slices.Min(runs)
	}
	if len(threshold) > 0 {
		p.ApprovalThreshold = slices.Min(threshold)
	}
	return p
}

// Repositories refuses steps that name a repository which no policy allows.
type Repositories struct{}

// Name returns "repositories".
func (Repositories) Name() string { return "repositories" }

// Check reads the repository input of each step where its value is known.
func (Repositories) Check(_ context.Context, c *Case) run.Verdict {
	for i, step := range c.Run.Steps {
		values, _, err := c.known(i)
		if err != nil {
			return unresolved(step, err)
		}
		var in struct {
			Repository string `json:"repository"`
		}
		if err := json.Unmarshal(values, &in); err != nil || in.Repository == "" {
			continue // the contract's own types were checked before
		}
		for _, allowed := range c.Policy.Repositories {
			if !slices.ContainsFunc(allowed, func(prefix string) bool { return within(in.Repository, prefix) }) {
				return refuse(v1alpha1.ReasonPolicyDenied, fmt.Sprintf(
					"step %s names repository %s, which the namespace's ExecutionPolicies do not allow: use one of %s or ask who runs the namespace",
					step.Name, in.Repository, strings.Join(allowed, ", ")))
			}
		}
	}
	return run.Pass()
}

// within says whether a repository is the prefix or lies below it. What a
// server or a client may read as another path is never within.
func within(repository, prefix string) bool {
	if strings.Contains(repository, "..") || strings.ContainsAny(repository, "%?#\\ \t\r\n") {
		return false
	}
	repository, prefix = strings.TrimSuffix(repository, ".git"), strings.TrimSuffix(prefix, ".git")
	return repository == prefix || (strings.HasSuffix(prefix, "/") && strings.HasPrefix(repository, prefix))
}

// Rights refuses contracts that ask for more than the ceiling, and accounts
// that no policy lets a step name.
type Rights struct{}

// Name returns "rights".
func (Rights) Name() string { return "rights" }

// Check compares each contract's permissions with every ceiling. A step that
// names an account has that account's rights and is made none.
func (Rights) Check(_ context.Context, c *Case) run.Verdict {
	for i, step := range c.Run.Steps {
		if step.ServiceAccount != "" {
			if v := c.account(step); v.Kind != run.Passed {
				return v
			}
			continue
		}
		var want []rights.Rule
		for _, p := range c.Contracts[i].Spec.RBAC.Permissions {
			if p.Scope == contract.ScopeCluster {
				return refuse(v1alpha1.ReasonRightsExceeded, fmt.Sprintf(
					"step %s (%s) asks for rights in the whole cluster, which are never made: give the step a serviceAccountName that has them and that an ExecutionPolicy lists", step.Name, step.ActionType))
			}
			want = append(want, rights.Rule{APIGroups: p.APIGroups, Resources: p.Resources, Verbs: p.Verbs})
		}
		for _, ceiling := range c.Policy.Ceilings {
			if over := rights.Exceeding(want, ceiling); len(over) > 0 {
				return refuse(v1alpha1.ReasonRightsExceeded, fmt.Sprintf(
					"step %s (%s) asks for more than the ceiling allows: %s: raise the ceiling or give the step a serviceAccountName that an ExecutionPolicy lists", step.Name, step.ActionType, strings.Join(over, ", ")))
			}
		}
	}
	return run.Pass()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
