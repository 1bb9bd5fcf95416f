// Package corpus makes images that are signed rightly, wrongly and not at all,
// and says of each what our verifier and Sigstore's Policy Controller answer.
package corpus

import (
	"context"
	"crypto"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
)

// Case is one image and the policies that name it.
type Case struct {
	// Name reads as what is special about the image or its policy; where the two
	// answers differ it says why.
	Name string
	// Image by digest.
	Image string
	// Policies are ClusterImagePolicy objects.
	Policies []map[string]any
	// Allow is our answer in strict mode; Peer is that of Policy Controller 0.13,
	// and ours in compat mode.
	Allow, Peer bool
}

// Corpus is made for one registry.
type Corpus struct {
	Cases []Case
	// TrustRoot that the keyless policies name.
	TrustRoot map[string]any
	// Secret that a policy takes its key from; it has to be in the namespace of
	// whoever reads the policies.
	Secret map[string][]byte
	// Key is the public key of most policies in PEM form, Material the trust in
	// certificates; for verifiers that take no policies.
	Key      string
	Material root.TrustedMaterial

	maker *maker
}

// Host is the registry's, as image names spell it.
func (c *Corpus) Host() string {
	host, _, _ := strings.Cut(c.maker.prefix, "/")
	return host
}

// SecretName of Corpus.Secret, RootName of Corpus.TrustRoot.
const (
	SecretName = "corpus-key"
	RootName   = "corpus"
)

// maker holds what all cases share.
type maker struct {
	ctx     context.Context
	prefix  string
	options []remote.Option
	ours    *key
	other   *key
	keys    map[string]*key
	virtual *ca.VirtualSigstore
}

// Make pushes all images below prefix, such as "registry.example.com/corpus".
func Make(ctx context.Context, prefix string, options ...remote.Option) (*Corpus, error) {
	c, err := Empty(ctx, prefix, options...)
	if err != nil {
		return nil, err
	}
	for at, r := range recipes() {
		made, err := c.maker.make(at, r)
		if err != nil {
			return nil, fmt.Errorf("make image %q: %w", r.name, err)
		}
		c.Cases = append(c.Cases, made)
	}
	return c, nil
}

// Empty has keys and authorities, and no cases.
func Empty(ctx context.Context, prefix string, options ...remote.Option) (*Corpus, error) {
	m := &maker{ctx: ctx, prefix: prefix, options: append([]remote.Option{remote.WithContext(ctx)}, options...)}
	var err error
	if m.ours, err = newKey(crypto.SHA256); err != nil {
		return nil, err
	}
	if m.other, err = newKey(crypto.SHA256); err != nil {
		return nil, err
	}
	if m.keys, err = newKinds(); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	if m.virtual, err = ca.NewVirtualSigstore(); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return &Corpus{
		TrustRoot: m.trustRoot(), Secret: map[string][]byte{"cosign.pub": []byte(m.ours.pem)},
		Key: m.ours.pem, Material: m.virtual, maker: m,
	}, nil
}

// Kind of signatures that Signed makes.
type Kind struct{ Bundle, Keyless bool }

// Signed pushes another image to a repository below the prefix, signed n times,
// and returns it by digest.
func (c *Corpus) Signed(repository, content string, kind Kind, n int) (string, error) {
	digest, err := c.maker.push(repository, content)
	if err != nil {
		return "", err
	}
	by := legacyBy(ours)
	switch {
	case kind.Keyless:
		by = person(kind.Bundle)
	case kind.Bundle:
		by = bundleBy(ours)
	}
	for range n {
		if _, err := by(c.maker, digest); err != nil {
			return "", fmt.Errorf("sign %s: %w", digest, err)
		}
	}
	return digest.String(), nil
}

// Policy demands a signature of the kind from every image below the prefix.
func (c *Corpus) Policy(kind Kind) map[string]any {
	policies := one(trusts(ours))
	if kind.Keyless {
		policies = one(people(map[string]any{"issuer": issuer, "subject": email}))
	}
	spec := policies(c.maker)[0]
	spec["images"] = []any{map[string]any{"glob": c.maker.prefix + "/**"}}
	return map[string]any{
		"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
		"metadata": map[string]any{"name": "signed"}, "spec": spec,
	}
}

// Signer is who signs where no key does.
func Signer() (subject, by string) { return email, issuer }

// recipe is a case before it is pushed.
type recipe struct {
	name string
	// sign writes what belongs to the image, and returns another image that
	// shall be judged instead, or none.
	sign func(*maker, name.Digest) (*name.Digest, error)
	// policies returns the specs without images; one per policy.
	policies func(*maker) []map[string]any
	// glob of the policies, with %s for the repository; empty means "%s@*".
	glob        string
	allow, peer bool
}

func (m *maker) make(at int, r recipe) (Case, error) {
	c := Case{Name: r.name, Allow: r.allow, Peer: r.peer}
	digest, err := m.push(fmt.Sprintf("case-%02d/image", at+1), r.name)
	if err != nil {
		return c, err
	}
	judged := &digest
	if r.sign != nil {
		instead, err := r.sign(m, digest)
		if err != nil {
			return c, err
		}
		if instead != nil {
			judged = instead
		}
	}
	c.Image = judged.String()
	if r.policies == nil {
		return c, nil
	}
	glob := r.glob
	if glob == "" {
		glob = "%s@*"
	}
	if glob == parent {
		glob = m.prefix + "/*"
	}
	for n, spec := range r.policies(m) {
		spec["images"] = []any{map[string]any{"glob": strings.ReplaceAll(glob, "%s", judged.Repository.Name())}}
		c.Policies = append(c.Policies, map[string]any{
			"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "ClusterImagePolicy",
			"metadata": map[string]any{"name": fmt.Sprintf("corpus-%02d-%d", at+1, n)}, "spec": spec,
		})
	}
	return c, nil
}

// push makes an image whose digest depends on content.
func (m *maker) push(repository, content string) (name.Digest, error) {
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer([]byte(content), types.OCIUncompressedLayer))
	if err != nil {
		return name.Digest{}, fmt.Errorf("build image: %w", err)
	}
	return m.write(repository, img)
}

func (m *maker) write(repository string, img interface {
	remote.Taggable
	Digest() (v1.Hash, error)
}) (name.Digest, error) {
	hash, err := img.Digest()
	if err != nil {
		return name.Digest{}, fmt.Errorf("compute digest: %w", err)
	}
	repo, err := name.NewRepository(m.prefix + "/" + repository)
	if err != nil {
		return name.Digest{}, fmt.Errorf("name repository: %w", err)
	}
	digest := repo.Digest(hash.String())
	if err := remote.Push(digest, img, m.options...); err != nil {
		return name.Digest{}, fmt.Errorf("push image: %w", err)
	}
	return digest, nil
}
