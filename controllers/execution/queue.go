package execution

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/queue"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// defaultQueueTimeout bounds the waiting for a place of a run that says nothing.
const defaultQueueTimeout = time.Hour

// places are the runs that were given a place and that the cache may not show
// as started yet, so that a cache that lags never lets a cap be exceeded. One
// process holds the lease, and after its end the cache is read anew.
type places struct {
	mu    sync.Mutex
	taken map[types.UID]time.Time
}

// leave gives back a place that was not used.
func (l *places) leave(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.taken, uid)
}

// enter leads a run that has not started through the queue to its start. One
// that waits for a place is judged again when it has one and not before.
func (r *Reconciler) enter(ctx context.Context, p *pass) error {
	var err error
	before := p.obj.Status.Queue
	p.obj.Status.Queue = nil // whatever else the run waits for, it holds up nobody
	if before != nil && !withdrawn(p.obj) {
		err = r.place(ctx, p, *before)
	}
	if err == nil {
		err = r.prepare(ctx, p)
	}
	_, waits := run.AsWait(err)
	if _, refused := run.AsRefusal(err); refused || waits {
		r.places.leave(p.obj.UID)
	}
	return err
}

// arrive asks for a place for a run that passed the gate.
func (r *Reconciler) arrive(ctx context.Context, p *pass) error {
	since := metav1.NewTime(p.now.Truncate(time.Second))
	return r.place(ctx, p, v1alpha1.QueuePlace{Since: since, Until: metav1.NewTime(since.Add(p.patience))})
}

// place gives the run a place or says where it stands. A place that it has it
// keeps, though the write of its start failed: nobody knows whether it was done.
func (r *Reconciler) place(ctx context.Context, p *pass, q v1alpha1.QueuePlace) error {
	r.places.mu.Lock()
	defer r.places.mu.Unlock()
	s, _, err := r.tally(ctx, p.now)
	if err != nil {
		return err
	}
	if _, mine := r.places.taken[p.obj.UID]; mine {
		return nil
	}
	uid := string(p.obj.UID)
	if !p.now.Before(q.Until.Time) {
		return run.Refuse(v1alpha1.ReasonQueueTimeout,
			"waited for a place from %s to %s and got none: raise the queueTimeout of the workflow, maxConcurrentRuns of the namespace's ExecutionPolicies or max-concurrent-runs of the controller, and create another run",
			moment(q.Since), moment(q.Until))
	}
	s.Waiting = slices.DeleteFunc(s.Waiting, func(w queue.Run) bool { return w.UID == uid })
	s.Waiting = append(s.Waiting, queue.Run{UID: uid, Namespace: p.obj.Namespace, Since: q.Since.Time})
	got := queue.Places(s)[uid]
	if got.Held == queue.None {
		r.places.taken[p.obj.UID] = p.now
		return nil
	}
	q.Position, q.Cap = int32(got.Position), string(got.Held)
	p.obj.Status.Queue = &q
	return run.WaitFor(v1alpha1.ReasonQueued, q.Until.Time, "position %d in the queue: %s; without a place by %s the run fails",
		q.Position, held(s, p.obj.Namespace, got.Held), moment(q.Until))
}

// held says what holds a run back.
func held(s queue.State, namespace string, by queue.Cap) string {
	if by == queue.Namespace {
		return fmt.Sprintf("%d runs go on in namespace %s and %d may (maxConcurrentRuns of its ExecutionPolicies, else max-concurrent-runs-per-namespace)",
			s.Running[namespace], namespace, s.Limit(namespace))
	}
	total := 0
	for _, n := range s.Running {
		total += n
	}
	return fmt.Sprintf("%d runs go on in all namespaces and %d may (max-concurrent-runs)", total, s.Total)
}

func moment(t metav1.Time) string { return t.UTC().Format(time.RFC3339) }

// tally counts the runs that go on and lists those that wait. It forgets
// places that the cache shows as used. The caller holds the lock.
func (r *Reconciler) tally(ctx context.Context, now time.Time) (queue.State, []*v1alpha1.WorkflowExecution, error) {
	s := queue.State{Running: map[string]int{}, Served: map[string]time.Time{}, Total: r.options.Settings().MaxConcurrentRuns}
	var err error
	if s.Limit, err = r.limits(ctx); err != nil {
		return s, nil, err
	}
	var runs v1alpha1.WorkflowExecutionList
	if err := r.client.List(ctx, &runs, client.UnsafeDisableDeepCopy); err != nil { // only read
		return s, nil, fmt.Errorf("list runs: %w", err)
	}
	taken := map[types.UID]time.Time{}
	var waiting []*v1alpha1.WorkflowExecution
	for i := range runs.Items {
		e := &runs.Items[i]
		start, goesOn := r.places.taken[e.UID]
		if e.Status.Snapshot != nil || e.Status.CompletedAt != nil {
			goesOn = e.Status.CompletedAt == nil
		} else if goesOn {
			taken[e.UID] = start
		}
		if e.Status.StartedAt != nil {
			start = e.Status.StartedAt.Time
		}
		if start.After(s.Served[e.Namespace]) {
			s.Served[e.Namespace] = start
		}
		switch {
		case goesOn:
			s.Running[e.Namespace]++
		case stands(e, now):
			waiting = append(waiting, e)
			s.Waiting = append(s.Waiting, queue.Run{UID: string(e.UID), Namespace: e.Namespace, Since: e.Status.Queue.Since.Time})
		}
	}
	r.places.taken = taken
	return s, waiting, nil
}

// stands says whether a run waits for a place and would take one.
func stands(e *v1alpha1.WorkflowExecution, now time.Time) bool {
	q := e.Status.Queue
	return q != nil && e.Status.CompletedAt == nil && e.DeletionTimestamp.IsZero() &&
		!withdrawn(e) && now.Before(q.Until.Time)
}

// withdrawn says whether somebody took a run that has not started out of the queue.
func withdrawn(e *v1alpha1.WorkflowExecution) bool {
	return e.Spec.Cancel || e.Spec.Terminate || e.Spec.Suspend
}

// limits reads how many runs may go on in each namespace.
func (r *Reconciler) limits(ctx context.Context) (func(string) int, error) {
	var list v1alpha1.ExecutionPolicyList
	if err := r.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil { // only read
		return nil, fmt.Errorf("list execution policies: %w", err)
	}
	by := map[string][]v1alpha1.ExecutionPolicy{}
	for _, policy := range list.Items {
		by[policy.Namespace] = append(by[policy.Namespace], policy)
	}
	settings := r.options.Settings()
	limit := map[string]int{}
	for _, namespace := range slices.Sorted(maps.Keys(by)) {
		limit[namespace] = gate.PolicyOf(by[namespace], settings).MaxRuns
	}
	return func(namespace string) int {
		if n, ok := limit[namespace]; ok {
			return n
		}
		return settings.MaxConcurrentRunsPerNamespace
	}, nil
}

// queued finds the waiting runs that may start now, and those whose place is
// worth being told again.
func (r *Reconciler) queued(ctx context.Context, _ client.Object) []reconcile.Request {
	r.places.mu.Lock()
	defer r.places.mu.Unlock()
	s, waiting, err := r.tally(ctx, r.options.Now())
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "find runs that wait for a place")
		return nil
	}
	got := queue.Places(s)
	var out []reconcile.Request
	for _, e := range waiting {
		p, told := got[string(e.UID)], e.Status.Queue
		if p.Held == queue.None || string(p.Held) != told.Cap || queue.Moved(int(told.Position), p.Position) {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e)})
		}
	}
	return out
}

// moves passes what may change the place of another run: one that ends, goes,
// starts to wait or stops waiting.
func moves() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false }, // it is reconciled itself
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, is := e.ObjectOld.(*v1alpha1.WorkflowExecution).Status, e.ObjectNew.(*v1alpha1.WorkflowExecution).Status
			return (was.CompletedAt == nil) != (is.CompletedAt == nil) || (was.Queue == nil) != (is.Queue == nil) ||
				(is.Snapshot == nil && reasonOf(was) != reasonOf(is))
		},
	}
}

func reasonOf(s v1alpha1.WorkflowExecutionStatus) string {
	if c := report.Find(s.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Reason
	}
	return ""
}
