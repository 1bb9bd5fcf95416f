package image

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/kubernaut/kubernaut/internal/verify"
)

const (
	defaultEntries = 512
	// fileLife only makes room for images that are no longer used: what a digest
	// names never changes.
	fileLife = 24 * time.Hour
)

// Scoped are Files that can say with which credentials they are read.
type Scoped interface {
	Files
	// Scope tells sets of credentials apart; see Registry.Scope.
	Scope(ctx context.Context, who verify.Subject) (string, error)
}

// Cached remembers up to entries files, 512 if zero. The credentials are part of
// the key: what one may read with them is no answer for who has others.
func Cached(f Scoped, entries int) Files {
	if entries <= 0 {
		entries = defaultEntries
	}
	return &cached{next: f, files: cache.NewLRUExpireCache(entries)}
}

type cached struct {
	next  Scoped
	files *cache.LRUExpireCache
}

type fileKey struct {
	image       verify.Image
	path, scope string
}

// ReadFile answers from memory if it can; errors are not remembered.
func (c *cached) ReadFile(ctx context.Context, img verify.Image, path string, who verify.Subject) ([]byte, error) {
	scope, err := c.next.Scope(ctx, who)
	if err != nil {
		return nil, fmt.Errorf("read %s of image %s: %w", path, img, err)
	}
	key := fileKey{image: img, path: path, scope: scope}
	if data, ok := c.files.Get(key); ok {
		return bytes.Clone(data.([]byte)), nil
	}
	data, err := c.next.ReadFile(ctx, img, path, who)
	if err != nil {
		return nil, err
	}
	c.files.Add(key, bytes.Clone(data), fileLife)
	return data, nil
}
