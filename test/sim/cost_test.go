package sim

import (
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// cost is where a step, or an item of one, stands by what one object tells of
// it, and how many writes have told of it since it came there.
type cost struct {
	stands string
	writes int
}

// most is how many writes of one object may tell of one transition of a step:
// that it was made, and one that adds what was known only later, such as that
// the pod of a step runs which was said to be running since its Job was made.
const most = 2

// checkActionWrite holds the write of a step's own status against what it may
// cost: it says something new, and tells of a transition at most twice.
func (w *world) checkActionWrite(old, now *v1alpha1.ActionExecution) {
	if equality.Semantic.DeepEqual(old.Status, now.Status) {
		w.violated("the status of %s is written and says what it said", keyOf(now))
	}
	message := ""
	for _, c := range now.Status.Conditions {
		message += c.Message
	}
	w.spend(keyOf(now).String(), fmt.Sprint(now.Status.Phase, now.Generation, leaving(reasonOf(now.Status.Conditions), message)))
}

// checkWrite does so for the status of a run, one by one of its steps and items.
func (w *world) checkWrite(old, now *v1alpha1.WorkflowExecution) {
	if equality.Semantic.DeepEqual(old.Status, now.Status) {
		w.violated("the status of %s is written and says what it said", keyOf(now))
	}
	was := map[string]v1alpha1.StepStatus{}
	items := map[string]v1alpha1.ItemStatus{}
	for _, s := range old.Status.Steps {
		was[s.Name] = s
		for _, i := range s.Items {
			items[run.Unit(s.Name, int(i.Index))] = i
		}
	}
	for _, s := range now.Status.Steps {
		if len(s.Items) == 0 && s.Attempts > 0 && !reflect.DeepEqual(was[s.Name], s) {
			w.spend(keyOf(now).String()+" of step "+s.Name, fmt.Sprint(s.Phase, s.Attempts, s.RetryAt, leaving(s.Reason, s.Message)))
		}
		for _, i := range s.Items {
			if name := run.Unit(s.Name, int(i.Index)); i.Attempts > 0 && !reflect.DeepEqual(items[name], i) {
				w.spend(keyOf(now).String()+" of item "+name, fmt.Sprint(i.Phase, i.Attempts, i.RetryAt, leaving(i.Reason, "")))
			}
		}
	}
}

// leaving says whether a step that runs is told to end, or is without its pod:
// transitions that its phase does not show.
func leaving(reason, message string) bool {
	return reason == v1alpha1.ReasonCancelled || strings.Contains(message, "is gone")
}

// spend counts a write, where nothing fails that would have to be told as well.
func (w *world) spend(what, stands string) {
	c := w.cost[what]
	if c == nil || c.stands != stands {
		c = &cost{stands: stands}
		w.cost[what] = c
	}
	if c.writes++; w.fine && c.writes > most {
		w.violated("%s: %d writes tell that it stands at %s, want at most %d", what, c.writes, stands, most)
	}
}
