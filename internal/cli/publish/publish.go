// Package publish holds the verbs that build, push and sign action images.
package publish

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/image/origin"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Command is the verb "actions" with its own verbs.
func Command(e *env.Env) *cobra.Command {
	c := &cobra.Command{
		Use: "actions", Short: "Build, push and sign the images of the built-in actions",
		Long: "The images are built in Go, without Docker: the same sources give the same digests. Sign after pushing, by the\n" +
			"digests that push prints.",
		Example: "  kubernaut actions build\n" +
			"  kubernaut actions push --registry registry.example.com/kubernaut --catalog my-catalog/actions > digests\n" +
			"  kubernaut actions keys --output kubernaut\n" +
			"  kubernaut actions sign --key kubernaut.key $(cat digests)\n" +
			"  kubernaut actions attest --key kubernaut.key $(cat digests)",
	}
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("there is no verb %q: want build, push, sign, attest or keys", args[0])
		}
		return nil
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	c.AddCommand(build(e), push(e), signing(e), attest(e), keys(e))
	return c
}

// source says where to build from.
type source struct {
	dir        string
	controller bool
}

func (s *source) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.dir, "source", ".", "Kubernaut's source tree")
	c.Flags().BoolVar(&s.controller, "with-controller", false, "the controller's image too")
}

// named is an image and the last part of its name.
type named struct {
	name     string
	digest   string
	push     func(ctx context.Context, to *image.Registry, ref string) (verify.Image, error)
	contract string
	kind     string
	version  string
	programs []origin.Program
}

func build(e *env.Env) *cobra.Command {
	s := &source{}
	c := &cobra.Command{
		Use: "build", Short: "Build the images and print their digests", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			images, err := s.images(cmd.Context(), e)
			if err != nil {
				return err
			}
			for _, i := range images {
				fmt.Fprintf(e.Out, "%s@%s\n", i.name, i.digest)
			}
			return nil
		},
	}
	s.flags(c)
	return c
}

// images compiles the programs and wraps them into one image per action.
func (s *source) images(ctx context.Context, e *env.Env) ([]named, error) {
	if _, err := os.Stat(filepath.Join(s.dir, "cmd", "action")); err != nil {
		return nil, fmt.Errorf("%s is not Kubernaut's source tree: name it with --source", s.dir)
	}
	dir, err := os.MkdirTemp("", "kubernaut-actions-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder that stays harms nobody
	e.Say("► compiling the actions")
	for _, program := range []string{"action", "launch"} {
		if err := s.compile(ctx, e, dir, program); err != nil {
			return nil, err
		}
	}
	programs, err := read(dir, map[string]string{"action": v1alpha1.ActionEntrypoint, "launch": "/kubernaut/launch"})
	if err != nil {
		return nil, err
	}
	var out []named
	for _, built := range actions.All(nil) {
		contract := built.Action.Contract()
		img, err := wrap("actions/"+contract.Metadata.Name, image.Spec{
			Files: []image.File{
				{Path: v1alpha1.ActionEntrypoint, Mode: 0o555, FromDisk: filepath.Join(dir, "action")},
				{Path: "/kubernaut/launch", Mode: 0o555, FromDisk: filepath.Join(dir, "launch")},
			},
			Contract: []byte(built.Document), Entrypoint: []string{v1alpha1.ActionEntrypoint},
		})
		if err != nil {
			return nil, err
		}
		img.contract, img.kind, img.version = contract.Metadata.Name, contract.Spec.ActionType, contract.Metadata.Version
		img.programs = programs
		out = append(out, img)
	}
	if !s.controller {
		return out, nil
	}
	e.Say("► compiling the controller")
	return s.withController(ctx, e, dir, out)
}

func (s *source) withController(ctx context.Context, e *env.Env, dir string, out []named) ([]named, error) {
	if err := s.compile(ctx, e, dir, "controller"); err != nil {
		return nil, err
	}
	img, err := wrap("controller", image.Spec{
		Files:      []image.File{{Path: "/controller", Mode: 0o555, FromDisk: filepath.Join(dir, "controller")}},
		Entrypoint: []string{"/controller"},
	})
	if err != nil {
		return nil, err
	}
	if img.programs, err = read(dir, map[string]string{"controller": "/controller"}); err != nil {
		return nil, err
	}
	return append(out, img), nil
}

// read tells of compiled programs, by name, and where in an image they will be.
func read(dir string, at map[string]string) ([]origin.Program, error) {
	var out []origin.Program
	for _, name := range slices.Sorted(maps.Keys(at)) {
		p, err := origin.Read(filepath.Join(dir, name), at[name])
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// wrap builds an image and keeps what can be done with it.
func wrap(name string, spec image.Spec) (named, error) {
	img, err := image.Build(spec)
	if err != nil {
		return named{}, fmt.Errorf("build image %s: %w", name, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return named{}, fmt.Errorf("compute digest of %s: %w", name, err)
	}
	return named{name: name, digest: digest.String(), push: func(ctx context.Context, to *image.Registry, ref string) (verify.Image, error) {
		return to.Push(ctx, ref, img)
	}}, nil
}

func (s *source) compile(ctx context.Context, e *env.Env, dir, program string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(dir, program), "./cmd/"+program)
	cmd.Dir, cmd.Env = s.dir, append(e.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile %s: %w: %s", program, err, strings.TrimSpace(string(text)))
	}
	return nil
}
