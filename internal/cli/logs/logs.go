// Package logs is the verb that shows what the steps of a run wrote.
package logs

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
	"github.com/kubernaut/kubernaut/internal/names"
)

// Command is the verb.
func Command(e *env.Env) *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "logs EXECUTION [STEP]", Short: "Show what the steps of a run wrote, each line with its step",
		Example: "  kubernaut logs raise-memory-x7k2p clone --follow",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), e, args, follow)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the pods that exist now have ended")
	return c
}

func run(ctx context.Context, e *env.Env, args []string, follow bool) error {
	c, ns, err := e.Open()
	if err != nil {
		return err
	}
	we := &v1alpha1.WorkflowExecution{}
	if err := kinds.Get(ctx, c, "execution", client.ObjectKey{Namespace: ns, Name: args[0]}, we); err != nil {
		return err
	}
	place, err := steps(we, args[1:])
	if err != nil {
		return err
	}
	labels := client.MatchingLabels{v1alpha1.LabelExecution: names.Label(args[0])}
	if len(args) == 2 {
		labels[v1alpha1.LabelStep] = args[1]
	}
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.InNamespace(ns), labels); err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	if len(pods.Items) == 0 {
		e.Say("no pod of execution %s exists: 'tree %s' tells where it stands", args[0], args[0])
		return nil
	}
	config, err := e.Config()
	if err != nil {
		return err
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	// Creation is told in whole seconds, so steps of one second keep the workflow's order.
	slices.SortStableFunc(pods.Items, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			place[a.Labels[v1alpha1.LabelStep]]-place[b.Labels[v1alpha1.LabelStep]])
	})
	var problems []error // a pod that has not started hides no other's log
	for _, pod := range pods.Items {
		stream, err := set.CoreV1().Pods(ns).GetLogs(pod.Name, &corev1.PodLogOptions{Follow: follow}).Stream(ctx)
		if err == nil {
			err = prefix(e.Out, stream, pod.Labels[v1alpha1.LabelStep])
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("read log of pod %s: %w", pod.Name, err))
		}
	}
	return errors.Join(problems...)
}

// steps tells the place of each step; a wanted one that is none is an error.
func steps(we *v1alpha1.WorkflowExecution, wanted []string) (map[string]int, error) {
	place := map[string]int{}
	for i, s := range we.Status.Steps {
		place[s.Name] = i
	}
	for _, name := range wanted {
		if _, known := place[name]; !known {
			return nil, fmt.Errorf("execution %s has no step %q: 'tree %s' shows them", we.Name, name, we.Name)
		}
	}
	return place, nil
}

// prefix copies lines with the name of their step before them.
func prefix(w io.Writer, stream io.ReadCloser, step string) error {
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintf(w, "%s │ %s\n", step, lines.Text())
	}
	return lines.Err()
}
