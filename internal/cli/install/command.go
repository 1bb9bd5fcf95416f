package install

import (
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
)

// Command is the verb "install". The cluster is looked for when the verb runs.
func Command(cluster func() (*rest.Config, error)) *cobra.Command {
	var image string
	var timeout time.Duration
	var noWait bool
	c := &cobra.Command{
		Use:   "install OVERLAY",
		Short: "Install or update Kubernaut in the cluster",
		Long: "Install builds the Kustomize overlay in the folder OVERLAY, such as kustomize/overlays/default, writes it\n" +
			"with server-side apply, and waits until everything is ready. Installing twice changes nothing.",
		Example: "  kubernaut install kustomize/overlays/default --image registry.example.com/kubernaut/controller@sha256:…",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			objects, err := Build(args[0], image)
			if err != nil {
				return err
			}
			config, err := cluster()
			if err != nil {
				return err
			}
			return Apply(cmd.Context(), config, objects, Options{Timeout: timeout, NoWait: noWait, Log: cmd.ErrOrStderr()})
		},
	}
	c.Flags().StringVar(&image, "image", "", "image of the controller, best by digest; default is the overlay's")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "give up after this long")
	c.Flags().BoolVar(&noWait, "no-wait", false, "return as soon as everything is written")
	return c
}
