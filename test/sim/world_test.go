package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/controllers/execution"
	"github.com/kubernaut/kubernaut/controllers/step"
	"github.com/kubernaut/kubernaut/internal/engine/job"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/memory"
)

const (
	namespace = "ops"
	runName   = "run"
	document  = `apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: demo, version: v1.0.0}
spec:
  description: Does.
  actionType: demo/first
  exitCodes: [{code: 4, meaning: retryable}]
  resources: {limits: {cpu: 100m, memory: 64Mi}}
`
)

// event is a change on its way to the cache.
type event struct {
	key key
	now client.Object
}

// due is a reconciliation that is wanted.
type due struct {
	at    time.Time
	tries int
}

// world is all there is, driven by one source of chance and one clock.
type world struct {
	seed     uint64
	rand     *rand.Rand
	now      time.Time
	store    *store
	api      *api
	late     map[string][]event // by kind, in the order of the changes
	deaf     map[string]bool    // kinds whose watch is broken until it is listed again
	queue    map[key]due
	calm     bool // nothing is disturbed any more
	events   *events.FakeRecorder
	run, act reconcile.Reconciler
	flow     *v1alpha1.Workflow
	parallel int
	ends     map[string]string // how each step ends if it is left alone
	meddled  bool              // people or machines changed what the run comes to
	trace    []string
	broken   []string
	jobs     map[string]int // Jobs made, by the UID of their ActionExecution
	passes   int
	owed     []need // what must be so in the end
}

// need is an end of a step after which another one was started.
type need struct {
	step, of string
	on       []run.State
}

func newWorld(seed uint64) *world {
	w := &world{seed: seed, rand: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		late: map[string][]event{}, deaf: map[string]bool{}, queue: map[key]due{}, ends: map[string]string{}, jobs: map[string]int{}}
	w.store = &store{objects: objects{}, watch: w.changed}
	w.api = &api{store: w.store, cache: objects{}, fault: w.fault, note: w.note, now: func() time.Time { return w.now }}
	w.parallel = 1 + w.rand.IntN(3)
	w.flow = w.workflow()
	w.store.put(key{"Workflow", w.flow.Name}, w.flow)
	w.store.put(key{"WorkflowExecution", runName}, &v1alpha1.WorkflowExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: runName},
		Spec:       v1alpha1.WorkflowExecutionSpec{WorkflowRef: &v1alpha1.LocalReference{Name: w.flow.Name}, Reason: "because"},
		Status:     v1alpha1.WorkflowExecutionStatus{ObservedGeneration: -1},
	})
	w.restart()
	return w
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, w.now.Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// violated notes that an invariant does not hold.
func (w *world) violated(format string, args ...any) {
	w.note("VIOLATED: "+format, args...)
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

func digest() string { return "sha256:" + strings.Repeat("1", 64) }

// Resolve and ReadFile make the world the registry.
func (*world) Resolve(_ context.Context, ref string, _ verify.Subject) (verify.Image, error) {
	repository, digest, _ := strings.Cut(ref, "@")
	return verify.Image{Repository: repository, Digest: digest}, nil
}

// ReadFile answers with the one contract.
func (*world) ReadFile(context.Context, verify.Image, string, verify.Subject) ([]byte, error) {
	return []byte(document), nil
}

// restart puts new reconcilers in place, which know nothing and list everything.
func (w *world) restart() {
	w.note("the controller starts")
	w.queue, w.deaf = map[key]due{}, map[string]bool{}
	w.events = events.NewFakeRecorder(0)
	w.events.Events = nil
	clock := func() time.Time { return w.now }
	trusted := memory.New(map[string]verify.Result{digest(): {Signer: "ada", PolicySet: "sha256:p"}})
	w.run = execution.New(w.api, w.events, execution.Options{
		Engine: job.NewEngine(w.api, w.api.live(), clock), Live: w.api.live(), Now: clock,
		Settings: func() settings.Settings {
			return settings.Settings{MaxParallelSteps: w.parallel, ComplexityApprovalThreshold: 100, MaxConcurrentRuns: 1, MaxConcurrentRunsPerNamespace: 1}
		},
		Gate: gate.Gate{gate.Digest{Images: w}, gate.Signature{Verifier: trusted}, gate.Contract{Files: w}, gate.Inputs{}, gate.Rights{}},
	})
	w.act = step.New(w.api, w.events, step.Options{
		Jobs: job.NewSteps(w.api, w.api.live(), clock), Now: clock,
		Gate: gate.Gate{gate.Signature{Verifier: trusted}, gate.Contract{Files: w}, gate.Inputs{}, gate.Rights{}},
	})
	for _, kind := range kinds() {
		w.relist(kind)
	}
	for k := range w.store.objects {
		w.wake(k, w.store.objects[k])
	}
}

func kinds() []string {
	return []string{"WorkflowExecution", "ActionExecution", "Job", "Pod", "PersistentVolumeClaim", "Workflow"}
}

// relist makes the cache of a kind what is true now.
func (w *world) relist(kind string) {
	for _, k := range w.api.cache.names(kind) {
		if w.store.objects[k] == nil {
			w.wake(k, w.api.cache[k])
			delete(w.api.cache, k)
		}
	}
	for _, k := range w.store.objects.names(kind) {
		if w.api.cache[k] == nil || w.api.cache[k].GetResourceVersion() != w.store.objects[k].GetResourceVersion() {
			w.api.cache[k] = w.store.objects[k]
			w.wake(k, w.store.objects[k])
		}
	}
	delete(w.late, kind)
	delete(w.deaf, kind)
}

// changed sends a change on its way to the cache and holds it against the invariants.
func (w *world) changed(k key, old, now client.Object) {
	w.check(k, old, now)
	w.late[k.kind] = append(w.late[k.kind], event{k, now})
}

// deliver brings the cache of a kind one event further.
func (w *world) deliver(kind string) {
	e := w.late[kind][0]
	w.late[kind] = w.late[kind][1:]
	was := w.api.cache[e.key]
	if e.now == nil {
		delete(w.api.cache, e.key)
		w.wake(e.key, was)
		return
	}
	w.api.cache[e.key] = e.now
	w.wake(e.key, e.now)
}

// wake asks for the reconciliations that a change of an object is watched for.
func (w *world) wake(k key, o client.Object) {
	switch k.kind {
	case "WorkflowExecution", "ActionExecution":
		w.want(k, w.now)
	}
	if o == nil {
		return
	}
	if owner := metav1.GetControllerOf(o); owner != nil {
		switch k.kind {
		case "ActionExecution":
			w.want(key{"WorkflowExecution", owner.Name}, w.now)
		case "Job", "Pod":
			w.want(key{"ActionExecution", owner.Name}, w.now)
		}
	}
}

func (w *world) want(k key, at time.Time) {
	if d, known := w.queue[k]; !known || at.Before(d.at) {
		w.queue[k] = due{at: at, tries: d.tries}
	}
}

// fault decides what goes wrong with a write.
func (w *world) fault(string) (applied, crashes bool, err error) {
	if w.calm {
		return false, false, nil
	}
	switch w.rand.IntN(40) {
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

// reconcile runs one pass, in the middle of which the controller may die.
func (w *world) reconcile(k key) {
	tries := w.queue[k].tries
	delete(w.queue, k)
	w.passes++
	w.note("reconcile %s %s", k.kind, k.name)
	r := w.run
	if k.kind == "ActionExecution" {
		r = w.act
	}
	result, died, err := w.pass(r, k)
	switch {
	case died:
		w.restart()
	case err != nil:
		w.note("  error: %v", err)
		w.want(k, w.now.Add(min(5*time.Millisecond<<min(tries, 20), 5*time.Minute)))
		w.queue[k] = due{at: w.queue[k].at, tries: tries + 1}
	case result.RequeueAfter > 0:
		w.want(k, w.now.Add(min(result.RequeueAfter, time.Hour)))
	}
}

func (w *world) pass(r reconcile.Reconciler, k key) (result ctrl.Result, died bool, err error) {
	defer func() {
		if x := recover(); x == (crash{}) {
			died = true
		} else if x != nil {
			panic(x)
		}
	}()
	result, err = r.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: k.name}})
	return result, false, err
}
