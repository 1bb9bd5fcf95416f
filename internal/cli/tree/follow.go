package tree

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/kinds"
	"github.com/kubernaut/kubernaut/internal/cli/print"
)

// watches is how often a watch that the API server ends is begun again; each
// lives for half an hour or more.
const watches = 50

// Follow shows a run until it has ended: on a terminal the tree again at each
// change, elsewhere a line per step that moved and the tree at the end. A run
// that did not reach its goal is an error.
func Follow(ctx context.Context, e *env.Env, c client.WithWatch, key client.ObjectKey) error {
	f := &follower{env: e, client: c, key: key, phases: map[string]string{}}
	for range watches {
		if err := f.watch(ctx); err != nil || f.ended != nil {
			return err
		}
	}
	return fmt.Errorf("the watch of execution %s ended: see it again with tree --watch", key.Name)
}

// follower remembers what was shown.
type follower struct {
	env    *env.Env
	client client.WithWatch
	key    client.ObjectKey
	height int               // lines of the last tree
	phases map[string]string // last phase of each step
	ended  *v1alpha1.WorkflowExecution
}

// watch follows until the run or the watch ends.
func (f *follower) watch(ctx context.Context) error {
	w, err := f.client.Watch(ctx, &v1alpha1.WorkflowExecutionList{}, client.InNamespace(f.key.Namespace), client.MatchingFields{"metadata.name": f.key.Name})
	if err != nil {
		return fmt.Errorf("watch execution %s: %w", f.key.Name, err)
	}
	defer w.Stop()
	// The watch is there before the first look, so nothing is missed in between.
	we := &v1alpha1.WorkflowExecution{}
	if err := kinds.Get(ctx, f.client, "execution", f.key, we); err != nil {
		return err
	}
	if err := f.show(ctx, we); err != nil || f.ended != nil {
		return err
	}
	for event := range w.ResultChan() {
		we, ok := event.Object.(*v1alpha1.WorkflowExecution)
		if !ok || we.Name != f.key.Name {
			continue
		}
		if event.Type == watch.Deleted {
			return fmt.Errorf("execution %s was deleted", f.key.Name)
		}
		if err := f.show(ctx, we); err != nil || f.ended != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped watching execution %s, which goes on: %w", f.key.Name, ctx.Err())
	}
	return nil
}

// show shows what is new. Once the run has ended it answers its outcome.
func (f *follower) show(ctx context.Context, we *v1alpha1.WorkflowExecution) error {
	over := we.Status.CompletedAt != nil
	if over {
		f.ended = we
	}
	if !f.env.Terminal && (!over || len(f.phases) > 0) {
		f.moved(we)
	}
	if !f.env.Terminal && !over {
		return nil
	}
	var text strings.Builder
	if err := Write(ctx, &text, f.client, we); err != nil {
		return err
	}
	if f.height > 0 {
		fmt.Fprintf(f.env.Out, "\x1b[%dA\x1b[J", f.height) // back to the top of the last tree
	}
	out := text.String()
	if f.env.Terminal && !over {
		out = fit(out, f.env.Size)
		f.height = strings.Count(out, "\n")
	}
	fmt.Fprint(f.env.Out, out)
	if over {
		return Outcome(we)
	}
	return nil
}

// moved writes a line for the run and each step whose phase changed.
func (f *follower) moved(we *v1alpha1.WorkflowExecution) {
	_, message := kinds.Ready(we)
	if phase := string(we.Status.Phase); phase != "" && f.phases[""] != phase {
		f.phases[""] = phase
		f.env.Say("%s %s %s  %s", sign(phase), we.Name, phase, print.Line(message, 120))
	}
	for _, s := range we.Status.Steps {
		if s.Phase == v1alpha1.StepPending || f.phases[s.Name] == string(s.Phase) {
			continue
		}
		f.phases[s.Name] = string(s.Phase)
		f.env.Say("%s %s %s%s%s", sign(string(s.Phase)), s.Name, s.Phase, took(s), why(s))
	}
}

// fit cuts a text to what a terminal shows: the way back up counts lines, and
// neither a line that wraps nor one that scrolled away can be reached.
func fit(text string, size func() (width, height int)) string {
	width, height := size()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if most := max(height-1, 2); len(lines) > most {
		lines = append(lines[:most-1], "…")
	}
	for i, line := range lines {
		if r := []rune(line); len(r) > width {
			lines[i] = string(r[:max(width-1, 0)]) + "…"
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
