// Package image reads and writes container images: digests, the contract file
// inside an image, and reproducible builds.
package image

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/apimachinery/pkg/util/cache"

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

// Options of a Registry; the zero value reads public images.
type Options struct {
	// Credentials returns the dockerconfigjson documents that may be used for
	// who. Nil means that Keychain is used for everybody.
	Credentials func(ctx context.Context, who verify.Subject) ([][]byte, error)
	// Keychain is used when Credentials is nil; nil means anonymous.
	Keychain authn.Keychain
	// Transport below authentication; nil means remote.DefaultTransport.
	Transport http.RoundTripper
	// Timeout of one call; zero means 30 seconds.
	Timeout time.Duration
}

// Registry talks to any number of registries. It is safe for concurrent use
// and worth sharing: it keeps connections, pings and tokens.
type Registry struct {
	options  Options
	sessions *cache.LRUExpireCache
}

// session is what belongs to one set of credentials: sharing it between two
// sets would lend one tenant's rights to another.
type session struct {
	options []remote.Option
	puller  *remote.Puller
}

// New returns a Registry.
func New(o Options) *Registry {
	if o.Keychain == nil {
		o.Keychain = authn.NewMultiKeychain()
	}
	if o.Transport == nil {
		o.Transport = remote.DefaultTransport
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	o.Transport = &bounded{next: o.Transport}
	return &Registry{options: o, sessions: cache.NewLRUExpireCache(maxSessions)}
}

func (r *Registry) session(ctx context.Context, who verify.Subject) (*session, error) {
	keychain, key, err := r.keychain(ctx, who)
	if err != nil {
		return nil, err
	}
	if s, ok := r.sessions.Get(key); ok {
		return s.(*session), nil
	}
	options := []remote.Option{
		remote.WithAuthFromKeychain(keychain),
		remote.WithTransport(r.options.Transport),
		// The caller's queue repeats with back-off; repeating here as well would
		// sleep in its worker and hit a sick registry three times as hard.
		remote.WithRetryPredicate(func(error) bool { return false }),
	}
	puller, err := remote.NewPuller(options...)
	if err != nil {
		return nil, fmt.Errorf("open registry session: %w", err)
	}
	s := &session{options: options, puller: puller}
	r.sessions.Add(key, s, sessionLife)
	return s, nil
}

func (r *Registry) keychain(ctx context.Context, who verify.Subject) (authn.Keychain, [sha256.Size]byte, error) {
	if r.options.Credentials == nil {
		return r.options.Keychain, [sha256.Size]byte{}, nil
	}
	documents, err := r.options.Credentials(ctx, who)
	if err != nil {
		return nil, [sha256.Size]byte{}, fmt.Errorf("read pull secrets of namespace %q: %w", who.Namespace, err)
	}
	keychain, err := pullSecrets(ctx, documents)
	if err != nil {
		return nil, [sha256.Size]byte{}, fmt.Errorf("parse pull secrets of namespace %q: %w", who.Namespace, err)
	}
	return keychain, hashAll(documents), nil
}

// hashAll hashes the documents with their lengths, so that moving bytes from
// one to the next changes the hash.
func hashAll(documents [][]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, d := range documents {
		fmt.Fprintf(h, "%d:", len(d))
		h.Write(d)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Repository is one repository of a registry, opened with the rights of one
// subject. Its methods read; all may be repeated.
type Repository struct {
	name    name.Repository
	session *session
}

// Open prepares to read the repository with the pull rights of who. It sends
// no request to the registry.
func (r *Registry) Open(ctx context.Context, repository string, who verify.Subject) (*Repository, error) {
	repo, err := parseRepository(repository)
	if err != nil {
		return nil, err
	}
	s, err := r.session(ctx, who)
	if err != nil {
		return nil, err
	}
	return &Repository{name: repo, session: s}, nil
}

// Name returns the canonical name, such as "registry.example.com/actions/git-clone".
func (r *Repository) Name() string { return r.name.Name() }

// WriteOptions returns what sigstore's writers need to reach the repository.
func (r *Repository) WriteOptions(ctx context.Context) []remote.Option {
	return append([]remote.Option{remote.WithContext(ctx)}, r.session.options...)
}

// Bound returns ctx with the deadline of one call.
func (r *Registry) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.options.Timeout)
}
