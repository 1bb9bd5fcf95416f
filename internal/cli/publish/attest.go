package publish

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/reach"
	"github.com/kubernaut/kubernaut/internal/image/origin"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
)

// epochVariable is the one that reproducible builds agreed on.
const epochVariable = "SOURCE_DATE_EPOCH"

// ownBuilder names this program where nobody says who runs it.
const ownBuilder = "https://kubernaut.ai/builder/cli/v1"

func attest(e *env.Env) *cobra.Command {
	s, by, door := &source{}, &signer{}, &reach.Flags{}
	var builder, uri string
	c := &cobra.Command{
		Use: "attest IMAGE@DIGEST…", Short: "Attach what is in pushed images, and where it came from, signed",
		Long: "Attest builds the images again and refuses those whose digest the sources do not give. To each of the others it\n" +
			"attaches two signed statements: a bill of materials (SPDX 2.3) and its provenance (SLSA 1), with the commit of the\n" +
			"sources if nothing in them was changed. " + epochVariable + " is the time of the bill; without, it is 1970.",
		Example: "  kubernaut actions attest --key kubernaut.key $(cat digests)",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			work, err := prepare(e, door, by, args)
			if err != nil {
				return err
			}
			about, err := s.about(cmd.Context(), e, builder, uri)
			if err != nil {
				return err
			}
			built, err := s.images(cmd.Context(), e)
			if err != nil {
				return err
			}
			return work.attest(cmd.Context(), built, about)
		},
	}
	s.flags(c)
	door.Add(c)
	by.flags(c)
	c.Flags().StringVar(&builder, "builder-id", ownBuilder, "address that names who builds, which a policy can ask for")
	c.Flags().StringVar(&uri, "source-uri", "", "address of the sources; git+https:// and the name of their module if empty")
	return c
}

// about is what all images of the sources have in common.
func (s *source) about(ctx context.Context, e *env.Env, builder, uri string) (origin.Image, error) {
	seconds, err := strconv.ParseInt(cmp.Or(e.Getenv(epochVariable), "0"), 10, 64)
	if err != nil || seconds < 0 {
		return origin.Image{}, fmt.Errorf("%s is %q: want seconds since 1970", epochVariable, e.Getenv(epochVariable))
	}
	about := origin.Image{Builder: builder, Source: uri, Created: time.Unix(seconds, 0)}
	revision, err := s.git(ctx, e, "rev-parse", "HEAD")
	if err != nil {
		e.Say("! the statements name no revision: %v", err)
		return about, nil
	}
	if inner, err := s.git(ctx, e, "rev-parse", "--show-prefix"); err != nil || inner != "" {
		e.Say("! the statements name no revision: %s is no repository of its own", s.dir)
		return about, nil
	}
	changed, err := s.git(ctx, e, "status", "--porcelain")
	if err != nil || changed != "" {
		e.Say("! the statements name no revision: the sources differ from commit %s", revision)
		return about, nil
	}
	about.Revision = revision
	return about, nil
}

func (s *source) git(ctx context.Context, e *env.Env, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = s.dir, e.Environ()
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s in %s: %w", args[0], s.dir, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// attest looks first whether all images are from these sources.
func (t *task) attest(ctx context.Context, built []named, about origin.Image) error {
	from := map[string]named{}
	for _, b := range built {
		from[b.digest] = b
	}
	var images []verify.Image
	for _, ref := range t.refs {
		img, err := t.door.Resolve(ctx, ref, verify.Subject{})
		if err != nil {
			return err
		}
		if _, ok := from[img.Digest]; !ok {
			return fmt.Errorf("image %s is none that these sources give: check out the revision that it was built from", img)
		}
		images = append(images, img)
	}
	for _, img := range images {
		one := about
		one.Name, one.Digest, one.Programs = from[img.Digest].name, img.Digest, from[img.Digest].programs
		if one.Source == "" && len(one.Programs) > 0 {
			one.Source = "git+https://" + one.Programs[0].Main.Path
		}
		for _, claim := range []sign.Claim{{Type: origin.SPDX, Predicate: one.Bill()}, {Type: origin.SLSA, Predicate: one.Provenance()}} {
			if err := sign.Attest(ctx, t.door, img, t.by, claim); err != nil {
				return err
			}
		}
		t.env.Say("✔ attached bill of materials and provenance to %s by %s", img, t.by)
	}
	return nil
}
