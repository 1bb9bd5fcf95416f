// Package access decides how a registry is reached: over which scheme, under
// whose credentials and tokens, and where it may send us from there.
//
// The rules, each with a test:
//
//   - Plain HTTP is spoken with hosts that are listed, and never tried elsewhere.
//   - Credentials go to the registry that they are for, and to the token server
//     that it names. Neither they nor tokens follow a redirect to another host.
//   - A token server, and the store that a registry redirects to, must be on
//     HTTPS or a listed host; for a registry on HTTPS the token server must be on
//     HTTPS, too. Its address must not lie further inside than the registry's own:
//     a public registry may not send us to a private address, a private one not to
//     ours, and none to link-local addresses. Only a listed host is exempt.
//   - Kinship of names counts for nothing: a host under the same domain can belong
//     to somebody else, and the big registries have their token servers elsewhere.
//   - Behind a proxy it is the proxy that looks names up; then only addresses that
//     are written out are judged.
package access

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// maxLogins and maxRepositories bound what is remembered; beyond it the oldest
	// has to log in again.
	maxLogins       = 128
	maxRepositories = 4096
	// loginLife is how long an answer to "how do I log in" is believed.
	loginLife = time.Hour
)

// Client sends requests with one set of credentials. It is safe for concurrent
// use, and worth sharing among those who have the same credentials: the way to
// log in is asked once for each registry, and a token is asked for many
// repositories at once.
type Client struct {
	network  *Network
	keychain authn.Keychain
	// logins by registry and credentials, and the same by repository: keychains
	// may read files or start programs.
	logins, known *cache.LRUExpireCache
	mu            sync.Mutex
}

var _ http.RoundTripper = (*Client)(nil)

// Client returns a client with these credentials.
func (n *Network) Client(keychain authn.Keychain) *Client {
	return &Client{network: n, keychain: keychain, logins: cache.NewLRUExpireCache(maxLogins), known: cache.NewLRUExpireCache(maxRepositories)}
}

// Wrap returns a transport in the form to which the registry library leaves
// everything: logging in, the scheme, and trying again.
func Wrap(t http.RoundTripper) (http.RoundTripper, error) {
	wrapped, err := transport.FromToken(name.Registry{}, authn.Anonymous, t, &transport.Challenge{}, nil)
	if err != nil {
		return nil, fmt.Errorf("wrap registry client: %w", err)
	}
	return wrapped, nil
}

// Expect announces that these repositories will be read. It sends nothing; the
// next token is asked for all of them at once.
func (c *Client) Expect(ctx context.Context, repositories ...name.Repository) error {
	for _, r := range repositories {
		l, err := c.login(ctx, r)
		if err != nil {
			return err
		}
		l.expect(scope(r.RepositoryStr(), http.MethodGet))
	}
	return nil
}

// RoundTrip sends a request to a registry, and follows the library where the
// registry redirects it.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	first, hops := origin(req)
	if hops > maxHops {
		return nil, fmt.Errorf("registry %s redirects more than %d times", first.URL.Host, maxHops)
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", agent)
	req.Header.Del("Authorization")
	repository, err := repositoryOf(first)
	if err != nil {
		return nil, err
	}
	l, err := c.login(req.Context(), repository)
	if err != nil {
		return nil, err
	}
	if req.URL.Host != l.host {
		return c.away(req, l.from())
	}
	req.URL.Scheme = c.network.scheme(req.URL.Host)
	return l.send(req, scope(repository.RepositoryStr(), first.Method))
}

// away follows a registry to another host, as nobody: the host may want a token
// that it gives to everybody, and is shown no other.
func (c *Client) away(req *http.Request, from rank) (*http.Response, error) {
	repository, err := repositoryIn(req.URL)
	if err != nil {
		return c.network.detour(req, from) // a store, and no registry
	}
	c.mu.Lock()
	key := fmt.Sprintf("%s from %d", req.URL.Host, from)
	l, ok := c.logins.Get(key)
	if !ok {
		stranger := newLogin(c.network, req.URL.Host, authn.AuthConfig{})
		stranger.away, stranger.rank = true, from
		c.logins.Add(key, stranger, loginLife)
		l = stranger
	}
	c.mu.Unlock()
	return l.(*login).send(req, scope(repository.RepositoryStr(), req.Method))
}

// origin goes back over redirects to the request that began.
func origin(req *http.Request) (first *http.Request, hops int) {
	for first = req; first.Response != nil && first.Response.Request != nil && hops <= maxHops; hops++ {
		first = first.Response.Request
	}
	return first, hops
}

// scope is a right at a repository, as token servers write it.
func scope(repository, method string) string {
	if method == http.MethodGet || method == http.MethodHead {
		return "repository:" + repository + ":pull"
	}
	return "repository:" + repository + ":pull,push"
}

// repositoryKey is under which Writing keeps the repository.
type repositoryKey struct{}

// Writing returns a context for writing to a repository: registries take parts
// of images at addresses of their own making, which name no repository.
func Writing(ctx context.Context, repository name.Repository) context.Context {
	return context.WithValue(ctx, repositoryKey{}, repository)
}

// repositoryOf takes the repository that is written to, or reads it from the path
// of a request, which is /v2/<repository>/<kind>/<reference>.
func repositoryOf(req *http.Request) (name.Repository, error) {
	if repository, ok := req.Context().Value(repositoryKey{}).(name.Repository); ok {
		return repository, nil
	}
	return repositoryIn(req.URL)
}

func repositoryIn(u *url.URL) (name.Repository, error) {
	path, ok := strings.CutPrefix(u.Path, "/v2/")
	path, _, _ = cutLast(path, "/")
	path, kind, found := cutLast(path, "/")
	switch kind {
	case "manifests", "blobs", "referrers", "tags":
	default:
		found = false
	}
	if !ok || !found {
		return name.Repository{}, fmt.Errorf("request to registry %s names no repository: %s", u.Host, u.Path)
	}
	repository, err := name.NewRepository(u.Host+"/"+path, name.StrictValidation)
	if err != nil {
		return name.Repository{}, fmt.Errorf("request to registry %s: %w", u.Host, err)
	}
	return repository, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// login finds the credentials for a repository. Two repositories of a registry
// may have different ones, and then share nothing.
func (c *Client) login(ctx context.Context, repository name.Repository) (*login, error) {
	if l, ok := c.known.Get(repository.Name()); ok {
		return l.(*login), nil
	}
	authenticator, err := authn.Resolve(ctx, c.keychain, repository)
	if err != nil {
		return nil, fmt.Errorf("find credentials for %s: %w", repository, err)
	}
	auth, err := authn.Authorization(ctx, authenticator)
	if err != nil {
		return nil, fmt.Errorf("find credentials for %s: %w", repository, err)
	}
	text, err := json.Marshal(auth)
	if err != nil {
		return nil, errors.New("encode credentials") // the cause might tell them
	}
	host := repository.RegistryStr()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := sha256.Sum256(append([]byte(host+"\n"), text...))
	l, ok := c.logins.Get(key)
	if !ok {
		l = newLogin(c.network, host, *auth)
		c.logins.Add(key, l, loginLife)
	}
	c.known.Add(repository.Name(), l, loginLife)
	return l.(*login), nil
}
