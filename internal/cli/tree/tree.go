// Package tree is the verb that shows a run as a tree.
package tree

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
	"github.com/kubernaut/kubernaut/internal/cli/print"
	"github.com/kubernaut/kubernaut/internal/names"
)

// Command is the verb.
func Command(e *env.Env) *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use: "tree EXECUTION", Short: "Show a run with its steps, Jobs, pods and pull request",
		Example: "  kubernaut tree raise-memory-x7k2p --watch",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, ns, err := e.Open()
			if err != nil {
				return err
			}
			key := client.ObjectKey{Namespace: ns, Name: args[0]}
			if watch {
				return Follow(cmd.Context(), e, c, key)
			}
			we := &v1alpha1.WorkflowExecution{}
			if err := kinds.Get(cmd.Context(), c, "execution", key, we); err != nil {
				return err
			}
			return Write(cmd.Context(), e.Out, c, we)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow the run until it has ended; fails when the run does")
	return c
}

// Outcome is nil for a run that reached its goal.
func Outcome(we *v1alpha1.WorkflowExecution) error {
	if we.Status.Phase == v1alpha1.ExecutionCompleted {
		return nil
	}
	_, message := kinds.Ready(we)
	return fmt.Errorf("execution %s: %s: %s", we.Name, we.Status.Phase, print.Line(message, 0))
}

// Write writes the tree of a run once.
func Write(ctx context.Context, w io.Writer, c client.Reader, we *v1alpha1.WorkflowExecution) error {
	ready, message := kinds.Ready(we)
	fmt.Fprintf(w, "%s WorkflowExecution/%s  %s  %s\n", sign(string(we.Status.Phase)), we.Name, or(string(we.Status.Phase), "ready="+ready), print.Line(message, 120))
	var list v1alpha1.ActionExecutionList
	if err := c.List(ctx, &list, client.InNamespace(we.Namespace), client.MatchingLabels{v1alpha1.LabelExecution: names.Label(we.Name)}); err != nil {
		return fmt.Errorf("list steps: %w", err)
	}
	children := map[string]v1alpha1.ActionExecution{}
	for _, ae := range list.Items { // the newest attempt of each
		if last, ok := children[ae.Spec.Step]; !ok || last.Spec.Attempt < ae.Spec.Attempt {
			children[ae.Spec.Step] = ae
		}
	}
	for i, s := range we.Status.Steps {
		branch, stem := "├─", "│ "
		if i == len(we.Status.Steps)-1 && we.Status.PullRequest == nil {
			branch, stem = "└─", "  "
		}
		fmt.Fprintf(w, "%s %s %s  %s%s%s%s\n", branch, sign(string(s.Phase)), s.Name, s.Phase, took(s), tries(s)+items(s), why(s))
		if ae, ok := children[s.Name]; ok && ae.Status.JobName != "" {
			fmt.Fprintf(w, "%s    ActionExecution/%s → Job/%s → Pod/%s\n", stem, ae.Name, ae.Status.JobName, or(ae.Status.PodName, "…"))
		}
	}
	if pr := we.Status.PullRequest; pr != nil {
		fmt.Fprintf(w, "└─ %s PullRequest/%s  %s\n", "➜", pr.Name, pr.URL)
	}
	return nil
}

func took(s v1alpha1.StepStatus) string {
	if s.StartedAt == nil || s.CompletedAt == nil {
		return ""
	}
	return fmt.Sprintf(" (%s)", s.CompletedAt.Sub(s.StartedAt.Time).Round(time.Second))
}

// tries is the number of attempts, if one was not enough.
func tries(s v1alpha1.StepStatus) string {
	if s.Attempts < 2 {
		return ""
	}
	return fmt.Sprintf(" after %d attempts", s.Attempts)
}

// why is the reason of a step that does not simply go well.
func why(s v1alpha1.StepStatus) string {
	if s.Message == "" || s.Phase == v1alpha1.StepSucceeded {
		return ""
	}
	return "  " + print.Line(s.Reason+": "+s.Message, 120)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// sign is a phase in one character.
func sign(phase string) string {
	switch phase {
	case "Succeeded", "Completed":
		return "✔"
	case "Failed", "Cancelled":
		return "✗"
	case "Skipped":
		return "∅"
	case "Running", "Executing":
		return "►"
	}
	return "◦"
}

// items says how many of the items of a step are done.
func items(s v1alpha1.StepStatus) string {
	if len(s.Items) == 0 {
		return ""
	}
	done := 0
	for _, item := range s.Items {
		if item.Phase == v1alpha1.StepSucceeded {
			done++
		}
	}
	return fmt.Sprintf("  %d/%d items", done, len(s.Items))
}
