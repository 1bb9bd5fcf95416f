// Package image reads and writes container images: digests, the contract file
// inside an image, and reproducible builds.
package image

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image/access"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

const (
	// defaultTimeout bounds one call, so that a registry that drips bytes holds
	// nobody up for longer than a person would wait.
	defaultTimeout = 30 * time.Second
	// maxSessions bounds the credentials that are remembered; beyond it the
	// oldest has to say hello to its registries again.
	maxSessions = 64
	// sessionLife ends a session now and then, because a session remembers each
	// repository it has seen.
	sessionLife = time.Hour
)

// Options of a Registry; the zero value reads public images over HTTPS.
type Options struct {
	// Credentials returns the dockerconfigjson documents that may be used for
	// who, the pull secrets. Nil means none.
	Credentials func(ctx context.Context, who verify.Subject) ([][]byte, error)
	// Secret returns the logins that one Secret holds, as a dockerconfigjson
	// document, where a policy says which Secret to read a repository with. A
	// Refusal says that there are none that may be had; other errors are worth a
	// retry. Nil means that no Secret can be read.
	Secret func(ctx context.Context, namespace, name string) ([]byte, error)
	// Config returns a docker config.json that is used for everybody, where the
	// pull secrets name no login for a repository. Nil means none.
	Config func() ([]byte, error)
	// Keychain is used where neither names a login; nil means anonymous.
	Keychain authn.Keychain
	// Insecure are the hosts, "name" or "name:port", that are asked over plain
	// HTTP. No other host is, not even on the same machine.
	Insecure []string
	// Roots are the authorities that vouch for registries; nil means the system's.
	Roots *x509.CertPool
	// Transport below authentication; nil means a real network.
	Transport http.RoundTripper
	// Tell is told of each request what it is for: ping, token, manifest, blob,
	// referrers or other. Nil means nobody is.
	Tell func(kind string)
	// Timeout of one call; zero means 30 seconds.
	Timeout time.Duration
}

// Registry talks to any number of registries. It is safe for concurrent use
// and worth sharing: it keeps connections, logins and tokens.
type Registry struct {
	options  Options
	network  *access.Network
	sessions *cache.LRUExpireCache
	// opening keeps two from opening one session each: what one of them announces
	// would be lost to the other.
	opening sync.Mutex
}

// session is what belongs to one set of credentials: sharing it between two
// sets would lend one tenant's rights to another.
type session struct {
	client  *access.Client
	http    *http.Client
	options []remote.Option
	puller  *remote.Puller
	lists   lists
}

// New returns a Registry.
func New(o Options) *Registry {
	if o.Keychain == nil {
		o.Keychain = authn.NewMultiKeychain()
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	return &Registry{
		options:  o,
		network:  access.NewNetwork(access.Options{Roots: o.Roots, Insecure: o.Insecure, Transport: o.Transport, Tell: o.Tell}),
		sessions: cache.NewLRUExpireCache(maxSessions),
	}
}

// credentials are the documents that may be used for one subject.
type credentials struct {
	who    verify.Subject
	pull   [][]byte
	config []byte
	// named is set if a policy has named the Secrets: then nothing else counts.
	named bool
}

func (r *Registry) credentials(ctx context.Context, who verify.Subject, secrets []string) (c credentials, err error) {
	c.who = who
	if len(secrets) > 0 {
		return r.named(ctx, c, secrets)
	}
	if r.options.Credentials != nil {
		if c.pull, err = r.options.Credentials(ctx, who); err != nil {
			return c, fmt.Errorf("read pull secrets of namespace %q: %w", who.Namespace, err)
		}
	}
	if r.options.Config != nil {
		c.config, err = r.options.Config()
	}
	return c, err
}

func (r *Registry) named(ctx context.Context, c credentials, secrets []string) (credentials, error) {
	c.named = true
	for _, name := range secrets {
		if r.options.Secret == nil {
			return c, run.Refuse(v1alpha1.ReasonPolicyUnusable, "Secret %q of namespace %q: no Secret can be read here", name, c.who.Namespace)
		}
		logins, err := r.options.Secret(ctx, c.who.Namespace, name)
		if err != nil {
			return c, fmt.Errorf("read logins from Secret %q of namespace %q: %w", name, c.who.Namespace, err)
		}
		if len(logins) == 0 {
			return c, run.Refuse(v1alpha1.ReasonPolicyUnusable, "Secret %q of namespace %q holds no login: make one with kubectl create secret docker-registry", name, c.who.Namespace)
		}
		if _, err := pullSecrets([][]byte{logins}); err != nil {
			return c, run.Refuse(v1alpha1.ReasonPolicyUnusable, "Secret %q of namespace %q: %v", name, c.who.Namespace, err)
		}
		c.pull = append(c.pull, logins)
	}
	return c, nil
}

// hash covers the documents with their lengths, so that moving bytes from one
// to the next changes it.
func (c credentials) hash() [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "named %t:", c.named)
	for _, d := range append([][]byte{c.config}, c.pull...) {
		fmt.Fprintf(h, "%d:", len(d))
		h.Write(d)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// keychain asks the pull secrets first: what belongs to a namespace counts more
// than what belongs to everybody.
func (c credentials) keychain(ctx context.Context, last authn.Keychain) (authn.Keychain, error) {
	pull, err := pullSecrets(c.pull)
	if err != nil {
		return nil, fmt.Errorf("parse pull secrets of namespace %q: %w", c.who.Namespace, err)
	}
	if c.named {
		return pull, nil
	}
	config, err := pullSecrets([][]byte{c.config})
	if err != nil {
		return nil, fmt.Errorf("parse the controller's registry logins: %w", err)
	}
	return authn.NewMultiKeychain(pull, config, last), nil
}

// Scope tells sets of credentials apart: with equal scopes two subjects may read
// the same. It is a hash and holds no secret. It reads the pull secrets of who
// and asks no registry.
func (r *Registry) Scope(ctx context.Context, who verify.Subject) (string, error) {
	return r.ScopeOf(ctx, who)
}

// ScopeOf is the scope of what Open reads with: of Secrets of who's namespace,
// where some are named. A Refusal says which of them cannot be used.
func (r *Registry) ScopeOf(ctx context.Context, who verify.Subject, secrets ...string) (string, error) {
	c, err := r.credentials(ctx, who, secrets)
	if err != nil {
		return "", err
	}
	hash := c.hash()
	return hex.EncodeToString(hash[:]), nil
}

func (r *Registry) session(ctx context.Context, who verify.Subject, secrets []string) (*session, error) {
	c, err := r.credentials(ctx, who, secrets)
	if err != nil {
		return nil, err
	}
	key := c.hash()
	if s, ok := r.sessions.Get(key); ok {
		return s.(*session), nil
	}
	keychain, err := c.keychain(ctx, r.options.Keychain)
	if err != nil {
		return nil, err
	}
	r.opening.Lock()
	defer r.opening.Unlock()
	if s, ok := r.sessions.Get(key); ok {
		return s.(*session), nil
	}
	s, err := newSession(r.network.Client(keychain))
	if err != nil {
		return nil, fmt.Errorf("open registry session: %w", err)
	}
	r.sessions.Add(key, s, sessionLife)
	return s, nil
}

func newSession(client *access.Client) (*session, error) {
	wrapped, err := access.Wrap(&bounded{next: client})
	if err != nil {
		return nil, err
	}
	options := []remote.Option{
		remote.WithTransport(wrapped),
		// The caller's queue repeats with back-off; repeating here as well would
		// sleep in its worker and hit a sick registry three times as hard.
		remote.WithRetryPredicate(func(error) bool { return false }),
	}
	puller, err := remote.NewPuller(options...)
	if err != nil {
		return nil, err
	}
	return &session{
		client: client, http: &http.Client{Transport: client}, options: options, puller: puller, lists: newLists(),
	}, nil
}

// Expect announces that who will read these repositories, such as
// "registry.example.com/actions/git-clone". It sends nothing; where a registry
// wants tokens, the next one is asked for all of them at once. Names that cannot
// be read are left out, to be told when they are read.
func (r *Registry) Expect(ctx context.Context, who verify.Subject, repositories ...string) error {
	s, err := r.session(ctx, who, nil)
	if err != nil {
		return err
	}
	var names []name.Repository
	for _, repository := range repositories {
		if n, err := parseRepository(repository); err == nil {
			names = append(names, n)
		}
	}
	return s.client.Expect(ctx, names...)
}

// Repository is one repository of a registry, opened with the rights of one
// subject. Its methods read; all may be repeated.
type Repository struct {
	name    name.Repository
	session *session
}

// Open prepares to read the repository with the pull rights of who. It sends
// no request to the registry. Where Secrets of who's namespace are named, their
// logins are used and no others, and for this repository alone. A Refusal says
// which of them cannot be used.
func (r *Registry) Open(ctx context.Context, repository string, who verify.Subject, secrets ...string) (*Repository, error) {
	repo, err := parseRepository(repository)
	if err != nil {
		return nil, err
	}
	s, err := r.session(ctx, who, secrets)
	if err != nil {
		return nil, err
	}
	return &Repository{name: repo, session: s}, nil
}

// Name returns the canonical name, such as "registry.example.com/actions/git-clone".
func (r *Repository) Name() string { return r.name.Name() }

// WriteOptions returns what sigstore's writers need to reach the repository.
func (r *Repository) WriteOptions(ctx context.Context) []remote.Option {
	return append([]remote.Option{remote.WithContext(access.Writing(ctx, r.name))}, r.session.options...)
}

// Bound returns ctx with the deadline of one call.
func (r *Registry) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.options.Timeout)
}
