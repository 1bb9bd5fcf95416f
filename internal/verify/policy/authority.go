package policy

import (
	"crypto"
	"fmt"
	"strings"
)

// compiler compiles one policy.
type compiler struct {
	in    Inputs
	roots roots
	// read is what was read beside the policy itself: it belongs to the hash.
	read []string
}

// authority refuses the whole policy for one authority that it cannot use: to
// leave that one out could hide from its author that it never counts.
func (c *compiler) authority(at string, a authority) (Authority, error) {
	out := Authority{Name: a.Name}
	kinds := 0
	for _, set := range []bool{a.Key != nil, a.Keyless != nil, a.Static != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return out, fmt.Errorf("%s: exactly one of key, keyless, static is needed, %d are set", at, kinds)
	}
	if a.Static != nil {
		return out, a.compileStatic(at, &out)
	}
	steps := []func(string, authority, *Authority) error{c.format, c.key, c.source, c.trust}
	if a.Keyless != nil {
		steps[1] = c.keyless
	}
	for _, step := range steps {
		if err := step(at, a, &out); err != nil {
			return out, err
		}
	}
	var err error
	out.Attestations, err = c.attestations(at, a.Attestations)
	return out, err
}

func (a authority) compileStatic(at string, out *Authority) error {
	if a.CTLog != nil || a.SignatureFormat != "" || a.RFC3161 != nil || len(a.Source) > 0 || len(a.Attestations) > 0 {
		return fmt.Errorf("%s.static: it excludes ctlog, rfc3161timestamp, source, attestations and signatureFormat", at)
	}
	switch a.Static.Action {
	case "pass":
		out.Static = &Static{Pass: true}
	case "fail":
		out.Static = &Static{Message: a.Static.Message}
	default:
		return fmt.Errorf("%s.static.action: %q is neither pass nor fail", at, a.Static.Action)
	}
	return nil
}

// format says which formats count. Policy Controller reads one of them only,
// the legacy one if nothing is said, and bundles only for attestations.
func (c *compiler) format(at string, a authority, out *Authority) error {
	format, known := map[string]Format{"": AnyFormat, "legacy": Legacy, "bundle": Bundle}[a.SignatureFormat]
	if !known {
		return fmt.Errorf("%s.signatureFormat: %q is neither legacy nor bundle", at, a.SignatureFormat)
	}
	if c.in.Compat && format == Bundle && (a.Keyless == nil || len(a.Attestations) == 0 || len(a.Keyless.Identities) > 1) {
		return fmt.Errorf("%s.signatureFormat: Policy Controller takes bundle for attestations by one identity alone", at)
	}
	if c.in.Compat && format == AnyFormat {
		format = Legacy
	}
	out.Format = format
	return nil
}

func (c *compiler) key(at string, a authority, out *Authority) error {
	at += ".key"
	algorithm, known := map[string]crypto.Hash{"": crypto.SHA256, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}[strings.ToLower(a.Key.HashAlgorithm)]
	if !known {
		return fmt.Errorf("%s.hashAlgorithm: %q is none of sha256, sha384 and sha512", at, a.Key.HashAlgorithm)
	}
	text, err := a.Key.text(c.in.Secrets)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if out.Keys, err = ParseKeys(text); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	for i := range out.Keys {
		out.Keys[i].Hash = algorithm
	}
	return nil
}

// isRepository wants a registry and a path; what is inside is checked where it
// is opened.
func isRepository(name string) bool {
	host, path, found := strings.Cut(name, "/")
	return found && strings.ContainsAny(host, ".:") && path != "" && !strings.ContainsAny(name, "@ \t\n") && !strings.Contains(path, ":")
}

func (c *compiler) source(at string, a authority, out *Authority) error {
	at += ".source"
	if len(a.Source) == 0 {
		return nil
	}
	if len(a.Source) > 1 {
		return fmt.Errorf("%s: %d entries, one is read", at, len(a.Source))
	}
	from := a.Source[0]
	if from.OCI != "" && !isRepository(from.OCI) {
		return fmt.Errorf("%s[0].oci: %q is no repository with its registry, such as registry.example.com/signatures", at, from.OCI)
	}
	out.Source = Source{Repository: from.OCI, TagPrefix: from.TagPrefix}
	for _, secret := range from.SignaturePullSecrets {
		out.Source.PullSecrets = append(out.Source.PullSecrets, secret.Name)
	}
	return nil
}

// trust says which roots vouch for log and time.
func (c *compiler) trust(at string, a authority, out *Authority) error {
	var err error
	if out.Log, err = c.log(at, a, out); err != nil {
		return err
	}
	out.Stamp, err = c.stamp(at, a)
	return err
}
