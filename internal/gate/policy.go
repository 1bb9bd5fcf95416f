package gate

import (
	"cmp"
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
)

// The origin's figures for a namespace without a policy.
const (
	defaultParallel  = 5
	defaultThreshold = 10
)

// Policy is what all ExecutionPolicies of a namespace say together.
type Policy struct {
	// MaxParallel steps of one run.
	MaxParallel int
	// ApprovalThreshold is the number of steps above which a person must approve.
	ApprovalThreshold int
	// Repositories are lists of prefixes; a repository must be in each list.
	Repositories [][]string
	// Ceilings are sets of rights; a contract must stay below each.
	Ceilings [][]rights.Rule
}

// PolicyOf merges policies: the strictest value counts.
func PolicyOf(policies []v1alpha1.ExecutionPolicy) Policy {
	p := Policy{MaxParallel: defaultParallel, ApprovalThreshold: defaultThreshold, Ceilings: [][]rights.Rule{rights.Default()}}
	for i, policy := range policies {
		threshold := defaultThreshold
		if policy.Spec.ApprovalThreshold != nil {
			threshold = int(*policy.Spec.ApprovalThreshold)
		}
		parallel := cmp.Or(int(policy.Spec.MaxParallelSteps), defaultParallel)
		if i == 0 {
			p.MaxParallel, p.ApprovalThreshold = parallel, threshold
		}
		p.MaxParallel, p.ApprovalThreshold = min(p.MaxParallel, parallel), min(p.ApprovalThreshold, threshold)
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
	return p
}

// Repositories refuses steps that name a repository which no policy allows.
type Repositories struct{}

// Name returns "repositories".
func (Repositories) Name() string { return "repositories" }

// Check reads the repository input of each step whose inputs are final.
func (Repositories) Check(_ context.Context, c *Case) run.Verdict {
	if !c.Final {
		return run.Pass()
	}
	for _, step := range c.Run.Steps {
		var in struct {
			Repository string `json:"repository"`
		}
		if err := json.Unmarshal(step.Inputs, &in); err != nil || in.Repository == "" {
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

// Rights refuses contracts that ask for more than the ceiling.
type Rights struct{}

// Name returns "rights".
func (Rights) Name() string { return "rights" }

// Check compares each contract's permissions with every ceiling.
func (Rights) Check(_ context.Context, c *Case) run.Verdict {
	for i, step := range c.Run.Steps {
		if step.ServiceAccount != "" {
			continue // runs with an account of the namespace, and gets nothing of ours
		}
		var want []rights.Rule
		for _, p := range c.Contracts[i].Spec.RBAC.Permissions {
			if p.Scope == contract.ScopeCluster {
				return refuse(v1alpha1.ReasonRightsExceeded, fmt.Sprintf(
					"step %s (%s) asks for rights in the whole cluster, which are never made: give the step a serviceAccountName that has them", step.Name, step.ActionType))
			}
			want = append(want, rights.Rule{APIGroups: p.APIGroups, Resources: p.Resources, Verbs: p.Verbs})
		}
		for _, ceiling := range c.Policy.Ceilings {
			if over := rights.Exceeding(want, ceiling); len(over) > 0 {
				return refuse(v1alpha1.ReasonRightsExceeded, fmt.Sprintf(
					"step %s (%s) asks for more than the ceiling allows: %s: raise the ceiling or give the step a serviceAccountName", step.Name, step.ActionType, strings.Join(over, ", ")))
			}
		}
	}
	return run.Pass()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
