package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/reach"
	"github.com/kubernaut/kubernaut/internal/image"
)

func push(e *env.Env) *cobra.Command {
	s, door := &source{}, &reach.Flags{}
	var registry, catalog, tag string
	c := &cobra.Command{
		Use: "push", Short: "Build the images, push them and print name@digest of each", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if registry == "" {
				return errors.New("say where to: --registry registry.example.com/kubernaut")
			}
			to, err := door.Registry()
			if err != nil {
				return err
			}
			return pushAll(cmd.Context(), e, s, place{to, strings.TrimSuffix(registry, "/"), catalog, tag})
		},
	}
	s.flags(c)
	door.Add(c)
	c.Flags().StringVar(&registry, "registry", "", "registry and prefix of the images' names")
	c.Flags().StringVar(&catalog, "catalog", "", "folder to write an Action manifest for each image into")
	c.Flags().StringVar(&tag, "tag", "latest", "tag of the images; a run uses digests")
	return c
}

// place is where images and manifests go.
type place struct {
	door                   *image.Registry
	registry, catalog, tag string
}

func pushAll(ctx context.Context, e *env.Env, s *source, to place) error {
	images, err := s.images(ctx, e)
	if err != nil {
		return err
	}
	var files []string
	for _, i := range images {
		pushed, err := i.push(ctx, to.door, to.registry+"/"+i.name+":"+to.tag)
		if err != nil {
			return err
		}
		e.Say("✔ pushed %s", i.name)
		fmt.Fprintln(e.Out, pushed)
		if to.catalog == "" || i.kind == "" {
			continue
		}
		files = append(files, i.contract+".yaml")
		text := fmt.Sprintf("apiVersion: kubernaut.ai/v1alpha1\nkind: Action\nmetadata:\n  name: %s\nspec:\n  type: %s\n  version: %s\n  image: %s\n", i.contract, i.kind, i.version, pushed)
		if err := write(to.catalog, i.contract+".yaml", text); err != nil {
			return err
		}
	}
	if to.catalog == "" {
		return nil
	}
	return write(to.catalog, "kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - "+strings.Join(files, "\n  - ")+"\n")
}

func write(dir, name, text string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
}
