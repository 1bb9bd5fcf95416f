package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const (
	// maxIdentities bounds one authority; each is tried on each certificate.
	maxIdentities = 64
	// maxExpression bounds an expression, in characters; matching takes time in
	// proportion to it.
	maxExpression = 1024
)

func (c *compiler) keyless(at string, a authority, out *Authority) error {
	k := a.Keyless
	at += ".keyless"
	people, err := c.identities(at, k.Identities)
	if err != nil {
		return err
	}
	root, err := c.issuers(at, k)
	if err != nil {
		return err
	}
	if root.Keys != nil && len(root.Keys.Authorities) == 0 {
		return fmt.Errorf("%s: its root of trust names no certificate authority: add spec.sigstoreKeys.certificateAuthorities", at)
	}
	if root.Keys != nil && len(root.Keys.CertificateLogs) == 0 && !k.InsecureIgnoreSCT {
		return fmt.Errorf("%s: its root of trust names no certificate log, so that no certificate could pass: use a TrustRoot with spec.sigstoreKeys.ctLogs, or set insecureIgnoreSCT", at)
	}
	out.Keyless = &Keyless{Identities: people, Root: root, IgnoreSCT: k.InsecureIgnoreSCT}
	return nil
}

// issuers is the root whose certificate authorities count. Policy Controller
// looks at no URL and at no ca-cert.
func (c *compiler) issuers(at string, k *keyless) (*Root, error) {
	switch {
	case k.CACert != nil && (k.URL != "" || k.TrustRootRef != ""):
		return nil, fmt.Errorf("%s: ca-cert excludes url and trustRootRef", at)
	case k.CACert != nil && c.in.Compat:
		return nil, fmt.Errorf("%s.ca-cert: %w", at, errNever)
	case k.CACert != nil:
		return c.ownCA(at+".ca-cert", k.CACert)
	case k.TrustRootRef != "":
		return c.root(at+".trustRootRef", k.TrustRootRef)
	case k.URL != "" && !isHost(k.URL, publicFulcio) && !c.in.Compat:
		return nil, fmt.Errorf("%s.url: nothing is known of the certificates of %s: name the TrustRoot with them in trustRootRef", at, k.URL)
	}
	return c.public(at)
}

// ownCA trusts one certificate authority and nothing else.
func (c *compiler) ownCA(at string, ref *keyRef) (*Root, error) {
	text, err := c.text(ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	if err := certificates([]byte(text)); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	keys := &RootKeys{Authorities: []RootAuthority{{Chain: []byte(text)}}}
	return &Root{Hash: hash(keys), Keys: keys}, nil
}

// identities are mandatory: without them anybody with an account could sign.
func (c *compiler) identities(at string, from []identity) ([]Identity, error) {
	if n := len(from); n == 0 {
		return nil, fmt.Errorf("%s.identities is missing: each entry has an issuer (or issuerRegExp) and a subject (or subjectRegExp), and anybody could sign without", at)
	} else if n > maxIdentities {
		return nil, fmt.Errorf("%s.identities: %d entries, at most %d are read", at, n, maxIdentities)
	}
	var all []Identity
	for i, id := range from {
		one, err := c.identity(id)
		if err != nil {
			return nil, fmt.Errorf("%s.identities[%d]%w", at, i, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func (c *compiler) identity(id identity) (one Identity, err error) {
	one.Issuer, one.Subject = id.Issuer, id.Subject
	var missing []string
	for _, f := range []struct {
		name, text, expression string
		into                   *string
	}{{"issuer", id.Issuer, id.IssuerRegExp, &one.IssuerRegExp}, {"subject", id.Subject, id.SubjectRegExp, &one.SubjectRegExp}} {
		switch {
		case f.text == "" && f.expression == "":
			missing = append(missing, fmt.Sprintf("%[1]s (or %[1]sRegExp)", f.name))
		case f.text != "" && f.expression != "":
			return one, fmt.Errorf(": %[1]s and %[1]sRegExp are both set; leave one of them out", f.name)
		case f.expression != "":
			if *f.into, err = c.expression(f.expression); err != nil {
				return one, fmt.Errorf(".%sRegExp: %w", f.name, err)
			}
		}
	}
	if len(missing) > 0 {
		return one, fmt.Errorf(" lacks %s", strings.Join(missing, " and "))
	}
	return one, nil
}

// expression makes an expression match the whole text: one that is found
// somewhere inside would accept "https://example.com.evil.test" for
// "https://example.com". Policy Controller looks inside.
func (c *compiler) expression(text string) (string, error) {
	if len(text) > maxExpression {
		return "", fmt.Errorf("it has %d characters, at most %d are read", len(text), maxExpression)
	}
	// By itself first, so that no parenthesis in it can close ours.
	whole := `\A(?:` + text + `)\z`
	for _, t := range []string{text, whole} {
		if _, err := regexp.Compile(t); err != nil {
			return "", errors.New(oneLine(err))
		}
	}
	if c.in.Compat {
		return text, nil
	}
	return whole, nil
}
