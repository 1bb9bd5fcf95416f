package policy

import (
	"errors"
	"fmt"
	"net/url"
)

// maxAttestations bounds one authority; each is looked for among all that is
// attached to an image.
const maxAttestations = 16

// predicateTypes are the short names that cosign knows.
func predicateTypes() map[string]string {
	return map[string]string{
		"custom": "https://cosign.sigstore.dev/attestation/v1", "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
		"slsaprovenance": "https://slsa.dev/provenance/v0.2", "slsaprovenance02": "https://slsa.dev/provenance/v0.2",
		"slsaprovenance1": "https://slsa.dev/provenance/v1", "link": "https://in-toto.io/Link/v1",
		"spdx": "https://spdx.dev/Document", "spdxjson": "https://spdx.dev/Document",
		"cyclonedx": "https://cyclonedx.org/bom", "openvex": "https://openvex.dev/ns",
	}
}

func (c *compiler) attestations(at string, from []attestation) ([]Attestation, error) {
	if len(from) > maxAttestations {
		return nil, fmt.Errorf("%s.attestations: %d entries, at most %d are read", at, len(from), maxAttestations)
	}
	var all []Attestation
	seen := map[string]bool{}
	for i, a := range from {
		at := fmt.Sprintf("%s.attestations[%d]", at, i)
		if a.Name == "" || seen[a.Name] {
			return nil, fmt.Errorf("%s.name: %q is not a name of its own", at, a.Name)
		}
		seen[a.Name] = true
		one := Attestation{Name: a.Name, PredicateType: a.PredicateType}
		if uri, short := predicateTypes()[a.PredicateType]; short {
			one.PredicateType = uri
		} else if u, err := url.Parse(a.PredicateType); err != nil || u.Scheme == "" {
			return nil, fmt.Errorf("%s.predicateType: %q is neither a URI nor a name that cosign knows, such as slsaprovenance1 or spdxjson", at, a.PredicateType)
		}
		if a.Policy != nil {
			var err error
			if one.Rule, err = c.rule(at+".policy", *a.Policy); err != nil {
				return nil, err
			}
		}
		all = append(all, one)
	}
	return all, nil
}

func (c *compiler) rule(at string, r rule) (Program, error) {
	text := r.Data
	switch {
	case r.Remote != nil:
		return nil, fmt.Errorf("%s.remote is not supported: a rule that another server can change is nothing to rely on; put it into data or a ConfigMap", at)
	case r.FetchConfigFile || r.IncludeSpec || r.IncludeObjectMeta || r.IncludeTypeMeta:
		return nil, fmt.Errorf("%s: fetchConfigFile, includeSpec, includeObjectMeta and includeTypeMeta are not supported: a rule sees the statement alone", at)
	case (r.Data != "") == (r.ConfigMapRef != nil):
		return nil, fmt.Errorf("%s: exactly one of data and configMapRef is needed", at)
	case r.ConfigMapRef != nil:
		var err error
		if text, err = c.configMap(*r.ConfigMapRef); err != nil {
			return nil, fmt.Errorf("%s.configMapRef: %w", at, err)
		}
	}
	if c.in.Rules == nil {
		return nil, fmt.Errorf("%s: rules are not understood here", at)
	}
	program, err := c.in.Rules(r.Type, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	// A ConfigMap can change while the policy stays.
	c.read = append(c.read, text)
	return program, nil
}

func (c *compiler) configMap(ref configMapRef) (string, error) {
	if c.in.ConfigMaps == nil {
		return "", errors.New("no ConfigMap can be read here")
	}
	data, err := c.in.ConfigMaps(ref.Namespace, ref.Name)
	if err != nil {
		return "", fmt.Errorf("read ConfigMap %q: %w", ref.Name, err)
	}
	text, found := data[ref.Key]
	if !found {
		return "", fmt.Errorf("ConfigMap %q has no entry %q", ref.Name, ref.Key)
	}
	return text, nil
}
