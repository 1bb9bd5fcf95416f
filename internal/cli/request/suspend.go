package request

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
)

// Suspend is the verb that stops new work on an object.
func Suspend(e *env.Env) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "suspend KIND NAME", Short: "Stop new work on a catalog, execution or pull request", Args: cobra.ExactArgs(2),
		Long:    "Suspend stops new work on an object. An execution says by whom it was suspended, and why.",
		Example: "  kubernaut suspend catalog shop\n  kubernaut suspend execution raise-memory-x7k2p --reason 'waits for the database team'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return turn(cmd.Context(), e, args, "suspended", func(ctx context.Context, k kinds.Kind, c client.Client) (map[string]any, error) {
				return suspension(ctx, k, c, reason)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why an execution is suspended, for whoever waits")
	return c
}

// suspension is what is set to suspend an object.
func suspension(ctx context.Context, k kinds.Kind, c client.Client, reason string) (map[string]any, error) {
	if k.Name != "WorkflowExecution" {
		if reason != "" {
			return nil, fmt.Errorf("a %s keeps no reason: leave out --reason", k.Name)
		}
		return map[string]any{"suspend": true}, nil
	}
	me, err := whoami(ctx, c)
	if err != nil {
		return nil, err
	}
	spec := map[string]any{"suspend": true, "suspendedBy": me, "suspendReason": nil}
	if reason != "" {
		spec["suspendReason"] = reason
	}
	return spec, nil
}

// Resume is the verb that takes work up again.
func Resume(e *env.Env) *cobra.Command {
	return &cobra.Command{
		Use: "resume KIND NAME", Short: "Take up work on a suspended object again", Args: cobra.ExactArgs(2),
		Example: "  kubernaut resume catalog shop",
		RunE: func(cmd *cobra.Command, args []string) error {
			return turn(cmd.Context(), e, args, "resumed", func(_ context.Context, k kinds.Kind, _ client.Client) (map[string]any, error) {
				spec := map[string]any{"suspend": false}
				if k.Name == "WorkflowExecution" {
					spec["suspendedBy"], spec["suspendReason"] = nil, nil
				}
				return spec, nil
			})
		},
	}
}

// turn changes the spec of an object that can be suspended.
func turn(ctx context.Context, e *env.Env, args []string, done string, spec func(context.Context, kinds.Kind, client.Client) (map[string]any, error)) error {
	k, c, ns, err := find(e, args[0])
	if err != nil {
		return err
	}
	if k.Name != "Catalog" && k.Name != "WorkflowExecution" && k.Name != "PullRequest" {
		return fmt.Errorf("a %s cannot be %s: catalogs, executions and pull requests can", k.Name, done)
	}
	change, err := spec(ctx, k, c)
	if err != nil {
		return err
	}
	if err := patch(ctx, c, k, client.ObjectKey{Namespace: ns, Name: args[1]}, map[string]any{"spec": change}); err != nil {
		return err
	}
	e.Say("✔ %s %s %s", k.Name, args[1], done)
	return nil
}
