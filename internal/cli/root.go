// Package cli puts the verbs of the command line together.
package cli

import (
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/cli/check"
	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/events"
	"github.com/kubernaut/kubernaut/internal/cli/get"
	"github.com/kubernaut/kubernaut/internal/cli/install"
	"github.com/kubernaut/kubernaut/internal/cli/lint"
	"github.com/kubernaut/kubernaut/internal/cli/logs"
	"github.com/kubernaut/kubernaut/internal/cli/publish"
	"github.com/kubernaut/kubernaut/internal/cli/request"
	"github.com/kubernaut/kubernaut/internal/cli/start"
	"github.com/kubernaut/kubernaut/internal/cli/tree"
)

// Root returns the command that a process started as program runs.
func Root(e *env.Env, program string) *cobra.Command {
	name := filepath.Base(program)
	if plugin, ok := strings.CutPrefix(name, "kubectl-"); ok {
		name = "kubectl " + plugin
	}
	root := &cobra.Command{
		Use: name, Short: "Remediations from a Git catalog, run as signed actions, proposed as pull requests",
		SilenceUsage: true, SilenceErrors: true,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: name},
	}
	root.SetIn(e.In)
	root.SetOut(e.Out)
	root.SetErr(e.Err)
	e.Flags.AddFlags(root.PersistentFlags())
	root.AddCommand(
		publish.Command(e),
		request.Approve(e),
		request.Cancel(e),
		check.Command(e),
		events.Command(e),
		get.Command(e),
		install.Command(e.Config),
		lint.Command(e),
		logs.Command(e),
		request.Reconcile(e),
		request.Resume(e),
		start.Command(e),
		request.Suspend(e),
		tree.Command(e),
		version(),
	)
	return root
}

func version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				text = info.Main.Version + " " + info.GoVersion
			}
			cmd.Println(text)
			return nil
		},
	}
}
