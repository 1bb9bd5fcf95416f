package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	// dialTimeout and handshakeTimeout leave room for two lost packets; a whole
	// call has the deadline of its context.
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	// maxHeader bounds the headers of an answer. Redirects to object stores carry
	// signed addresses of a few KiB.
	maxHeader = 256 << 10
	// idleConns are kept for each registry: runs verify their images in parallel.
	idleConns = 16
	// maxHops bounds redirects. Registries send a reader to their store at once or
	// over one more address.
	maxHops = 5
)

// Options of a Network; the zero value reaches registries over HTTPS under the
// system's certificates.
type Options struct {
	// Roots are the authorities that vouch for registries; nil means the system's.
	Roots *x509.CertPool
	// Insecure are the hosts, as Hosts reads them, that are asked over plain HTTP.
	// No other host ever is, whatever its address.
	Insecure []string
	// Transport replaces the network; nil means a real one. Addresses that only
	// a name server knows are not checked then.
	Transport http.RoundTripper
	// Tell is told of each request what it is for: ping, token, manifest, blob,
	// referrers or other. Nil means nobody is.
	Tell func(kind string)
}

// rank says how far inside an address lies. Who is at one rank may send us to
// the same rank and to lower ones.
type rank int

const (
	public rank = iota
	private
	loopback
	// forbidden are addresses that no registry has: link-local ones, where clouds
	// keep credentials of machines, and those that mean no single host.
	forbidden
	ranks
)

// Network is the way to all registries. It is safe for concurrent use.
type Network struct {
	insecure map[string]bool
	// up are the transports that connect to addresses of a rank and below.
	up      [ranks]http.RoundTripper
	proxied func(*url.URL) bool
	rank    func(netip.Addr) rank
}

// NewNetwork returns a Network.
func NewNetwork(o Options) *Network {
	n := &Network{insecure: map[string]bool{}, rank: rankOf, proxied: byProxy}
	for _, host := range o.Insecure {
		n.insecure[host] = true
	}
	for r := range n.up {
		if n.up[r] = o.Transport; o.Transport == nil {
			n.up[r] = n.transport(rank(r), o.Roots)
		}
		if o.Tell != nil {
			n.up[r] = &telling{n.up[r], o.Tell}
		}
	}
	return n
}

func byProxy(u *url.URL) bool {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return err == nil && proxy != nil
}

// transport connects to addresses up to a rank. What counts is the address that
// is dialled: a name could mean another one a moment later.
func (n *Network) transport(most rank, roots *x509.CertPool) http.RoundTripper {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("check address %s: %w", address, err)
		}
		if r := n.rank(at.Addr()); r > most {
			return &astray{fmt.Sprintf("its address %s is %s", at.Addr(), r)}
		}
		return nil
	}}
	free := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if through, _ := ctx.Value(proxyKey{}).(bool); through {
				return free.DialContext(ctx, network, address) // the proxy's own address, which the operator chose
			}
			return dialer.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: handshakeTimeout, MaxResponseHeaderBytes: maxHeader,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
}

// proxyKey marks requests that a proxy carries: it looks the name up, not we.
type proxyKey struct{}

// astray says that a registry sent us where it may not.
type astray struct{ why string }

func (a *astray) Error() string { return a.why }

// String names the kind of address.
func (r rank) String() string {
	return [...]string{"public", "private", "loopback", "link-local or of no single host"}[r]
}

// rankOf knows no interface and no routes: what is private is so by its number.
func rankOf(a netip.Addr) rank {
	a = a.Unmap()
	if netip.MustParsePrefix("64:ff9b::/96").Contains(a) { // an IPv4 address that a gateway translates
		raw := a.As16()
		a = netip.AddrFrom4([4]byte(raw[12:]))
	}
	switch {
	case a.IsLoopback():
		return loopback
	case !a.IsValid() || !a.IsGlobalUnicast() || metadata(a):
		return forbidden
	case a.IsPrivate() || netip.MustParsePrefix("100.64.0.0/10").Contains(a):
		return private
	default:
		return public
	}
}

// metadata are services that clouds put at addresses of other kinds.
func metadata(a netip.Addr) bool {
	return a == netip.MustParseAddr("fd00:ec2::254") || a == netip.MustParseAddr("100.100.100.200") || a == netip.MustParseAddr("192.0.0.192") ||
		a == netip.MustParseAddr("168.63.129.16")
}

// scheme is how a host that a person named is asked.
func (n *Network) scheme(host string) string {
	if n.insecure[host] {
		return "http"
	}
	return "https"
}

// visit sends a request to a host that a person named, and says at which rank
// the answer came from.
func (n *Network) visit(req *http.Request) (*http.Response, rank, error) {
	most := loopback
	if n.insecure[req.URL.Host] {
		most = forbidden
	}
	from := public
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { from = n.remote(info.Conn) }}
	through := n.proxied(req.URL)
	if through {
		trace = &httptrace.ClientTrace{}
	}
	ctx := context.WithValue(httptrace.WithClientTrace(req.Context(), trace), proxyKey{}, through)
	resp, err := n.up[most].RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, from, n.explain(req, err)
	}
	resp.Request = req
	return resp, from, nil
}

// remote is where a connection ends; what is not known is taken for public,
// which may send us to the fewest places.
func (n *Network) remote(conn net.Conn) rank {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return public
	}
	return n.rank(at.Addr())
}

// detour sends a request to where a registry at a rank sends us: a token server
// or a store. A host on plain HTTP must be listed, and one that is not listed
// must not lie further inside than the registry itself.
func (n *Network) detour(req *http.Request, from rank) (*http.Response, error) {
	host, most := req.URL.Host, min(from, loopback)
	listed := n.insecure[host]
	if req.URL.Scheme != "https" && !(req.URL.Scheme == "http" && listed) {
		return nil, fmt.Errorf("go where the registry sends us: %s://%s is not HTTPS; if it is right, list %s among the insecure registries", req.URL.Scheme, host, host)
	}
	if listed {
		most = forbidden
	}
	through := n.proxied(req.URL)
	if at, err := netip.ParseAddr(req.URL.Hostname()); err == nil && n.rank(at) > most {
		return nil, fmt.Errorf("go where the registry sends us: host %s is %s and the registry is not", host, n.rank(at))
	}
	resp, err := n.up[most].RoundTrip(req.WithContext(context.WithValue(req.Context(), proxyKey{}, through)))
	var lost *astray
	if errors.As(err, &lost) {
		return nil, fmt.Errorf("go where the registry sends us, to host %s: %w, and the registry is not", host, err)
	}
	if err != nil {
		return nil, n.explain(req, err)
	}
	resp.Request = req
	return resp, nil
}

func (n *Network) explain(req *http.Request, err error) error {
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/":
		return fmt.Errorf("registry %s speaks plain HTTP, which is only read from registries that are listed as insecure: %w", req.URL.Host, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("registry %s has a certificate of an unknown authority; name a file with the authority's certificate: %w", req.URL.Host, err)
	default:
		return err
	}
}

// Hosts reads a list of hosts, "name" or "name:port" with commas between, as
// image names spell them.
func Hosts(list string) ([]string, error) {
	var hosts []string
	for _, host := range strings.Split(list, ",") {
		if host = strings.TrimSpace(host); host == "" {
			continue
		}
		u, err := url.Parse("//" + host)
		switch {
		case err != nil || u.Host != host || u.User != nil || u.Hostname() == "" || strings.Contains(host, "*"):
			return nil, fmt.Errorf("%q is no host: write name or name:port, without http://, path or *", host)
		case host != strings.ToLower(host):
			return nil, fmt.Errorf("host %q: write it in lower case, as image names do", host)
		case u.Port() == "80":
			return nil, fmt.Errorf("host %q: leave out the default port, as image names do", host)
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// Roots returns the system's authorities and those in data, one or more
// certificates as PEM.
func Roots(data []byte) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if !roots.AppendCertsFromPEM(data) {
		return nil, errors.New("there is no certificate in it: write one or more as PEM, between BEGIN CERTIFICATE and END CERTIFICATE")
	}
	return roots, nil
}
