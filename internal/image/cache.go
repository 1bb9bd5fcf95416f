package image

import (
	"bytes"
	"context"
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

// Cached remembers up to entries files, 512 if zero. Pull rights are part of
// the key: what one namespace may read is no answer for another.
func Cached(f Files, entries int) Files {
	if entries <= 0 {
		entries = defaultEntries
	}
	return &cached{next: f, files: cache.NewLRUExpireCache(entries)}
}

type cached struct {
	next  Files
	files *cache.LRUExpireCache
}

type fileKey struct {
	image                           verify.Image
	path, namespace, serviceAccount string
}

// ReadFile answers from memory if it can; errors are not remembered.
func (c *cached) ReadFile(ctx context.Context, img verify.Image, path string, who verify.Subject) ([]byte, error) {
	key := fileKey{image: img, path: path, namespace: who.Namespace, serviceAccount: who.ServiceAccount}
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
