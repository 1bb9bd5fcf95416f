// Package repo clones, commits to and pushes Git repositories; it is the only door to go-git.
package repo

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// remoteName is what clones call the place they came from.
const remoteName = "origin"

// Remote is a repository somewhere else and the way to reach it.
type Remote struct {
	// URL is http, https or ssh; it never carries a password.
	URL string
	// Auth is empty for anonymous access.
	Auth Auth
	// CA is PEM to trust for https besides the system's and Auth's.
	CA []byte
	// Proxy is empty for none.
	Proxy Proxy
	// AllowPlainHTTP lets credentials go unprotected to hosts outside
	// loopback and private address ranges.
	AllowPlainHTTP bool
}

// Proxy is a proxy's address, http, https or socks5.
type Proxy struct {
	URL, Username, Password string
}

// ProxyFromSecret reads Flux's keys address, username and password.
func ProxyFromSecret(data map[string][]byte) (Proxy, error) {
	p := Proxy{URL: string(data["address"]), Username: string(data["username"]), Password: string(data["password"])}
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.User != nil {
		return Proxy{}, refuse(v1alpha1.ReasonInvalid, "proxy Secret: address is not a URL without credentials")
	}
	return p, nil
}

// check parses the URL and refuses what would leak credentials.
func (r Remote) check() (*url.URL, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" {
		return nil, refuse(v1alpha1.ReasonInvalid, "repository URL cannot be read: want http://, https:// or ssh:// with a host")
	}
	if _, has := u.User.Password(); has || (u.User != nil && u.Scheme != "ssh") {
		return nil, refuse(v1alpha1.ReasonInsecureURL, "repository URL of %s carries credentials: put them into a Secret", u.Host)
	}
	switch u.Scheme {
	case "https", "ssh":
	case "http":
		if r.Auth.hasHTTP() && !r.AllowPlainHTTP && !isPrivate(u.Hostname()) {
			return nil, refuse(v1alpha1.ReasonInsecureURL, "repository %s: credentials would go over plain http to a public host: use https", r.URL)
		}
	default:
		return nil, refuse(v1alpha1.ReasonInvalid, "repository URL scheme %q is not http, https or ssh", u.Scheme)
	}
	return u, nil
}

// isPrivate reports whether the host is an address that does not leave the
// site. Names are not resolved: the answer could change after the check.
func isPrivate(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && (a.IsLoopback() || a.IsPrivate())
}

// link is a checked remote with its credentials made ready.
type link struct {
	remote Remote
	auth   transport.AuthMethod
	ca     []byte
}

func (r Remote) link() (link, error) {
	u, err := r.check()
	if err != nil {
		return link{}, err
	}
	auth, err := r.Auth.method(u)
	if err != nil {
		return link{}, err
	}
	ca := append(append([]byte{}, r.CA...), '\n')
	ca = append(ca, r.Auth.ca...)
	if len(strings.TrimSpace(string(ca))) == 0 || u.Scheme != "https" {
		ca = nil
	}
	return link{remote: r, auth: auth, ca: ca}, nil
}

func (l link) proxy() transport.ProxyOptions {
	return transport.ProxyOptions{URL: l.remote.Proxy.URL, Username: l.remote.Proxy.Username, Password: l.remote.Proxy.Password}
}

func (l link) cert() (cert, key []byte) {
	if l.ca == nil && !strings.HasPrefix(l.remote.URL, "https:") {
		return nil, nil
	}
	return l.remote.Auth.cert, l.remote.Auth.key
}

// git returns go-git's remote, made from our own URL and never from a
// repository's configuration file, which other steps may have written.
func (l link) git(s storage.Storer) *git.Remote {
	return git.NewRemote(s, &config.RemoteConfig{Name: remoteName, URLs: []string{l.remote.URL}})
}

func refuse(reason run.Reason, format string, args ...any) error {
	return run.Refuse(reason, format, args...)
}
