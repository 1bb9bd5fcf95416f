// Package request holds the verbs that ask a controller for something by
// changing an object: reconcile, suspend, resume, cancel, approve.
package request

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
	"github.com/kubernaut/kubernaut/internal/cli/print"
)

// Reconcile is the verb that has an object looked at now.
func Reconcile(e *env.Env) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use: "reconcile KIND NAME", Short: "Have an object looked at now, and wait until it was",
		Example: "  kubernaut reconcile catalog shop",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return reconcile(ctx, e, args[0], args[1])
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "give up after this long")
	return c
}

func reconcile(ctx context.Context, e *env.Env, word, name string) error {
	k, c, ns, err := find(e, word)
	if err != nil {
		return err
	}
	if k.Name == "ExecutionPolicy" || k.Name == "Approval" {
		return fmt.Errorf("a %s is read when it is needed: there is nothing to reconcile", k.Name)
	}
	o := k.Object()
	if err := kinds.Get(ctx, c, word, client.ObjectKey{Namespace: ns, Name: name}, o); err != nil {
		return err
	}
	if suspended(o) {
		return fmt.Errorf("%s %s is suspended: 'resume %s %s' takes up work again", k.Name, name, k.Words[1], name)
	}
	w, err := c.Watch(ctx, k.List(), client.InNamespace(ns), client.MatchingFields{"metadata.name": name})
	if err != nil {
		return fmt.Errorf("watch %s %s: %w", word, name, err)
	}
	defer w.Stop()
	token := time.Now().Format(time.RFC3339Nano)
	if err := patch(ctx, c, k, client.ObjectKey{Namespace: ns, Name: name}, map[string]any{"metadata": map[string]any{"annotations": map[string]any{meta.ReconcileRequestAnnotation: token}}}); err != nil {
		return err
	}
	e.Say("► asked to reconcile %s %s", k.Name, name)
	return await(e, k, name, token, w)
}

// await waits until the object's controller has seen the request.
func await(e *env.Env, k kinds.Kind, name, token string, w watch.Interface) error {
	for event := range w.ResultChan() {
		o, ok := event.Object.(client.Object)
		if !ok || o.GetName() != name {
			continue
		}
		if event.Type == watch.Deleted {
			return fmt.Errorf("%s %s was deleted", k.Name, name)
		}
		if field(o, "status", "lastHandledReconcileAt") == any(token) {
			return tell(e, k, o)
		}
	}
	return fmt.Errorf("%s %s was not reconciled in time: is the controller running? 'check' tells", k.Name, name)
}

// tell says where a reconciled object stands. Work that goes on, such as a run's,
// is no failure.
func tell(e *env.Env, k kinds.Kind, o client.Object) error {
	status, message := kinds.Ready(o)
	switch status {
	case "True":
		e.Say("✔ %s %s is ready: %s", k.Name, o.GetName(), print.Line(message, 0))
	case "Unknown":
		e.Say("► %s %s was reconciled and goes on: %s", k.Name, o.GetName(), print.Line(message, 0))
	default:
		return fmt.Errorf("%s %s was reconciled and is not ready: %s", k.Name, o.GetName(), print.Line(message, 0))
	}
	return nil
}

func suspended(o client.Object) bool { return field(o, "spec", "suspend") == any(true) }

// field of an object of any kind; nil where it has none.
func field(o client.Object, path ...string) any {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil
	}
	value, _, err := unstructured.NestedFieldNoCopy(fields, path...)
	if err != nil {
		return nil
	}
	return value
}

// Cancel is the verb that ends a run.
func Cancel(e *env.Env) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "cancel EXECUTION", Short: "Stop the running steps of a run and end it; its finally steps still run", Args: cobra.ExactArgs(1),
		Example: "  kubernaut cancel raise-memory-x7k2p",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, c, ns, err := find(e, "execution")
			if err != nil {
				return err
			}
			field := "cancel"
			if all {
				field = "terminate"
			}
			if err := patch(cmd.Context(), c, k, client.ObjectKey{Namespace: ns, Name: args[0]}, map[string]any{"spec": map[string]any{field: true}}); err != nil {
				return err
			}
			e.Say("✔ execution %s is told to end: 'tree %s --watch' shows it", args[0], args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "terminate", false, "stop its finally steps, too")
	return cmd
}

func find(e *env.Env, word string) (kinds.Kind, client.WithWatch, string, error) {
	k, err := kinds.Find(word)
	if err != nil {
		return k, nil, "", err
	}
	c, ns, err := e.Open()
	return k, c, ns, err
}

func patch(ctx context.Context, c client.Client, k kinds.Kind, key client.ObjectKey, change map[string]any) error {
	data, err := json.Marshal(change)
	if err != nil {
		return err
	}
	o := k.Object()
	o.SetNamespace(key.Namespace)
	o.SetName(key.Name)
	if err := c.Patch(ctx, o, client.RawPatch(types.MergePatchType, data)); err != nil {
		return kinds.Explain(err, k.Words[0], key.Namespace, key.Name)
	}
	return nil
}
