package contract

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// The security floor and the bounds of what one action may ask for.
const (
	// DefaultUser is who an action runs as where its contract names nobody.
	DefaultUser int64 = 65532
	maxUser     int64 = 2147483647
	minCPU            = "1m"
	maxCPU            = "4"
	minMemory         = "8Mi"
	maxMemory         = "8Gi"
)

// fillFloor sets what the document leaves open to the floor, so that whoever
// builds a pod finds every field set.
func fillFloor(c *Contract) {
	s := &c.Spec.SecurityContext
	setBool(&s.RunAsNonRoot, true)
	setBool(&s.ReadOnlyRootFilesystem, true)
	setBool(&s.AllowPrivilegeEscalation, false)
	if s.RunAsUser == nil {
		user := DefaultUser
		s.RunAsUser = &user
	}
	if s.Capabilities == nil {
		s.Capabilities = &Capabilities{Drop: []string{"ALL"}}
	}
	r := &c.Spec.Resources
	if r.Requests.CPU == "" {
		r.Requests.CPU = r.Limits.CPU
	}
	if r.Requests.Memory == "" {
		r.Requests.Memory = r.Limits.Memory
	}
}

func setBool(p **bool, v bool) {
	if *p == nil {
		*p = &v
	}
}

func checkFloor(f *findings, s Spec) {
	sc := s.SecurityContext
	const at = "spec.securityContext."
	f.want(*sc.RunAsNonRoot, at+"runAsNonRoot", *sc.RunAsNonRoot, "true")
	f.want(*sc.RunAsUser > 0 && *sc.RunAsUser <= maxUser, at+"runAsUser", *sc.RunAsUser, "a user that is not root")
	f.want(*sc.ReadOnlyRootFilesystem, at+"readOnlyRootFilesystem", *sc.ReadOnlyRootFilesystem, "true")
	f.want(!*sc.AllowPrivilegeEscalation, at+"allowPrivilegeEscalation", *sc.AllowPrivilegeEscalation, "false")
	f.want(slices.Equal(sc.Capabilities.Drop, []string{"ALL"}), at+"capabilities.drop", sc.Capabilities.Drop, "[ALL]")
	checkAmount(f, "cpu", [2]string{s.Resources.Requests.CPU, s.Resources.Limits.CPU}, [2]string{minCPU, maxCPU})
	checkAmount(f, "memory", [2]string{s.Resources.Requests.Memory, s.Resources.Limits.Memory}, [2]string{minMemory, maxMemory})
}

// checkAmount wants low <= request <= limit <= high.
func checkAmount(f *findings, name string, asked, bounds [2]string) {
	low, high := resource.MustParse(bounds[0]), resource.MustParse(bounds[1])
	limit, err := resource.ParseQuantity(asked[1])
	if err != nil || limit.Cmp(low) < 0 || limit.Cmp(high) > 0 {
		f.add("spec.resources.limits."+name, show(asked[1]), fmt.Sprintf("a quantity from %s to %s", bounds[0], bounds[1]))
		return
	}
	request, err := resource.ParseQuantity(asked[0])
	ok := err == nil && request.Sign() > 0 && request.Cmp(limit) <= 0
	f.want(ok, "spec.resources.requests."+name, asked[0], "a quantity of at most the limit")
}

func checkRBAC(f *findings, r RBAC) {
	f.want(len(r.Permissions) <= 32, "spec.rbac.permissions", len(r.Permissions), "at most 32")
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	for i, p := range r.Permissions {
		at := fmt.Sprintf("spec.rbac.permissions[%d]", i)
		f.each(at+".apiGroups", p.APIGroups, "a group without wildcards", func(s string) bool {
			return s == "" || groupShape.MatchString(s)
		})
		f.each(at+".resources", p.Resources, "a resource without wildcards", func(s string) bool {
			return resourceShape.MatchString(s)
		})
		f.each(at+".verbs", p.Verbs, strings.Join(verbs, ", "), func(s string) bool {
			return slices.Contains(verbs, s)
		})
		f.want(p.Scope == ScopeNamespace || p.Scope == ScopeCluster, at+".scope", p.Scope, "Namespace or Cluster")
	}
}

// each wants 1 to 16 entries that are all ok.
func (f *findings) each(at string, list []string, want string, ok func(string) bool) {
	f.want(len(list) > 0 && len(list) <= 16, at, len(list), "1 to 16 entries")
	for _, s := range list {
		f.want(ok(s), at, s, want)
	}
}
