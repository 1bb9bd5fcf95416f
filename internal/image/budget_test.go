package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/registry"
)

const bundleKind = "application/vnd.dev.sigstore.bundle.v0.3+json"

// attach stores content as a referrer of an image.
func attach(t testing.TB, r *Registry, img verify.Image, kind, content string) {
	t.Helper()
	repo, err := r.Open(t.Context(), img.Repository, nobody())
	if err != nil {
		t.Fatal(err)
	}
	subject, err := repo.session.puller.Get(t.Context(), repo.name.Digest(img.Digest))
	if err != nil {
		t.Fatal(err)
	}
	artifact, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer([]byte(content), types.MediaType(kind)))
	if err != nil {
		t.Fatal(err)
	}
	artifact = mutate.Subject(mutate.ConfigMediaType(artifact, types.MediaType(kind)), subject.Descriptor).(v1.Image)
	digest, err := artifact.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repo.name.Digest(digest.String()), artifact, repo.WriteOptions(t.Context())...); err != nil {
		t.Fatal(err)
	}
}

// bundles reads all referrers of a kind as a verifier does.
func bundles(ctx context.Context, r *Registry, img verify.Image, kinds ...string) ([]string, error) {
	repo, err := r.Open(ctx, img.Repository, nobody())
	if err != nil {
		return nil, err
	}
	list, err := repo.Referrers(ctx, img.Digest, kinds...)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, d := range list {
		manifest, err := repo.ManifestAt(ctx, d.Digest.String())
		if err != nil {
			return nil, err
		}
		data, err := repo.Content(ctx, manifest.Layers[0], 1<<20)
		if err != nil {
			return nil, err
		}
		all = append(all, string(data))
	}
	slices.Sort(all)
	return all, nil
}

func wantBundles(t testing.TB, r *Registry, img verify.Image, want ...string) {
	t.Helper()
	if got, err := bundles(t.Context(), r, img); err != nil || !slices.Equal(got, want) {
		t.Errorf("bundles %q, error %v; want %q", got, err, want)
	}
}

// inMemory is a network of one host; with it time stands still but for delays
// that the test makes, so what is measured is the longest chain of requests.
type inMemory struct {
	conns chan net.Conn
	ended chan struct{}
}

func (m *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.ended:
		return nil, net.ErrClosed
	}
}

func (m *inMemory) Close() error {
	select {
	case <-m.ended:
	default:
		close(m.ended)
	}
	return nil
}

func (m *inMemory) Addr() net.Addr { return address("registry.test:5000") }

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

func (m *inMemory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// virtual starts a registry and a client that live in virtual time. Each call
// of client is a process that knows nothing yet.
func virtual(t *testing.T, o registry.Options) (*registry.Registry, func() *Registry) {
	network := &inMemory{conns: make(chan net.Conn), ended: make(chan struct{})}
	o.Listener = network
	served := registry.New(t, o)
	return served, func() *Registry {
		transport := &http.Transport{DialContext: network.dial, MaxIdleConnsPerHost: 32}
		t.Cleanup(transport.CloseIdleConnections)
		return New(Options{Insecure: []string{served.Host()}, Transport: transport, Credentials: func(context.Context, verify.Subject) ([][]byte, error) {
			return [][]byte{dockerConfig(served.Host(), "puller", "secret")}, nil
		}})
	}
}

// The budget at 20 ms to the registry, with tokens.
func TestBudget(t *testing.T) {
	const delay, actions = 20 * time.Millisecond, 29
	type cost struct {
		requests int
		took     time.Duration
	}
	for title, c := range map[string]struct {
		options           registry.Options
		first, next, many cost
	}{
		"list of referrers": {registry.Options{}, cost{5, 110 * time.Millisecond}, cost{3, 65 * time.Millisecond}, cost{95, 2 * time.Second}},
		"fallback tag":      {registry.Options{NoReferrers: true}, cost{6, 130 * time.Millisecond}, cost{3, 65 * time.Millisecond}, cost{95, 2 * time.Second}},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.options.Tokens = &registry.Tokens{Users: map[string]string{"puller": "secret"}}
				served, client := virtual(t, c.options)
				writer := client()
				one, two := pushedBy(t, writer, served, "actions/one", "1"), pushedBy(t, writer, served, "actions/one", "2")
				images := []verify.Image{}
				for i := range actions {
					images = append(images, pushedBy(t, writer, served, fmt.Sprintf("actions/many-%d", i), "1"))
				}
				for _, img := range append([]verify.Image{one, two}, images...) {
					attach(t, writer, img, bundleKind, "signed")
				}
				served.Hurry(delay)
				measure := func(what string, limit cost, r *Registry, images ...verify.Image) {
					served.Reset()
					start := time.Now()
					for _, img := range images {
						if _, err := r.Resolve(t.Context(), img.String(), nobody()); err != nil {
							t.Fatal(err)
						}
					}
					for _, img := range images {
						wantBundles(t, r, img, "signed")
					}
					got := cost{served.Requests(), time.Since(start)}
					t.Logf("%s: %d requests, %s", what, got.requests, got.took)
					if got.requests > limit.requests || got.took > limit.took {
						t.Errorf("%s: %d requests in %s, at most %d in %s: %v", what, got.requests, got.took, limit.requests, limit.took, served.Log())
					}
				}
				r := client()
				measure("first image of a repository", c.first, r, one)
				measure("next image", c.next, r, two)
				measure("29 images of 29 repositories, cold", c.many, client(), images...)
			})
		})
	}
}

func pushedBy(t testing.TB, r *Registry, served *registry.Registry, repository, content string) verify.Image {
	t.Helper()
	img, err := Build(Spec{Files: []File{{Path: "/action", Content: []byte(content)}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Push(t.Context(), served.Image(repository)+":v1", img)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestContentInTheDescriptor(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", "a")
	r := New(plain(served))
	attach(t, r, img, bundleKind, "stored")
	repo, err := r.Open(t.Context(), img.Repository, nobody())
	if err != nil {
		t.Fatal(err)
	}
	list, err := repo.Referrers(t.Context(), img.Digest)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	manifest, err := repo.ManifestAt(t.Context(), list[0].Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]int{"": 1, "stored": 0, "a lie": 1} {
		layer := manifest.Layers[0]
		if data != "" {
			layer.Data = []byte(data)
		}
		served.Reset()
		if got, err := repo.Content(t.Context(), layer, 100); err != nil || string(got) != "stored" || served.Requests() != want {
			t.Errorf("data %q: read %q, error %v, %d requests, want %d", data, got, err, served.Requests(), want)
		}
		if _, err := repo.Content(t.Context(), layer, 3); !errors.Is(err, ErrTooLarge) {
			t.Errorf("data %q: error %v beyond the limit", data, err)
		}
	}
}

// A registry that gets a list of referrers is asked for it again after a while,
// and one that has none is not asked each time.
func TestListlessRegistryIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served, client := virtual(t, registry.Options{NoReferrers: true})
		r := client()
		img := pushedBy(t, r, served, "actions/a", "a")
		attach(t, r, img, bundleKind, "signed")
		lists := func() (n int) {
			served.Reset()
			wantBundles(t, r, img, "signed")
			for _, line := range served.Log() {
				if strings.Contains(line, "/referrers/") {
					n++
				}
			}
			return n
		}
		got := []int{lists(), lists()}
		<-time.After(lackingLife + time.Second)
		if got = append(got, lists(), lists()); !slices.Equal(got, []int{1, 0, 1, 0}) {
			t.Errorf("asked for the list %v times", got)
		}
	})
}
