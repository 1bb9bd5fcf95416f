package history

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// keep is what all policies of a namespace say together; nil keeps everything.
type keep struct {
	completed, failed *int32
	ttl, steps        *time.Duration
}

// keepOf merges policies: what one leaves out it does not bound, and of what
// several say the value that keeps more counts, since what is gone is gone.
func keepOf(policies []v1alpha1.ExecutionPolicy) (k keep) {
	for _, p := range policies {
		h := p.Spec.History
		if h == nil {
			continue
		}
		k.completed, k.failed = longer(k.completed, h.KeepCompleted), longer(k.failed, h.KeepFailed)
		k.ttl, k.steps = longer(k.ttl, duration(h.TTL)), longer(k.steps, duration(h.StepsTTL))
	}
	return k
}

func longer[T cmp.Ordered](a, b *T) *T {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

func duration(d *metav1.Duration) *time.Duration {
	if d == nil {
		return nil
	}
	return &d.Duration
}

// everything says whether nothing is ever deleted.
func (k keep) everything() bool { return k == keep{} }

// world is a namespace as it was read. It is not to be changed: the cache
// holds the same objects.
type world struct {
	keep  keep
	now   time.Time
	runs  []v1alpha1.WorkflowExecution
	steps []v1alpha1.ActionExecution
	pulls []v1alpha1.PullRequest
}

// decision is what goes, the oldest run first, and when to look again; zero
// means when something happens.
type decision struct {
	runs   []*v1alpha1.WorkflowExecution
	steps  []leftover
	wakeAt time.Time
}

// leftover is what a run that stays has left.
type leftover struct {
	run   *v1alpha1.WorkflowExecution
	steps []*v1alpha1.ActionExecution
}

// decide is a function of its argument alone.
func decide(w world) (d decision) {
	runs := w.finished()
	surplus, open, children, retried := w.surplus(runs), w.open(), w.children(), w.retried()
	for _, e := range runs {
		if !open(e) && !retried[e.Name] && (surplus[e] || d.due(w.now, e, w.keep.ttl)) {
			d.runs = append(d.runs, e)
			continue
		}
		left := leftover{run: e, steps: settled(e, children[string(e.UID)])}
		if len(left.steps) > 0 && d.due(w.now, e, w.keep.steps) {
			d.steps = append(d.steps, left)
		}
	}
	return d
}

// due says whether the time of a finished run is over, and else remembers when
// it will be.
func (d *decision) due(now time.Time, e *v1alpha1.WorkflowExecution, ttl *time.Duration) bool {
	if ttl == nil {
		return false
	}
	at := e.Status.CompletedAt.Add(*ttl)
	if !now.Before(at) {
		return true
	}
	if d.wakeAt.IsZero() || at.Before(d.wakeAt) {
		d.wakeAt = at
	}
	return false
}

// finished lists the runs that ended and are not going already, the oldest first.
func (w world) finished() []*v1alpha1.WorkflowExecution {
	var out []*v1alpha1.WorkflowExecution
	for i := range w.runs {
		if e := &w.runs[i]; e.Status.CompletedAt != nil && e.DeletionTimestamp.IsZero() {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *v1alpha1.WorkflowExecution) int {
		return cmp.Or(a.Status.CompletedAt.Compare(b.Status.CompletedAt.Time), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// surplus are the runs beyond the number that is kept of their kind.
func (w world) surplus(oldestFirst []*v1alpha1.WorkflowExecution) map[*v1alpha1.WorkflowExecution]bool {
	out := map[*v1alpha1.WorkflowExecution]bool{}
	var completed, failed int32
	for _, e := range slices.Backward(oldestFirst) {
		count, limit := &failed, w.keep.failed
		if e.Status.Phase == v1alpha1.ExecutionCompleted {
			count, limit = &completed, w.keep.completed
		}
		*count++
		out[e] = limit != nil && *count > *limit
	}
	return out
}

// open says of which runs the pull request is open, or may be: what a reviewer
// looks at must be there.
func (w world) open() func(*v1alpha1.WorkflowExecution) bool {
	names, opened := map[string]bool{}, map[string]bool{}
	for _, pr := range w.pulls {
		if pr.Status.State == "Merged" || pr.Status.State == "Closed" {
			continue
		}
		names[pr.Name] = true
		if pr.Spec.Execution != nil {
			opened[pr.Spec.Execution.UID] = true
		}
	}
	return func(e *v1alpha1.WorkflowExecution) bool {
		return opened[string(e.UID)] || e.Status.PullRequest != nil && names[e.Status.PullRequest.Name]
	}
}

// retried are the runs that another one, not ended yet, repeats: it takes over
// what they have put out.
func (w world) retried() map[string]bool {
	out := map[string]bool{}
	for _, e := range w.runs {
		if e.Spec.RetryOf != nil && e.Status.CompletedAt == nil {
			out[e.Spec.RetryOf.Name] = true
		}
	}
	return out
}

// children are the ActionExecutions by the run that they belong to.
func (w world) children() map[string][]*v1alpha1.ActionExecution {
	out := map[string][]*v1alpha1.ActionExecution{}
	for i := range w.steps {
		if owner := metav1.GetControllerOf(&w.steps[i]); owner != nil {
			out[string(owner.UID)] = append(out[string(owner.UID)], &w.steps[i])
		}
	}
	return out
}

// settled are those of a finished run's steps that hold nothing which its
// status does not tell: they ended, that is written down, and the volume that
// they shared is given back.
func settled(e *v1alpha1.WorkflowExecution, steps []*v1alpha1.ActionExecution) []*v1alpha1.ActionExecution {
	if e.Status.WorkspacePVC != "" {
		return nil
	}
	told := map[string]bool{}
	for _, s := range e.Status.Steps {
		told[s.Name] = run.State(s.Phase).Ended()
	}
	var out []*v1alpha1.ActionExecution
	for _, ae := range steps {
		if told[ae.Spec.Step] && run.State(ae.Status.Phase).Ended() && ae.DeletionTimestamp.IsZero() {
			out = append(out, ae)
		}
	}
	return out
}
