package harness

import (
	"context"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// Repository names an image in the lab's registry.
func (l *Lab) Repository(name string) string { return l.Registry + "/e2e/actions/" + name }

// Actions builds, pushes and signs every built-in action, half of them in each
// of cosign's formats, and returns the images by name.
func (l *Lab) Actions(ctx context.Context, dir string) (map[string]verify.Image, error) {
	action, err := l.Build(ctx, dir, "./cmd/action")
	if err != nil {
		return nil, err
	}
	launch, err := l.Build(ctx, dir, "./cmd/launch")
	if err != nil {
		return nil, err
	}
	out := map[string]verify.Image{}
	for i, built := range actions.All(nil) {
		name := built.Action.Contract().Metadata.Name
		img, err := image.Build(image.Spec{
			Files:    []image.File{{Path: v1alpha1.ActionEntrypoint, Mode: 0o555, FromDisk: action}, {Path: "/kubernaut/launch", Mode: 0o555, FromDisk: launch}},
			Contract: []byte(built.Document), Entrypoint: []string{v1alpha1.ActionEntrypoint},
		})
		if err != nil {
			return nil, fmt.Errorf("build image %s: %w", name, err)
		}
		format := policy.Legacy
		if i%2 == 1 {
			format = policy.Bundle
		}
		if out[name], err = l.Publish(ctx, name, img, l.Signer, format); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Publish pushes an image and signs it by its digest; without a key it stays
// unsigned.
func (l *Lab) Publish(ctx context.Context, name string, img v1.Image, key *sign.Signer, format policy.Format) (verify.Image, error) {
	pushed, err := l.Images.Push(ctx, l.Repository(name)+":latest", img)
	if err != nil {
		return pushed, fmt.Errorf("push %s: %w", name, err)
	}
	if key == nil {
		return pushed, nil
	}
	if err := sign.Sign(ctx, l.Images, pushed, key, format); err != nil {
		return pushed, fmt.Errorf("sign %s: %w", name, err)
	}
	return pushed, nil
}

// Probe builds the image of the probe action with a contract of the given
// name; its content differs with the name.
func (l *Lab) Probe(ctx context.Context, dir, name string, extra string) (v1.Image, error) {
	probe, err := l.Build(ctx, dir, "./test/e2e/probe")
	if err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(probe)
	if err != nil {
		return nil, err
	}
	return image.Build(image.Spec{
		Files:    []image.File{{Path: v1alpha1.ActionEntrypoint, Mode: 0o555, Content: binary}},
		Contract: []byte(probeContract(name, extra)), Entrypoint: []string{v1alpha1.ActionEntrypoint},
	})
}

func probeContract(name, extra string) string {
	return `apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: ` + name + `, version: v1.0.0}
spec:
  description: Behaves as it is told.
  actionType: test/` + name + `
  inputs:
    - {name: mode, type: string, default: well, description: How to behave.}
  outputs:
    - {name: said, type: string, description: The mode.}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {cpu: 200m, memory: 64Mi}
` + extra
}
