// Package lint is the verb that judges a catalog, or image policies, before
// they are committed.
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
		Use: "lint DIR | FILE...", Short: "Judge a catalog or image policies as the controller would, without a cluster",
		Long: "Lint builds the Kustomize tree in DIR and prints a line for each thing that is wrong, with file and line.\n\n" +
			"Of files it reads ClusterImagePolicy and TrustRoot objects, together with the Secrets and ConfigMaps that they name,\n" +
			"and prints why the controller would refuse the images of a policy.",
		Example: "  kubernaut lint catalog\n  kubernaut lint policy.yaml trustroot.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			info, err := os.Stat(args[0])
			if err == nil && info.Mode().IsRegular() {
				return policies(e, args)
			}
			if err != nil || !info.IsDir() || len(args) > 1 {
				return fmt.Errorf("%s is neither one folder nor one of some files", args[0])
			}
			return folder(e, args[0])
		},
	}
}

func folder(e *env.Env, dir string) error {
	set, findings := catalog.Load(os.DirFS(dir), ".")
	findings = append(findings, set.Missing(func(string) bool { return false })...)
	for _, f := range findings {
		fmt.Fprintf(e.Out, "%s:%d: %s: %s: %s\n", f.File, f.Line, f.Object, f.Reason, f.Message)
	}
	if len(findings) > 0 {
		return fmt.Errorf("%d findings in %s", len(findings), dir)
	}
	e.Say("✔ %d actions and %d workflows are sound", set.Count("Action"), set.Count("Workflow"))
	return nil
}
