package publish

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/reach"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

func signing(e *env.Env) *cobra.Command {
	var format string
	var recursive bool
	by, door := &signer{}, &reach.Flags{}
	c := &cobra.Command{
		Use: "sign IMAGE@DIGEST…", Short: "Sign pushed images by their digests",
		Long: "Sign stores a signature beside each image, as cosign does. A key's passphrase is read from " + passwordVariable + "; a plain key\n" +
			"needs none. By identity, each call makes a new key and asks Fulcio to certify it, and a log or a timestamp authority\n" +
			"to say when. The legacy format has no place for entries of Rekor 2: write bundles there.",
		Example: "  kubernaut actions sign --key kubernaut.key registry.example.com/kubernaut/actions/git-clone@sha256:…\n" +
			"  kubernaut actions sign --identity-token token --fulcio https://fulcio.example.com --timestamp-authority https://tsa.example.com/api/v1/timestamp $(cat digests)",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			formats, err := formatsOf(format)
			if err != nil {
				return err
			}
			work, err := prepare(e, door, by, args)
			if err != nil {
				return err
			}
			for _, f := range formats {
				if err := work.by.Can(f); err != nil {
					return err
				}
			}
			return work.sign(cmd.Context(), formats, recursive)
		},
	}
	door.Add(c)
	by.flags(c)
	c.Flags().StringVar(&format, "format", string(policy.Bundle), "bundle (cosign 3), legacy (cosign 2) or both")
	c.Flags().BoolVar(&recursive, "recursive", false, "of an index, sign each platform's image too")
	return c
}

func formatsOf(text string) ([]policy.Format, error) {
	switch f := policy.Format(text); f {
	case policy.Bundle, policy.Legacy:
		return []policy.Format{f}, nil
	case "both":
		return []policy.Format{policy.Legacy, policy.Bundle}, nil
	}
	return nil, fmt.Errorf("format %q is not known: want bundle, legacy or both", text)
}

// task is images and who signs them.
type task struct {
	env  *env.Env
	door *image.Registry
	by   *sign.Signer
	refs []string
}

// prepare checks all that can be checked before anything is sent.
func prepare(e *env.Env, reached *reach.Flags, by *signer, refs []string) (*task, error) {
	for _, ref := range refs {
		if !strings.Contains(ref, "@sha256:") {
			return nil, fmt.Errorf("%s is no digest: a tag can move, so sign what 'actions push' printed", ref)
		}
	}
	loaded, err := by.load(e)
	if err != nil {
		return nil, err
	}
	if err := loaded.Can(policy.Bundle); err != nil {
		return nil, err
	}
	door, err := reached.Registry()
	if err != nil {
		return nil, err
	}
	return &task{env: e, door: door, by: loaded, refs: refs}, nil
}

func (t *task) sign(ctx context.Context, formats []policy.Format, recursive bool) error {
	for _, ref := range t.refs {
		img, err := t.door.Resolve(ctx, ref, verify.Subject{})
		if err != nil {
			return err
		}
		children, err := sign.Children(ctx, t.door, img)
		if err != nil {
			return err
		}
		if len(children) > 0 && !recursive {
			t.env.Say("! %s is an index of %d images: it is signed and they are not, which --recursive would do", img, len(children))
			children = nil
		}
		// The index comes last: who finds it signed finds all signed.
		for _, one := range append(children, img) {
			if err := t.one(ctx, one, formats); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *task) one(ctx context.Context, img verify.Image, formats []policy.Format) error {
	for _, f := range formats {
		if err := sign.Sign(ctx, t.door, img, t.by, f); err != nil {
			return err
		}
	}
	t.env.Say("✔ signed %s by %s", img, t.by)
	return nil
}
