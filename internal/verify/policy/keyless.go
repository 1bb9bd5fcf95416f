package policy

import (
	"cmp"
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

	publicFulcio = "https://fulcio.sigstore.dev"
	publicRekor  = "https://rekor.sigstore.dev"
)

func (c *compiler) keyless(at string, a authority, out *Authority) error {
	k := a.Keyless
	at += ".keyless"
	people, err := c.identities(at, k.Identities)
	if err != nil {
		return err
	}
	out.Keyless = &Keyless{Identities: people, IgnoreSCT: k.InsecureIgnoreSCT}
	if out.Keyless.Root, err = c.keylessRoot(at, k); err != nil {
		return err
	}
	if root := out.Keyless.Root; root.Keys != nil && len(root.Keys.Authorities) == 0 {
		return fmt.Errorf("%s: TrustRoot %q names no certificate authority", at, root.Name)
	}
	if root := out.Keyless.Root; root.Keys != nil && len(root.Keys.CertificateLogs) == 0 && !k.InsecureIgnoreSCT {
		return fmt.Errorf("%s: the root of trust names no certificate log, so that no certificate could pass: add spec.sigstoreKeys.ctLogs to the TrustRoot or set insecureIgnoreSCT", at)
	}
	return nil
}

func (c *compiler) keylessRoot(at string, k *keyless) (*Root, error) {
	switch {
	case k.CACert != nil && (k.URL != "" || k.TrustRootRef != ""):
		return nil, fmt.Errorf("%s: ca-cert excludes url and trustRootRef", at)
	case k.CACert != nil:
		return c.ownCA(at+".ca-cert", k.CACert)
	case k.TrustRootRef != "":
		root, err := c.roots.find(k.TrustRootRef)
		if err != nil {
			return nil, fmt.Errorf("%s.trustRootRef: %w", at, err)
		}
		return root, nil
	case k.URL != "" && strings.TrimSuffix(k.URL, "/") != publicFulcio:
		return nil, fmt.Errorf("%s.url: nothing is known of the certificates of %s: name a TrustRoot with trustRootRef", at, k.URL)
	}
	return c.public(at)
}

// ownCA trusts one certificate authority and nothing else.
func (c *compiler) ownCA(at string, ref *keyRef) (*Root, error) {
	text, err := ref.text(c.in.Secrets)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	if err := certificates(text); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	keys := &RootKeys{Authorities: []RootAuthority{{URI: at, Chain: text}}}
	return &Root{Hash: hash(keys), Keys: keys}, nil
}

func (c *compiler) public(at string) (*Root, error) {
	if c.in.Public == nil {
		return nil, fmt.Errorf("%s: it relies on the public root of trust, and the controller was given none: name a TrustRoot with trustRootRef", at)
	}
	return c.in.Public, nil
}

// identities are mandatory: without them anybody with an account could sign.
func (c *compiler) identities(at string, from []identity) ([]Identity, error) {
	if n := len(from); n == 0 {
		return nil, fmt.Errorf("%s.identities is missing: name the issuer and the subject (or issuerRegExp and subjectRegExp) that may sign", at)
	} else if n > maxIdentities {
		return nil, fmt.Errorf("%s.identities: %d entries, at most %d are read", at, n, maxIdentities)
	}
	var all []Identity
	for i, id := range from {
		at := fmt.Sprintf("%s.identities[%d]", at, i)
		if err := id.complete(at); err != nil {
			return nil, err
		}
		one := Identity{Issuer: id.Issuer, Subject: id.Subject}
		var err error
		if one.IssuerRegExp, err = c.expression(id.IssuerRegExp); err != nil {
			return nil, fmt.Errorf("%s.issuerRegExp: %w", at, err)
		}
		if one.SubjectRegExp, err = c.expression(id.SubjectRegExp); err != nil {
			return nil, fmt.Errorf("%s.subjectRegExp: %w", at, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func (id identity) complete(at string) error {
	var missing []string
	if id.Issuer == "" && id.IssuerRegExp == "" {
		missing = append(missing, "issuer (or issuerRegExp)")
	}
	if id.Subject == "" && id.SubjectRegExp == "" {
		missing = append(missing, "subject (or subjectRegExp)")
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s lacks %s", at, strings.Join(missing, " and "))
	}
	if id.Issuer != "" && id.IssuerRegExp != "" || id.Subject != "" && id.SubjectRegExp != "" {
		return fmt.Errorf("%s: a text and an expression for the same field are set; leave one of them out", at)
	}
	return nil
}

// expression makes an expression match the whole text: one that is found
// somewhere inside would accept "https://example.com.evil.test" for
// "https://example.com". Policy Controller looks inside.
func (c *compiler) expression(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if len(text) > maxExpression {
		return "", fmt.Errorf("it has %d characters, at most %d are read", len(text), maxExpression)
	}
	if _, err := regexp.Compile(text); err != nil {
		return "", errors.New(oneLine(err))
	}
	if c.in.Compat {
		return text, nil
	}
	return `\A(?:` + text + `)\z`, nil
}

// log says which log has to know the signature; nil for none.
func (c *compiler) log(at string, a authority, out *Authority) (*Root, error) {
	if a.CTLog != nil {
		return c.namedLog(at, a, out)
	}
	switch {
	case a.Keyless == nil || a.RFC3161 != nil:
		return nil, nil
	case a.Keyless.TrustRootRef == "":
		return c.public(at + ".keyless")
	case c.in.Compat:
		return nil, nil
	default:
		return c.withLogs(at+".keyless", out.Keyless.Root)
	}
}

// namedLog is the log of an authority that has the field, be it empty.
func (c *compiler) namedLog(at string, a authority, out *Authority) (*Root, error) {
	at += ".ctlog"
	url := strings.TrimSuffix(a.CTLog.URL, "/")
	switch {
	case a.CTLog.TrustRootRef != "":
		root, err := c.roots.find(a.CTLog.TrustRootRef)
		if err != nil {
			return nil, fmt.Errorf("%s.trustRootRef: %w", at, err)
		}
		return c.withLogs(at, root)
	case url != "" && url != publicRekor:
		return nil, fmt.Errorf("%s.url: nothing is known of the log %s: name a TrustRoot with trustRootRef", at, a.CTLog.URL)
	case url == "" && a.Keyless != nil && a.Keyless.TrustRootRef != "" && !c.in.Compat:
		return c.withLogs(at, out.Keyless.Root)
	default:
		return c.public(at)
	}
}

// withLogs refuses a root by which no entry could ever count.
func (c *compiler) withLogs(at string, root *Root) (*Root, error) {
	if root.Keys != nil && len(root.Keys.Logs) == 0 {
		return nil, fmt.Errorf("%s: TrustRoot %q names no transparency log: add spec.sigstoreKeys.tLogs, or name another in ctlog.trustRootRef, or demand a timestamp instead with rfc3161timestamp", at, root.Name)
	}
	return root, nil
}

func (c *compiler) stamp(at string, a authority) (*Root, error) {
	if a.RFC3161 == nil {
		return nil, nil
	}
	root, err := c.roots.find(cmp.Or(a.RFC3161.TrustRootRef, "(none named)"))
	if err != nil {
		return nil, fmt.Errorf("%s.rfc3161timestamp.trustRootRef: %w", at, err)
	}
	if root.Keys != nil && len(root.Keys.Stamps) == 0 {
		return nil, fmt.Errorf("%s.rfc3161timestamp: TrustRoot %q names no timestamp authority: add spec.sigstoreKeys.timestampAuthorities", at, root.Name)
	}
	return root, nil
}
