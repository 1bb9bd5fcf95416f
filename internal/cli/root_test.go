package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubernaut/kubernaut/internal/cli/env"
)

func root(program string) (*cobra.Command, *bytes.Buffer) {
	var out bytes.Buffer
	return Root(&env.Env{In: &out, Out: &out, Err: &out, Flags: genericclioptions.NewConfigFlags(true)}, program), &out
}

func TestEveryVerbHasHelp(t *testing.T) {
	c, _ := root("kubernaut")
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, verb := range c.Commands() {
			t.Run(verb.CommandPath(), func(t *testing.T) {
				if verb.Short == "" || strings.HasSuffix(verb.Short, ".") {
					t.Errorf("short help is %q, want a phrase without a full stop", verb.Short)
				}
				if strings.Contains(verb.Use, " ") && verb.Example == "" {
					t.Errorf("takes arguments and has no example")
				}
				if verb.Args == nil {
					t.Errorf("does not say how many arguments it takes")
				}
			})
			walk(verb)
		}
	}
	walk(c)
}

func TestExamplesAreValid(t *testing.T) {
	c, _ := root("kubernaut")
	for _, verb := range append(c.Commands(), find(c, "actions").Commands()...) {
		for line := range strings.Lines(verb.Example) {
			_, line, _ = strings.Cut(line, "kubernaut ")
			line, _, _ = strings.Cut(line, " > ")
			words := strings.Fields(strings.NewReplacer("'", "", "$(cat digests)", "a@sha256:b").Replace(line))
			found, rest, err := c.Find(words)
			if err != nil || found == c {
				t.Errorf("example %q names no verb: %v", line, err)
				continue
			}
			if i := slices.IndexFunc(rest, func(word string) bool { return !knows(found, c, word) }); i >= 0 {
				t.Errorf("example %q has no flag %s", line, rest[i])
			}
		}
	}
}

// knows says whether a word is no flag or one that the verb has.
func knows(verb, root *cobra.Command, word string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	return !strings.HasPrefix(word, "-") || verb.Flags().Lookup(name) != nil || root.PersistentFlags().Lookup(name) != nil ||
		len(name) == 1 && verb.Flags().ShorthandLookup(name) != nil
}

func find(c *cobra.Command, name string) *cobra.Command {
	for _, verb := range c.Commands() {
		if verb.Name() == name {
			return verb
		}
	}
	return nil
}

func TestUsageNamesTheProgram(t *testing.T) {
	for program, want := range map[string]string{
		"/usr/bin/kubernaut":         "  kubernaut tree EXECUTION",
		"/usr/bin/kubectl-kubernaut": "  kubectl kubernaut tree EXECUTION",
	} {
		c, out := root(program)
		c.SetArgs([]string{"tree", "--help"})
		if err := c.Execute(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("help of %s has no %q:\n%s", program, want, out)
		}
	}
}
