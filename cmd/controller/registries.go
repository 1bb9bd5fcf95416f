package main

import (
	"context"
	"fmt"
	"os"

	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/image/access"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// registries says how registries are reached. What is wrong with a file or a
// list keeps the controller from starting.
func (o options) registries(pullSecrets func(context.Context, verify.Subject) ([][]byte, error)) (image.Options, error) {
	out := image.Options{Credentials: pullSecrets, Timeout: o.registryTimeout}
	var err error
	if out.Insecure, err = access.Hosts(o.insecureRegistries); err != nil {
		return out, fmt.Errorf("read flag --insecure-registries: %w", err)
	}
	if o.registryConfig != "" {
		if out.Config, err = image.ConfigFile(o.registryConfig); err != nil {
			return out, fmt.Errorf("read flag --registry-config: %w", err)
		}
	}
	if o.registryCA != "" {
		data, err := os.ReadFile(o.registryCA)
		if err != nil {
			return out, fmt.Errorf("read flag --registry-ca: %w", err)
		}
		if out.Roots, err = access.Roots(data); err != nil {
			return out, fmt.Errorf("read flag --registry-ca, file %s: %w", o.registryCA, err)
		}
	}
	return out, nil
}
