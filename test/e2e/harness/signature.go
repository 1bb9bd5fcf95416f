package harness

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// CopySignature stores the signature of one image under the tag where the
// signature of another would be.
func (l *Lab) CopySignature(ctx context.Context, from, to string) error {
	image, err := remote.Image(tagOf(from), remote.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("read signature of %s: %w", from, err)
	}
	return remote.Write(tagOf(to), image, remote.WithContext(ctx))
}

// tagOf names where cosign keeps the signature of an image in its old format.
func tagOf(image string) name.Tag {
	repository, digest, _ := strings.Cut(image, "@")
	tag, err := name.NewTag(repository + ":" + strings.ReplaceAll(digest, ":", "-") + ".sig")
	if err != nil {
		return name.Tag{}
	}
	return tag
}
