package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/controllers/execution"
	"github.com/kubernaut/kubernaut/controllers/step"
	"github.com/kubernaut/kubernaut/internal/engine/job"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/settings"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/memory"
)

// news is a change on its way to the cache.
type news struct {
	key key
	now client.Object
}

// due is a reconciliation that is wanted.
type due struct {
	at    time.Time
	tries int
}

// watch is who is woken by the news of a kind.
type watch struct {
	of, wakes string
	lets      predicate.Predicate
	whom      handler.MapFunc
}

// pass is one reconciliation under way.
type pass struct {
	key key
	at  time.Time
	// judged is what the pass has read past the cache, as it was then.
	judged map[key]client.Object
	// view is how the runs stood when the pass first counted them.
	view *view
}

// world is all there is, driven by one source of chance and one clock.
type world struct {
	seed    uint64
	rand    *rand.Rand
	now     time.Time
	store   *store
	cache   *objects
	late    map[string][]news // by kind, in the order of the changes
	deaf    map[string]bool   // kinds whose watch is broken until it is listed again
	queue   map[key]due
	busy    map[key]bool // what is being reconciled
	passes  []*pass      // under way, the innermost last
	creator pass         // who sent the creation that arrives now
	mapping bool         // events are turned into wishes
	epoch   int          // how often a controller has started
	calm    bool         // nothing is disturbed any more
	fine    bool         // nothing is disturbed at all
	watches []watch
	run     reconcile.Reconciler
	act     reconcile.Reconciler

	config
	lives  map[key]*life
	met    map[string]bool
	trace  []string
	broken []string
	jobs   map[string]int       // Jobs made, by the UID of their ActionExecution
	ready  map[key]time.Time    // when slow pods end
	given  map[string]time.Time // places in the queue that were used, by UID of the run
	cost   map[string]*cost     // writes that tell of steps
	count  int                  // reconciliations
	longer time.Duration        // the longest that a run ended after its bound
}

func newWorld(seed uint64) *world {
	w := &world{seed: seed, rand: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		late: map[string][]news{}, lives: map[key]*life{}, met: map[string]bool{}, jobs: map[string]int{}, ready: map[key]time.Time{}, cost: map[string]*cost{}}
	w.store = &store{objects: newObjects(), watch: w.changed}
	w.fine = seed%4 == 0
	w.calm = w.fine
	w.furnish()
	w.restart()
	return w
}

func (w *world) note(format string, args ...any) {
	if *seed >= 0 {
		w.trace = append(w.trace, w.now.Format("15:04:05.000 ")+strings.Repeat("  ", max(0, len(w.passes)-1))+fmt.Sprintf(format, args...))
	}
}

// violated notes that an invariant does not hold.
func (w *world) violated(format string, args ...any) {
	w.note("VIOLATED: "+format, args...)
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// Resolve and ReadFile make the world the registry.
func (*world) Resolve(_ context.Context, ref string, _ verify.Subject) (verify.Image, error) {
	repository, digest, _ := strings.Cut(ref, "@")
	return verify.Image{Repository: repository, Digest: digest}, nil
}

// ReadFile answers with the contract of the image.
func (*world) ReadFile(_ context.Context, image verify.Image, _ string, _ verify.Subject) ([]byte, error) {
	return []byte(contractOf(image.Digest)), nil
}

// restart puts new reconcilers in place, which know nothing and list everything.
func (w *world) restart() {
	w.note("the controller starts")
	w.epoch++
	w.queue, w.busy, w.deaf, w.late = map[key]due{}, map[key]bool{}, map[string]bool{}, map[string][]news{}
	w.given, w.cache = map[string]time.Time{}, newObjects()
	told := events.NewFakeRecorder(0)
	told.Events = nil
	clock := func() time.Time { return w.now }
	cached := &api{w: w}
	trusted := memory.New(map[string]verify.Result{digest(1): {Signer: "ada", PolicySet: "sha256:p"}, digest(2): {Signer: "ada", PolicySet: "sha256:p"}})
	run := execution.New(cached, told, execution.Options{
		Engine: job.NewEngine(cached, cached.live(), clock), Live: cached.live(), Now: clock,
		Settings: func() settings.Settings { return w.settings },
		Gate:     gate.Gate{gate.Digest{Images: w}, gate.Signature{Verifier: trusted}, gate.Contract{Files: w}, gate.Inputs{}, gate.Rights{}},
	})
	act := step.New(cached, told, step.Options{
		Jobs: job.NewSteps(cached, cached.live(), clock), Now: clock,
		Gate: gate.Gate{gate.Signature{Verifier: trusted}, gate.Contract{Files: w}, gate.Inputs{}, gate.Rights{}},
	})
	w.run, w.act, w.watches = run, act, nil
	for _, kind := range []string{"WorkflowExecution", "ActionExecution"} {
		w.watches = append(w.watches, watch{of: kind, wakes: kind, lets: predicate.GenerationChangedPredicate{}, whom: itself})
	}
	run.Watches(w.watch("WorkflowExecution"))
	act.Watches(w.watch("ActionExecution"))
	for _, kind := range kinds() {
		for _, k := range w.store.names(kind) {
			w.cache.set(k, w.store.by[k])
		}
	}
	for _, kind := range kinds() {
		for _, k := range w.cache.names(kind) {
			w.wake(k, nil, w.cache.by[k])
		}
	}
}

func (w *world) watch(wakes string) func(client.Object, predicate.Predicate, handler.MapFunc) {
	return func(of client.Object, lets predicate.Predicate, whom handler.MapFunc) {
		w.watches = append(w.watches, watch{of: kindOf(of), wakes: wakes, lets: lets, whom: whom})
	}
}

func itself(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

func kinds() []string {
	return []string{"WorkflowExecution", "ActionExecution", "Job", "Pod", "PersistentVolumeClaim", "Workflow", "ExecutionPolicy"}
}

// relist makes the cache of a kind what is true now.
func (w *world) relist(kind string) {
	delete(w.late, kind)
	delete(w.deaf, kind)
	for _, k := range w.cache.names(kind) {
		if w.store.by[k] == nil {
			w.see(k, nil)
		}
	}
	for _, k := range w.store.names(kind) {
		if was := w.cache.by[k]; was == nil || was.GetResourceVersion() != w.store.by[k].GetResourceVersion() {
			w.see(k, w.store.by[k])
		}
	}
}

// changed sends a change on its way to the cache and holds it against the invariants.
func (w *world) changed(k key, old, now client.Object) {
	w.check(k, old, now)
	w.late[k.kind] = append(w.late[k.kind], news{k, now})
}

// deliver brings the cache of a kind one event further.
func (w *world) deliver(kind string) {
	e := w.late[kind][0]
	w.late[kind] = w.late[kind][1:]
	w.see(e.key, e.now)
}

// see puts what is told of an object into the cache, and wakes whom it wakes.
func (w *world) see(k key, now client.Object) {
	was := w.cache.by[k]
	if now == nil {
		w.cache.delete(k)
	} else {
		w.cache.set(k, now)
	}
	w.wake(k, was, now)
}

// wake asks for the reconciliations that a change of an object is watched for,
// by the predicates and maps that the controllers themselves watch with.
func (w *world) wake(k key, was, now client.Object) {
	w.mapping = true
	defer func() { w.mapping = false }()
	for _, x := range w.watches {
		if x.of != k.kind {
			continue
		}
		for _, o := range concerned(x.lets, was, now) {
			for _, r := range x.whom(context.Background(), o) {
				w.want(key{x.wakes, r.Namespace, r.Name}, w.now)
			}
		}
	}
}

// concerned are the objects of an event that is let through.
func concerned(lets predicate.Predicate, was, now client.Object) []client.Object {
	switch {
	case was == nil && now == nil:
	case was == nil:
		if lets.Create(event.CreateEvent{Object: now}) {
			return []client.Object{now}
		}
	case now == nil:
		if lets.Delete(event.DeleteEvent{Object: was}) {
			return []client.Object{was}
		}
	case lets.Update(event.UpdateEvent{ObjectOld: was, ObjectNew: now}):
		return []client.Object{now}
	}
	return nil
}

func (w *world) want(k key, at time.Time) {
	if d, known := w.queue[k]; !known || at.Before(d.at) {
		w.queue[k] = due{at: at, tries: d.tries}
	}
}

// fault decides what goes wrong with a write.
func (w *world) fault() (applied, crashes bool, err error) {
	if w.calm {
		return false, false, nil
	}
	switch w.rand.IntN(60) {
	case 0:
		return false, false, apierrors.NewInternalError(errors.New("etcd has no leader"))
	case 1:
		return true, false, errors.New("the connection was lost")
	case 2:
		return false, true, nil
	case 3:
		return true, true, nil
	}
	return false, false, nil
}

// slowRead is a read past the cache, which may take long or fail.
func (w *world) slowRead(k key) error {
	if !w.calm && w.rand.IntN(100) == 0 {
		return fmt.Errorf("read %s: the connection was lost", k)
	}
	w.meanwhile("read " + k.String())
	return nil
}

// meanwhile lets other things happen while a request is on its way: the caller
// goes on with what it knew, unless its controller has died.
func (w *world) meanwhile(what string) {
	if w.calm || len(w.passes) > 2 || w.rand.IntN(15) > 0 {
		return
	}
	w.met["requests that take long"] = true
	w.note("  %s takes long", what)
	epoch, until := w.epoch, w.now.Add(time.Duration(w.rand.IntN(30))*time.Second)
	for range 1 + w.rand.IntN(8) {
		w.step(until)
		if w.epoch != epoch {
			panic(crash{})
		}
	}
	w.note("  %s goes on", what)
}

// pass is the innermost reconciliation.
func (w *world) pass() *pass { return w.passes[len(w.passes)-1] }

// judged keeps what the innermost pass read past the cache.
func (w *world) judged(o client.Object) { w.pass().judged[keyOf(o)] = o }

// reconcile runs one pass, in the middle of which the controller may die.
func (w *world) reconcile(k key) {
	tries := w.queue[k].tries
	delete(w.queue, k)
	w.busy[k] = true
	w.count++
	epoch, depth := w.epoch, len(w.passes)
	w.passes = append(w.passes, &pass{key: k, at: w.now, judged: map[key]client.Object{}})
	w.note("reconcile %s", k)
	result, died, err := w.attempt(k)
	w.passes = w.passes[:depth]
	if died {
		if w.epoch == epoch {
			w.met["restarts"] = true
			w.restart()
		}
		return
	}
	delete(w.busy, k)
	switch {
	case err != nil:
		w.note("  error: %v", err)
		w.want(k, w.now.Add(min(5*time.Millisecond<<min(tries, 20), 1000*time.Second)))
		w.queue[k] = due{at: w.queue[k].at, tries: tries + 1}
	case result.RequeueAfter > 0:
		w.want(k, w.now.Add(result.RequeueAfter))
	}
}

func (w *world) attempt(k key) (result ctrl.Result, died bool, err error) {
	defer func() {
		if x := recover(); x == (crash{}) {
			died = true
		} else if x != nil {
			panic(x)
		}
	}()
	r := w.run
	if k.kind == "ActionExecution" {
		r = w.act
	}
	result, err = r.Reconcile(context.Background(), ctrl.Request{NamespacedName: k.named()})
	return result, false, err
}

// current reads a run as the API server has it; nil if it is gone.
func (w *world) current(k key) *v1alpha1.WorkflowExecution {
	e, _ := w.store.by[k].(*v1alpha1.WorkflowExecution)
	return e
}
