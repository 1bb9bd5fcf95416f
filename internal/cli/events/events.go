// Package events is the verb that lists what was told about an object.
package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
	"github.com/kubernaut/kubernaut/internal/cli/print"
)

// Command is the verb.
func Command(e *env.Env) *cobra.Command {
	return &cobra.Command{
		Use: "events KIND/NAME", Short: "List the events of an object, the oldest first; a bare name is an execution",
		Example: "  kubernaut events catalog/shop",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), e, args[0]) },
	}
}

func run(ctx context.Context, e *env.Env, what string) error {
	word, name, ok := strings.Cut(what, "/")
	if !ok {
		word, name = "execution", what
	}
	k, err := kinds.Find(word)
	if err != nil {
		return err
	}
	c, ns, err := e.Open()
	if err != nil {
		return err
	}
	var list eventsv1.EventList
	if err := c.List(ctx, &list, client.InNamespace(ns)); err != nil {
		return fmt.Errorf("list events: %w", err)
	}
	of := list.Items[:0]
	for _, x := range list.Items {
		if x.Regarding.Kind == k.Name && x.Regarding.Name == name {
			of = append(of, x)
		}
	}
	if len(of) == 0 {
		e.Say("no events of %s %s in namespace %s; the API server forgets them after an hour", k.Name, name, ns)
		return nil
	}
	slices.SortStableFunc(of, func(a, b eventsv1.Event) int { return at(a).Compare(at(b).Time) })
	rows := [][]string{{"AGE", "TYPE", "REASON", "MESSAGE"}}
	for _, x := range of {
		rows = append(rows, []string{print.Age(at(x), time.Now()), x.Type, x.Reason, print.Line(x.Note, 0)})
	}
	return print.Table(e.Out, rows)
}

func at(x eventsv1.Event) metav1.Time {
	if !x.EventTime.IsZero() {
		return metav1.NewTime(x.EventTime.Time)
	}
	return x.CreationTimestamp
}
