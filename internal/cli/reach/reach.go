// Package reach holds the flags that say how registries are reached.
package reach

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/image/access"
)

// Flags are shared by all verbs that reach a registry.
type Flags struct{ insecure, ca string }

// Add registers the flags with a verb.
func (f *Flags) Add(c *cobra.Command) {
	c.Flags().StringVar(&f.insecure, "insecure-registries", "", "registries that are reached over plain HTTP: host or host:port, with commas between")
	c.Flags().StringVar(&f.ca, "registry-ca", "", "file with certificates, as PEM, that vouch for registries beside the system's")
}

// Registry returns the way to registries, with the logins that docker or podman
// keep for the user.
func (f *Flags) Registry() (*image.Registry, error) {
	o, err := f.Options()
	if err != nil {
		return nil, err
	}
	return image.New(o), nil
}

// Options are those of Registry, for verbs that have more to say.
func (f *Flags) Options() (image.Options, error) {
	hosts, err := access.Hosts(f.insecure)
	if err != nil {
		return image.Options{}, fmt.Errorf("read --insecure-registries: %w", err)
	}
	out := image.Options{Keychain: image.DockerConfig(), Insecure: hosts}
	if f.ca != "" {
		data, err := os.ReadFile(f.ca)
		if err != nil {
			return out, fmt.Errorf("read --registry-ca: %w", err)
		}
		if out.Roots, err = access.Roots(data); err != nil {
			return out, fmt.Errorf("read --registry-ca, file %s: %w", f.ca, err)
		}
	}
	return out, nil
}
