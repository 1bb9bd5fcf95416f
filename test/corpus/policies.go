package corpus

import (
	"strings"
)

// authority makes one authority of a policy.
type authority = func(*maker) map[string]any

// one is a policy that any of the authorities satisfies.
func one(authorities ...authority) func(*maker) []map[string]any {
	return func(m *maker) []map[string]any {
		list := []any{}
		for _, a := range authorities {
			list = append(list, a(m))
		}
		return []map[string]any{{"authorities": list}}
	}
}

// two is a policy for each authority.
func two(first, second authority) func(*maker) []map[string]any {
	return func(m *maker) []map[string]any { return append(one(first)(m), one(second)(m)...) }
}

// spec sets a field of each policy.
func spec(field string, value any, policies func(*maker) []map[string]any) func(*maker) []map[string]any {
	return func(m *maker) []map[string]any {
		list := policies(m)
		for _, p := range list {
			p[field] = value
		}
		return list
	}
}

// with sets a field of an authority; dots go deeper.
func with(a authority, path string, value any) authority {
	return func(m *maker) map[string]any {
		made := a(m)
		at := made
		parts := strings.Split(path, ".")
		for _, p := range parts[:len(parts)-1] {
			at = at[p].(map[string]any)
		}
		at[parts[len(parts)-1]] = value
		return made
	}
}

func trusts(by func(*maker) *key) authority {
	return func(m *maker) map[string]any { return map[string]any{"key": map[string]any{"data": by(m).pem}} }
}

func secret(*maker) map[string]any {
	return map[string]any{"key": map[string]any{"secretRef": map[string]any{"name": SecretName}}}
}

func noSecret(*maker) map[string]any {
	return map[string]any{"key": map[string]any{"secretRef": map[string]any{"name": "corpus-missing"}}}
}

// attests demands provenance, which has to satisfy the rule if there is one.
func attests(rule map[string]any) authority {
	return func(m *maker) map[string]any {
		one := map[string]any{"name": "provenance", "predicateType": provenance}
		if rule != nil {
			one["policy"] = rule
		}
		return map[string]any{"name": "built", "key": map[string]any{"data": m.ours.pem}, "attestations": []any{one}}
	}
}

func source(kind string) authority {
	return func(m *maker) map[string]any {
		from := map[string]any{"oci": m.prefix + "/signatures"}
		if kind == "tagPrefix" {
			from = map[string]any{"tagPrefix": "release-"}
		}
		return map[string]any{"key": map[string]any{"data": m.ours.pem}, "source": []any{from}}
	}
}

// people demands a certificate of the virtual authorities and a timestamp.
func people(identities ...map[string]any) authority {
	return func(*maker) map[string]any {
		list := []any{}
		for _, i := range identities {
			list = append(list, i)
		}
		return map[string]any{
			"keyless":          map[string]any{"url": "https://fulcio.example.com", "trustRootRef": RootName, "insecureIgnoreSCT": true, "identities": list},
			"rfc3161timestamp": map[string]any{"trustRootRef": RootName},
		}
	}
}
