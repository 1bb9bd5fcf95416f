package contract

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Compatibility says whether workflows written for one version of an action
// may use another.
type Compatibility struct {
	// Breaking lists what callers of the old version would notice.
	Breaking []Finding
	// MajorRaised is true where the new major version is greater, which
	// announces breaking changes.
	MajorRaised bool
}

// Lawful says whether the new version keeps the rule of semantic versions:
// nothing breaks unless the major version is raised.
func (c Compatibility) Lawful() bool { return c.MajorRaised || len(c.Breaking) == 0 }

// Compare finds what a new version of a contract breaks for callers of the old:
// inputs that are gone, newly required or accept less; outputs that are gone or
// of another type; a promise of idempotence that was taken back; and rights or
// credentials that it did not need before.
func Compare(previous, next Contract) Compatibility {
	f := &findings{}
	f.want(CanonicalType(previous.Spec.ActionType) == CanonicalType(next.Spec.ActionType),
		"spec.actionType", next.Spec.ActionType, previous.Spec.ActionType)
	f.want(!older(next.Metadata.Version, previous.Metadata.Version),
		"metadata.version", next.Metadata.Version, "at least "+previous.Metadata.Version)
	f.want(next.Spec.Idempotent || !previous.Spec.Idempotent, "spec.idempotent", false, "true as before")
	for _, was := range previous.Spec.Inputs {
		is, ok := next.Input(was.Name)
		if !ok {
			f.add("inputs."+was.Name, "nothing", "the input as before")
			continue
		}
		narrowed(f, was, is)
	}
	for _, in := range next.Spec.Inputs {
		_, existed := previous.Input(in.Name)
		f.want(existed || !in.Required, "inputs."+in.Name, "a new required input", "an optional one")
	}
	for _, was := range previous.Spec.Outputs {
		i := slices.IndexFunc(next.Spec.Outputs, func(o Output) bool { return o.Name == was.Name })
		if i < 0 {
			f.add("outputs."+was.Name, "nothing", "the output as before")
			continue
		}
		f.want(next.Spec.Outputs[i].Type == was.Type, "outputs."+was.Name, next.Spec.Outputs[i].Type, string(was.Type))
	}
	asksMore(f, previous.Spec, next.Spec)
	return Compatibility{
		Breaking:    f.list,
		MajorRaised: version(next.Metadata.Version)[0] > version(previous.Metadata.Version)[0],
	}
}

// narrowed finds values that the old input took and the new one would not.
func narrowed(f *findings, was, is Input) {
	at := "inputs." + was.Name
	if was.Type != is.Type {
		f.add(at, string(is.Type), string(was.Type))
		return
	}
	f.want(was.Required || !is.Required, at, "required", "optional as before")
	f.want(is.Sensitive || !was.Sensitive, at, "not sensitive", "sensitive as before")
	f.want(is.Pattern == was.Pattern || is.Pattern == "", at, is.Pattern, "the pattern as before or none")
	if is.Minimum != nil {
		f.want(was.Minimum != nil && was.Type.compare(is.Minimum, was.Minimum) <= 0, at, is.Minimum, "the minimum as before or less")
	}
	if is.Maximum != nil {
		f.want(was.Maximum != nil && was.Type.compare(is.Maximum, was.Maximum) >= 0, at, is.Maximum, "the maximum as before or more")
	}
	if len(is.Enum) > 0 {
		f.want(len(was.Enum) > 0, at, is.Enum, "no enum as before")
		for _, v := range was.Enum {
			ok := slices.ContainsFunc(is.Enum, func(e any) bool { return was.Type.equal(e, v) })
			f.want(ok, at, is.Enum, show(v)+" as before")
		}
	}
	for _, other := range is.DependsOn {
		f.want(slices.Contains(was.DependsOn, other), at, "a new dependency on "+other, "the dependencies as before")
	}
}

// asksMore finds needs that whoever allowed the old version has not allowed.
func asksMore(f *findings, was, is Spec) {
	had := granted(was.RBAC)
	for _, right := range slices.Sorted(maps.Keys(granted(is.RBAC))) {
		f.want(had[right], "rbac", right, "the rights as before")
	}
	for _, c := range is.Credentials {
		old := slices.IndexFunc(was.Credentials, func(o Credential) bool { return o.Name == c.Name })
		f.want(!c.Required || (old >= 0 && was.Credentials[old].Required), "credentials."+c.Name, "required", "optional as before")
	}
}

// granted takes rights apart into one line each.
func granted(r RBAC) map[string]bool {
	out := map[string]bool{}
	for _, p := range r.Permissions {
		for _, group := range p.APIGroups {
			for _, resource := range p.Resources {
				p.grant(out, group, resource)
			}
		}
	}
	return out
}

func (p Permission) grant(to map[string]bool, group, resource string) {
	for _, verb := range p.Verbs {
		to[strings.Join([]string{verb, resource, group, p.Scope}, " ")] = true
	}
}

func older(a, b string) bool {
	x, y := version(a), version(b)
	return slices.Compare(x[:], y[:]) < 0
}

// version splits vMAJOR.MINOR.PATCH; Parse has checked the shape.
func version(v string) [3]int {
	var out [3]int
	for i, part := range strings.SplitN(strings.TrimPrefix(v, "v"), ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return [3]int{}
		}
		out[i] = n
	}
	return out
}
