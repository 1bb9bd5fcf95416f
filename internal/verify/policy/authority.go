package policy

import (
	"crypto"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// compiler compiles one policy.
type compiler struct {
	in    Inputs
	roots roots
	// read is what was read beside the policy itself, or its hash: it can change
	// while the policy stays.
	read []string
}

// errNever marks an authority that Policy Controller takes and can never
// satisfy: in compat mode it fails, and the others of its policy still count.
var errNever = errors.New("never accepted by Policy Controller")

// authority refuses the whole policy for one authority that it cannot use: to
// leave that one out could hide from its author that it never counts.
func (c *compiler) authority(at string, a authority) (Authority, error) {
	kinds := 0
	for _, set := range []bool{a.Key != nil, a.Keyless != nil, a.Static != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return Authority{}, fmt.Errorf("%s: exactly one of key, keyless, static is needed, %d are set", at, kinds)
	}
	if a.Static != nil {
		return a.compileStatic(at)
	}
	steps := []func(string, authority, *Authority) error{c.format, c.key, c.source, c.trust, c.attestations}
	if a.Keyless != nil {
		steps[1] = c.keyless
	}
	out := Authority{}
	for _, step := range steps {
		err := step(at, a, &out)
		if errors.Is(err, errNever) {
			return Authority{Static: &Static{Message: oneLine(err)}}, nil
		}
		if err != nil {
			return Authority{}, err
		}
	}
	return out, nil
}

func (a authority) compileStatic(at string) (Authority, error) {
	if a.CTLog != nil || a.SignatureFormat != "" || a.RFC3161 != nil || len(a.Source) > 0 || len(a.Attestations) > 0 {
		return Authority{}, fmt.Errorf("%s.static: it excludes ctlog, rfc3161timestamp, source, attestations and signatureFormat", at)
	}
	switch a.Static.Action {
	case "pass":
		return Authority{Static: &Static{Pass: true}}, nil
	case "fail":
		return Authority{Static: &Static{Message: a.Static.Message}}, nil
	default:
		return Authority{}, fmt.Errorf("%s.static.action: %q is neither pass nor fail", at, a.Static.Action)
	}
}

// format says which formats count. Policy Controller reads one of them only,
// the legacy one if nothing is said, and bundles only as attestations.
func (c *compiler) format(at string, a authority, out *Authority) error {
	format, known := map[string]Format{"": AnyFormat, "legacy": Legacy, "bundle": Bundle}[a.SignatureFormat]
	switch {
	case !known:
		return fmt.Errorf("%s.signatureFormat: %q is neither legacy nor bundle", at, a.SignatureFormat)
	case c.in.Compat && format == AnyFormat:
		format = Legacy
	case c.in.Compat && format == Bundle && (a.Keyless == nil || len(a.Attestations) == 0 || len(a.Keyless.Identities) > 1):
		return fmt.Errorf("%s.signatureFormat: %w: bundle is for attestations by one keyless identity", at, errNever)
	}
	out.Format = format
	return nil
}

func (c *compiler) key(at string, a authority, out *Authority) error {
	at += ".key"
	hash, known := map[string]crypto.Hash{"": crypto.SHA256, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}[strings.ToLower(a.Key.HashAlgorithm)]
	if !known {
		return fmt.Errorf("%s.hashAlgorithm: %q is none of sha256, sha384 and sha512", at, a.Key.HashAlgorithm)
	}
	text, err := c.text(a.Key)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if out.Keys, err = ParseKeys([]byte(text)); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if c.in.Compat {
		out.Keys = out.Keys[:1]
	}
	for i := range out.Keys {
		out.Keys[i].Hash = hash
	}
	return nil
}

var (
	// repositories have a registry in front, or it could be taken for a path.
	repositories = regexp.MustCompile(`\A([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+:[0-9]{1,5}|localhost)(/[a-z0-9]+([._-]+[a-z0-9]+)*)+\z`)
	// prefixes leave room in a tag of 128 characters for "sha256-", 64 digits and
	// ".sig".
	prefixes = regexp.MustCompile(`\A[A-Za-z0-9_][A-Za-z0-9._-]{0,49}\z`)
)

// maxPullSecrets bounds what is read from the cluster each time an image is
// asked for; one login does for one repository.
const maxPullSecrets = 8

// source must not be a way to have anything but a repository asked.
func (c *compiler) source(at string, a authority, out *Authority) error {
	if len(a.Source) == 0 {
		return nil
	}
	if len(a.Source) > 1 {
		return fmt.Errorf("%s.source: %d entries, one is read", at, len(a.Source))
	}
	at += ".source[0]"
	from := a.Source[0]
	switch {
	case from.OCI != "" && !(len(from.OCI) <= 255 && repositories.MatchString(from.OCI)):
		return fmt.Errorf("%s.oci: %q is no repository with its registry, such as registry.example.com/signatures", at, from.OCI)
	case from.TagPrefix != "" && !prefixes.MatchString(from.TagPrefix):
		return fmt.Errorf("%s.tagPrefix: %q is not the beginning of a tag, of at most 50 characters", at, from.TagPrefix)
	case len(from.SignaturePullSecrets) > maxPullSecrets:
		return fmt.Errorf("%s.signaturePullSecrets: %d entries, at most %d are read", at, len(from.SignaturePullSecrets), maxPullSecrets)
	}
	out.Source = Source{Repository: from.OCI, TagPrefix: from.TagPrefix}
	for i, secret := range from.SignaturePullSecrets {
		if !objects.MatchString(secret.Name) {
			return fmt.Errorf("%s.signaturePullSecrets[%d].name: %q is no name of an object", at, i, secret.Name)
		}
		out.Source.PullSecrets = append(out.Source.PullSecrets, secret.Name)
	}
	return nil
}
