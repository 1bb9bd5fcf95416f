// Package cli puts the verbs of the command line together.
package cli

import (
	"fmt"
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
	"github.com/kubernaut/kubernaut/internal/cli/verify"
)

// Root returns the command that a process started as program runs.
func Root(e *env.Env, program string) *cobra.Command {
	name := filepath.Base(program)
	if plugin, ok := strings.CutPrefix(name, "kubectl-"); ok {
		name = "kubectl " + plugin
	}
	root := &cobra.Command{
		Use: name, Short: "Remediations from a Git catalog, run as signed actions, proposed as pull requests",
		SilenceUsage: true, SilenceErrors: true, SuggestionsMinimumDistance: 2,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: name},
		Args:        verbs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
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
		start.Retry(e),
		start.Command(e),
		request.Suspend(e),
		tree.Command(e),
		verify.Command(e),
		version(),
	)
	explain(root)
	return root
}

// explain has every mistake in a call name the help of the verb. Such a call
// ends with 2: a script must not take it for a verb that answered no.
func explain(c *cobra.Command) {
	see := func(cmd *cobra.Command, err error) error {
		return &env.Exit{Code: 2, Err: fmt.Errorf("%w: see '%s --help'", err, cmd.CommandPath())}
	}
	c.SetFlagErrorFunc(see)
	if args := c.Args; args != nil {
		c.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return see(cmd, err)
			}
			return nil
		}
	}
	for _, verb := range c.Commands() {
		explain(verb)
	}
}

// verbs refuses what is none of them, and names those that are spelled much
// like it.
func verbs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	like := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		like = fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q%s", args[0], like)
}

func version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				text = info.Main.Version + " " + info.GoVersion
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
}
