package policy

import (
	"fmt"
	"net/url"
)

const (
	publicFulcio = "fulcio.sigstore.dev"
	publicRekor  = "rekor.sigstore.dev"
)

// isHost reports whether a URL is that of a public server.
func isHost(text, host string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host == host && (u.Path == "" || u.Path == "/") && u.User == nil && u.RawQuery == ""
}

// trust says which roots vouch for log and time.
func (c *compiler) trust(at string, a authority, out *Authority) error {
	var err error
	switch {
	case c.in.Compat && out.Format == Bundle:
		return a.oneRoot(at, out)
	case c.in.Compat:
		out.Log, err = c.compatLog(at, a)
	default:
		out.Log, err = c.log(at, a, out)
	}
	if err != nil || a.RFC3161 == nil {
		return err
	}
	if a.RFC3161.TrustRootRef == "" {
		if c.in.Compat {
			return nil
		}
		return fmt.Errorf("%s.rfc3161timestamp.trustRootRef is missing: name the TrustRoot with the timestamp authority", at)
	}
	if out.Stamp, err = c.root(at+".rfc3161timestamp.trustRootRef", a.RFC3161.TrustRootRef); err != nil {
		return err
	}
	if out.Stamp.Keys != nil && len(out.Stamp.Keys.Stamps) == 0 {
		return fmt.Errorf("%s.rfc3161timestamp: its root of trust names no timestamp authority: add spec.sigstoreKeys.timestampAuthorities", at)
	}
	if c.in.Compat {
		out.Log = nil
	}
	return nil
}

// log says which log has to know the signature; nil for none. A certificate
// lives for minutes, and so something has to say when it signed: the log, if
// the author has not chosen timestamps alone.
func (c *compiler) log(at string, a authority, out *Authority) (*Root, error) {
	asked := a.CTLog
	if asked == nil {
		if a.Keyless == nil || a.RFC3161 != nil {
			return nil, nil
		}
		asked = &ctlog{}
	}
	root, err := c.logRoot(at+".ctlog", *asked, out.Keyless)
	if err == nil && root.Keys != nil && len(root.Keys.Logs) == 0 {
		err = fmt.Errorf("%s: its root of trust names no transparency log: add spec.sigstoreKeys.tLogs, name another TrustRoot in ctlog.trustRootRef, or ask for timestamps with rfc3161timestamp", at)
	}
	return root, err
}

func (c *compiler) logRoot(at string, asked ctlog, people *Keyless) (*Root, error) {
	switch {
	case asked.TrustRootRef != "":
		return c.root(at+".trustRootRef", asked.TrustRootRef)
	case asked.URL != "" && !isHost(asked.URL, publicRekor):
		return nil, fmt.Errorf("%s: trustRootRef is missing: nothing is known of the key of the log %s, name the TrustRoot with it", at, asked.URL)
	case asked.URL == "" && people != nil && people.Root.Name != "":
		return people.Root, nil
	}
	return c.public(at)
}

// compatLog leaves the log out where Policy Controller has no URL of one.
func (c *compiler) compatLog(at string, a authority) (*Root, error) {
	switch {
	case a.CTLog == nil && a.Keyless != nil && a.Keyless.TrustRootRef == "":
		return c.public(at + ".keyless")
	case a.CTLog == nil:
		return nil, nil
	case a.CTLog.TrustRootRef != "":
		return c.root(at+".ctlog.trustRootRef", a.CTLog.TrustRootRef)
	case a.CTLog.URL == "":
		return nil, nil
	}
	return c.public(at + ".ctlog")
}

// oneRoot is how Policy Controller judges bundles: one root for everything.
func (a authority) oneRoot(at string, out *Authority) error {
	root, ref := out.Keyless.Root, a.Keyless.TrustRootRef
	if a.CTLog != nil && a.CTLog.TrustRootRef != ref || a.RFC3161 != nil && a.RFC3161.TrustRootRef != ref {
		return fmt.Errorf("%s: %w: with bundle, ctlog and rfc3161timestamp have the trustRootRef of keyless", at, errNever)
	}
	if a.RFC3161 != nil {
		out.Stamp = root
		return nil
	}
	out.Log = root
	return nil
}

func (c *compiler) public(at string) (*Root, error) {
	if c.in.Public == nil {
		return nil, fmt.Errorf("%s: it relies on the public root of trust, and the controller was given none: name a TrustRoot in trustRootRef", at)
	}
	c.read = append(c.read, c.in.Public.Hash)
	return c.in.Public, nil
}

func (c *compiler) root(at, name string) (*Root, error) {
	find := c.roots[name]
	if find == nil {
		return nil, fmt.Errorf("%s: there is no TrustRoot %q", at, name)
	}
	root, err := find()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	c.read = append(c.read, root.Hash)
	return root, nil
}
