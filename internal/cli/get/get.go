// Package get is the verb that lists objects.
package get

import (
	"context"
	"errors"
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
	wanted, err := choose(args[0])
	if err != nil {
		return err
	}
	if len(args) == 2 && (o.all || args[0] == "all") {
		return errors.New("a name belongs to one kind in one namespace: leave out the name, or all")
	}
	c, ns, err := e.Open()
	if err != nil {
		return err
	}
	if o.all {
		ns = ""
	}
	tables, every, err := gather(ctx, c, wanted, ns, args[1:])
	if err != nil {
		return err
	}
	if len(every) == 0 {
		e.Say("%s", nothing(args[0], ns))
	}
	switch o.output {
	case "json", "yaml", "name":
		return print.Data(e.Out, o.output, every, len(args) == 2)
	}
	return o.show(e, tables, len(wanted) > 1)
}

func choose(word string) ([]kinds.Kind, error) {
	if word == "all" {
		return kinds.All(), nil
	}
	k, err := kinds.Find(word)
	return []kinds.Kind{k}, err
}

func nothing(what, ns string) string {
	if what == "all" {
		what = "objects"
	}
	if ns == "" {
		return "no " + what + " found in any namespace"
	}
	return "no " + what + " found in namespace " + ns
}

// gather reads the objects of the kinds, by kind and all together.
func gather(ctx context.Context, c client.Client, wanted []kinds.Kind, ns string, names []string) ([]table, []client.Object, error) {
	var tables []table
	every := []client.Object{} // an empty list is [] in JSON
	for _, k := range wanted {
		objects, err := list(ctx, c, k, ns, names)
		if err != nil {
			return nil, nil, err
		}
		every = append(every, objects...)
		if len(objects) > 0 {
			tables = append(tables, table{k, objects})
		}
	}
	return tables, every, nil
}

// table is what is shown of one kind.
type table struct {
	kind    kinds.Kind
	objects []client.Object
}

func list(ctx context.Context, c client.Client, k kinds.Kind, ns string, names []string) ([]client.Object, error) {
	if len(names) == 1 {
		o := k.Object()
		if err := kinds.Get(ctx, c, k.Words[0], client.ObjectKey{Namespace: ns, Name: names[0]}, o); err != nil {
			return nil, err
		}
		return []client.Object{o}, named(c, []client.Object{o})
	}
	l := k.List()
	if err := c.List(ctx, l, client.InNamespace(ns)); err != nil {
		return nil, kinds.Explain(err, k.Words[0], ns, "")
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

// show writes the tables, with the kind before each name when there are several kinds.
func (o *options) show(e *env.Env, tables []table, several bool) error {
	for i, t := range tables {
		prefix := ""
		if several {
			prefix = t.kind.Words[1] + "/"
		}
		if i > 0 {
			fmt.Fprintln(e.Out)
		}
		if err := print.Table(e.Out, o.rows(t, prefix)); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) rows(t table, prefix string) [][]string {
	head := []string{"NAME", "READY", "STATUS", t.kind.Column, "AGE"}
	if o.all {
		head = append([]string{"NAMESPACE"}, head...)
	}
	width := statusWidth
	if o.output == "wide" {
		width = 0
	}
	rows := [][]string{head}
	for _, x := range t.objects {
		ready, message := kinds.Ready(x)
		row := []string{prefix + x.GetName(), ready, print.Line(message, width), t.kind.Cell(x), print.Age(x.GetCreationTimestamp(), time.Now())}
		if o.all {
			row = append([]string{x.GetNamespace()}, row...)
		}
		rows = append(rows, row)
	}
	return rows
}
