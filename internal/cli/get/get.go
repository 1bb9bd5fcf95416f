// Package get is the verb that lists objects.
package get

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
	"github.com/kubernaut/kubernaut/internal/cli/print"
)

type options struct {
	all    bool
	output string
}

// statusWidth is what fits a terminal beside the other columns; wide shows all.
const statusWidth = 80

// Command is the verb.
func Command(e *env.Env) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "get KIND [NAME]", Short: "List objects, or show one",
		Long:      "Get lists objects of a kind, or of every kind with \"all\".\nKinds: " + strings.Join(kinds.Words(), ", ") + ".",
		Example:   "  kubernaut get executions\n  kubernaut get workflows -A -o name",
		Args:      cobra.RangeArgs(1, 2),
		ValidArgs: append(kinds.Words(), "all"),
		RunE:      func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), e, args) },
	}
	c.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "look in every namespace")
	c.Flags().StringVarP(&o.output, "output", "o", "", "json, yaml, name or wide")
	return c
}

func (o *options) run(ctx context.Context, e *env.Env, args []string) error {
	if err := print.Known(o.output); err != nil {
		return err
	}
	wanted := kinds.All()
	if args[0] != "all" {
		k, err := kinds.Find(args[0])
		if err != nil {
			return err
		}
		wanted = []kinds.Kind{k}
	}
	c, err := e.Cluster()
	if err != nil {
		return err
	}
	ns, err := e.Namespace()
	if err != nil {
		return err
	}
	if o.all {
		ns = ""
	}
	found := 0
	for _, k := range wanted {
		objects, err := list(ctx, c, k, ns, args[1:])
		if err != nil {
			return err
		}
		found += len(objects)
		if len(objects) == 0 && o.output != "json" && o.output != "yaml" {
			continue
		}
		if err := o.show(e, k, objects, len(args) == 2); err != nil {
			return err
		}
	}
	if found == 0 {
		where := "namespace " + ns
		if ns == "" {
			where = "any namespace"
		}
		e.Say("no %s found in %s", args[0], where)
	}
	return nil
}

func list(ctx context.Context, c client.Client, k kinds.Kind, ns string, names []string) ([]client.Object, error) {
	if len(names) == 1 {
		o := k.Object()
		if err := c.Get(ctx, client.ObjectKey{Namespace: ns, Name: names[0]}, o); err != nil {
			return nil, fmt.Errorf("get %s: %w", k.Words[1], err)
		}
		return []client.Object{o}, named(c, []client.Object{o})
	}
	l := k.List()
	if err := c.List(ctx, l, client.InNamespace(ns)); err != nil {
		return nil, fmt.Errorf("list %s: %w", k.Words[0], err)
	}
	items, err := meta.ExtractList(l)
	if err != nil {
		return nil, err
	}
	out := make([]client.Object, 0, len(items))
	for _, i := range items {
		out = append(out, i.(client.Object))
	}
	return out, named(c, out)
}

// named fills in apiVersion and kind, which typed lists lack.
func named(c client.Client, objects []client.Object) error {
	for _, o := range objects {
		gvk, err := apiutil.GVKForObject(o, c.Scheme())
		if err != nil {
			return err
		}
		o.GetObjectKind().SetGroupVersionKind(gvk)
	}
	return nil
}

func (o *options) show(e *env.Env, k kinds.Kind, objects []client.Object, alone bool) error {
	if o.output == "json" || o.output == "yaml" || o.output == "name" {
		return print.Data(e.Out, o.output, objects, alone)
	}
	head := []string{"NAME", "READY", "STATUS", k.Column, "AGE"}
	if o.all {
		head = append([]string{"NAMESPACE"}, head...)
	}
	width := statusWidth
	if o.output == "wide" {
		width = 0
	}
	rows := [][]string{head}
	for _, x := range objects {
		ready, message := kinds.Ready(x)
		row := []string{x.GetName(), ready, print.Line(message, width), k.Cell(x), print.Age(x.GetCreationTimestamp(), time.Now())}
		if o.all {
			row = append([]string{x.GetNamespace()}, row...)
		}
		rows = append(rows, row)
	}
	return print.Table(e.Out, rows)
}
