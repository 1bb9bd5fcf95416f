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

func (c *compiler) attestations(at string, a authority, out *Authority) error {
	if len(a.Attestations) > maxAttestations {
		return fmt.Errorf("%s.attestations: %d entries, at most %d are read", at, len(a.Attestations), maxAttestations)
	}
	seen := map[string]bool{}
	for i, from := range a.Attestations {
		at := fmt.Sprintf("%s.attestations[%d]", at, i)
		if from.Name == "" || seen[from.Name] {
			return fmt.Errorf("%s.name: %q is not a name of its own", at, from.Name)
		}
		seen[from.Name] = true
		one := Attestation{Name: from.Name, PredicateType: from.PredicateType, Written: from.PredicateType}
		if uri, short := predicateTypes()[from.PredicateType]; short {
			one.PredicateType = uri
		} else if u, err := url.Parse(from.PredicateType); err != nil || u.Scheme == "" {
			return fmt.Errorf("%s.predicateType: %q is neither a URI nor a name that cosign knows, such as slsaprovenance1 or spdxjson", at, from.PredicateType)
		}
		if from.Policy != nil {
			var err error
			if one.Rule, err = c.rule(at+".policy", *from.Policy); err != nil {
				return err
			}
		}
		out.Attestations = append(out.Attestations, one)
	}
	return nil
}

func (c *compiler) rule(at string, r rule) (Program, error) {
	text := r.Data
	switch {
	case r.Remote != nil:
		return nil, fmt.Errorf("%s.remote is not supported: what runs must not depend on a server being there, nor a policy make the controller ask one; put the text into data or a ConfigMap", at)
	case r.FetchConfigFile || r.IncludeSpec || r.IncludeObjectMeta || r.IncludeTypeMeta:
		return nil, fmt.Errorf("%s: fetchConfigFile, includeSpec, includeObjectMeta and includeTypeMeta are not supported: a rule sees what was signed, and neither image nor pod", at)
	case (r.Data != "") == (r.ConfigMapRef != nil):
		return nil, fmt.Errorf("%s: exactly one of data and configMapRef is needed", at)
	case c.in.Rules == nil:
		return nil, fmt.Errorf("%s: rules are not understood here", at)
	case r.ConfigMapRef != nil:
		var err error
		if text, err = c.configMap(*r.ConfigMapRef); err != nil {
			return nil, fmt.Errorf("%s.configMapRef: %w", at, err)
		}
		c.read = append(c.read, text)
	}
	program, err := c.in.Rules(r.Type, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return program, nil
}

func (c *compiler) configMap(ref configMapRef) (string, error) {
	switch {
	case !objects.MatchString(ref.Name) || ref.Key == "":
		return "", fmt.Errorf("name %q and key %q are needed, as those of an object and of its entry", ref.Name, ref.Key)
	case c.in.ConfigMaps == nil:
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
