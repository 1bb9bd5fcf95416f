// Package lint is the verb that judges a catalog before it is committed.
package lint

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/cli/env"
)

// Command is the verb.
func Command(e *env.Env) *cobra.Command {
	return &cobra.Command{
		Use: "lint DIR", Short: "Judge a catalog as the controller would, without a cluster",
		Long:    "Lint builds the Kustomize tree in DIR and prints a line for each thing that is wrong, with file and line.",
		Example: "  kubernaut lint catalog",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
				return fmt.Errorf("%s is not a folder", args[0])
			}
			set, findings := catalog.Load(os.DirFS(args[0]), ".")
			findings = append(findings, set.Missing(func(string) bool { return false })...)
			for _, f := range findings {
				fmt.Fprintf(e.Out, "%s:%d: %s: %s: %s\n", f.File, f.Line, f.Object, f.Reason, f.Message)
			}
			if len(findings) > 0 {
				return fmt.Errorf("%d findings in %s", len(findings), args[0])
			}
			e.Say("✔ %d actions and %d workflows are sound", set.Count("Action"), set.Count("Workflow"))
			return nil
		},
	}
}
