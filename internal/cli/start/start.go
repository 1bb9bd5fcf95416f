// Package start holds the verbs that start a run: run and retry.
package start

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
	"github.com/kubernaut/kubernaut/internal/cli/tree"
)

type options struct {
	params             []string
	file, name, reason string
	target             string
	noWait             bool
}

// Command is the verb.
func Command(e *env.Env) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "run WORKFLOW", Short: "Start a run of a workflow and follow it to its end",
		Long: "Run creates a WorkflowExecution and follows it. Stopping the command with Ctrl-C does not stop the run: cancel does.\n" +
			"It fails when the run does.",
		Example: "  kubernaut run raise-memory-limit -p memory=256Mi -p container=shop --reason 'OOMKilled twice'\n  kubernaut run --file execution.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), e, args) },
	}
	c.Flags().StringArrayVarP(&o.params, "param", "p", nil, "a parameter as name=value; the workflow says its type")
	c.Flags().StringVar(&o.target, "target", "", "the object that the run works on: NAME, or APIVERSION/KIND/NAME where the workflow takes several kinds")
	c.Flags().StringVarP(&o.file, "file", "f", "", "a WorkflowExecution manifest to create instead")
	c.Flags().StringVar(&o.name, "name", "", "name of the run; default is the workflow's with a random end")
	c.Flags().StringVar(&o.reason, "reason", "", "why, for the reviewer of what the run does")
	c.Flags().BoolVar(&o.noWait, "no-wait", false, "return as soon as the run is created")
	return c
}

func (o *options) run(ctx context.Context, e *env.Env, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	c, ns, err := e.Open()
	if err != nil {
		return err
	}
	we, err := o.execution(ctx, c, ns, args)
	if err != nil {
		return err
	}
	if chosen := *e.Flags.Namespace; chosen != "" && we.Namespace != "" && we.Namespace != chosen {
		return fmt.Errorf("%s is for namespace %s, and --namespace is %s", o.file, we.Namespace, chosen)
	}
	if we.Namespace == "" {
		we.Namespace = ns
	}
	return o.create(ctx, e, c, we)
}

// create starts a run and follows it.
func (o *options) create(ctx context.Context, e *env.Env, c client.WithWatch, we *v1alpha1.WorkflowExecution) error {
	if err := c.Create(ctx, we); err != nil {
		return fmt.Errorf("create the run: %w", err)
	}
	e.Say("✔ execution %s created in namespace %s", we.Name, we.Namespace)
	if o.noWait {
		fmt.Fprintln(e.Out, we.Name)
		return nil
	}
	return tree.Follow(ctx, e, c, client.ObjectKeyFromObject(we))
}

// check refuses flags that do not go together.
func (o *options) check(args []string) error {
	if (len(args) == 1) == (o.file != "") {
		return errors.New("name one workflow, or a manifest with --file")
	}
	if o.file != "" && (len(o.params) > 0 || o.target != "" || o.name != "" || o.reason != "") {
		return errors.New("a manifest says its own name, parameters, target and reason: change them there")
	}
	return nil
}

func (o *options) execution(ctx context.Context, c client.Client, ns string, args []string) (*v1alpha1.WorkflowExecution, error) {
	we := &v1alpha1.WorkflowExecution{}
	if o.file != "" {
		data, err := os.ReadFile(o.file)
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		if err := yaml.UnmarshalStrict(data, we); err != nil {
			return nil, fmt.Errorf("read %s: %w", o.file, err)
		}
		if we.Kind != "WorkflowExecution" {
			return nil, fmt.Errorf("%s holds a %q, want a WorkflowExecution", o.file, we.Kind)
		}
		return we, nil
	}
	w := &v1alpha1.Workflow{}
	if err := kinds.Get(ctx, c, "workflow", client.ObjectKey{Namespace: ns, Name: args[0]}, w); err != nil {
		return nil, err
	}
	values, err := parameters(w.Spec.Parameters, o.params)
	if err != nil {
		return nil, err
	}
	target, err := aim(w, o.target)
	if err != nil {
		return nil, err
	}
	we.ObjectMeta = metav1.ObjectMeta{Namespace: ns, Name: o.name}
	if o.name == "" {
		we.GenerateName = w.Name + "-"
	}
	we.Spec = v1alpha1.WorkflowExecutionSpec{WorkflowRef: &v1alpha1.LocalReference{Name: w.Name}, Parameters: values, Target: target, Reason: o.reason}
	return we, nil
}

// aim reads NAME or APIVERSION/KIND/NAME by what the workflow works on.
func aim(w *v1alpha1.Workflow, text string) (*v1alpha1.Target, error) {
	switch {
	case w.Spec.Target == nil && text == "":
		return nil, nil
	case w.Spec.Target == nil:
		return nil, fmt.Errorf("workflow %s works on no target: leave out --target", w.Name)
	case text == "":
		return nil, fmt.Errorf("workflow %s works on a target of %s: name it with --target", w.Name, strings.Join(w.Spec.Target.Kinds, ", "))
	}
	if !strings.Contains(text, "/") {
		if len(w.Spec.Target.Kinds) > 1 {
			return nil, fmt.Errorf("--target %s does not say which kind: want one of %s and /%s", text, strings.Join(w.Spec.Target.Kinds, ", "), text)
		}
		text = w.Spec.Target.Kinds[0] + "/" + text
	}
	words := strings.Split(text, "/")
	n := len(words)
	if n < 3 {
		return nil, fmt.Errorf("--target %s: want NAME or APIVERSION/KIND/NAME, such as apps/v1/Deployment/shop", text)
	}
	return &v1alpha1.Target{APIVersion: strings.Join(words[:n-2], "/"), Kind: words[n-2], Name: words[n-1]}, nil
}

// parameters turns name=value pairs into JSON by the workflow's own types.
func parameters(schema []v1alpha1.Parameter, pairs []string) (*apiextensionsv1.JSON, error) {
	declared := map[string]v1alpha1.Parameter{}
	var known []string
	for _, p := range schema {
		declared[p.Name] = p
		known = append(known, p.Name)
	}
	values := map[string]json.RawMessage{}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("parameter %q has no value: want name=value", pair)
		}
		p, ok := declared[name]
		if !ok {
			return nil, fmt.Errorf("the workflow has no parameter %q: it has %s", name, or(strings.Join(known, ", "), "none"))
		}
		value, err := encode(p.Type, text)
		if err != nil && p.Sensitive {
			return nil, fmt.Errorf("parameter %s: (hidden) is not %s in JSON", name, p.Type)
		}
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("parameter %s is given twice", name)
		}
		values[name] = value
	}
	if err := complete(schema, values); err != nil {
		return nil, err
	}
	data, err := json.Marshal(values)
	return &apiextensionsv1.JSON{Raw: data}, err
}

// complete refuses values that lack a parameter which the workflow needs, by
// itself or beside another.
func complete(schema []v1alpha1.Parameter, values map[string]json.RawMessage) error {
	for _, p := range schema {
		_, given := values[p.Name]
		if p.Required && p.Default == nil && !given {
			return fmt.Errorf("the workflow needs parameter %s: give it with -p %s=…", p.Name, p.Name)
		}
		for _, other := range p.DependsOn {
			if _, too := values[other]; given && !too {
				return fmt.Errorf("parameter %s goes with %s only: give that one with -p %s=…", p.Name, other, other)
			}
		}
	}
	return nil
}

func encode(kind, text string) (json.RawMessage, error) {
	switch kind {
	case "integer", "number", "boolean", "array", "object":
		if !is(kind, text) {
			return nil, fmt.Errorf("%q is not %s in JSON", text, kind)
		}
		return json.RawMessage(text), nil
	}
	return json.Marshal(text)
}

// is says whether text is JSON of a type.
func is(kind, text string) bool {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return false
	}
	switch v := value.(type) {
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case bool:
		return kind == "boolean"
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	}
	return false
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
