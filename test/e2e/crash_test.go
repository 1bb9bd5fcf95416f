package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

const (
	// sites is how many controllers are killed side by side.
	sites = 6
	// stride is how many writes apart one run is killed again.
	stride = 10
)

// site is a namespace with a controller of its own, behind a proxy.
type site struct {
	setting
	controller *harness.Controller
	proxy      *harness.Proxy
}

// scenario is a run, and what is done to it from outside.
type scenario struct {
	name string
	// prepare makes what the run needs; it may be nil.
	prepare func(*testing.T, site)
	// play creates the run and goes with it to its end.
	play func(*testing.T, site) *v1alpha1.WorkflowExecution
}

// A controller that is killed after its n-th write, for every n of a run, and
// started again, ends the run as one that nobody killed: the same status of
// all objects, and no Job, commit or pull request twice.
//
// The write reaches the API server and its answer does not come back. A write
// that is killed before it arrives is the case of n-1: the cluster is as write
// n-1 left it, and what the controller had read, decided and remembered since
// dies with it, so the next one begins where the one killed after n-1 begins. A
// write that is lost while the controller lives on, and so is tried again by who
// remembers the first try, is another case: the tests of the controllers lose
// each write of a run once, and test/sim at random.
// The proxy lets writes through one by one, so that the n-th is one moment; it
// counts those that changed something.
//
// The first of stride runs is killed after the writes 1, 1+stride, 1+2*stride…,
// the second after 2, 2+stride… and so on: together after each, and each run
// must bear several kills. Each has a namespace, a proxy and a controller of
// its own, which works in that namespace alone, so several are tried at once.
func TestKilledAtEveryWrite(t *testing.T) {
	alone(t)
	for _, sc := range scenarios(t) {
		t.Run(sc.name, func(t *testing.T) { sweep(t, sc) })
	}
}

// alone stops the controller that works in all namespaces.
func alone(t *testing.T) {
	t.Helper()
	if err := shared.controller.Kill(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.controller.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

func sweep(t *testing.T, sc scenario) {
	begin := time.Now()
	want, writes := undisturbed(t, sc)
	if len(writes) == 0 {
		t.Fatal("the run came to its end without a write through the proxy")
	}
	var next atomic.Int64
	var all sync.WaitGroup
	covered := make([]atomic.Bool, 2*len(writes)+stride)
	for range sites {
		all.Go(func() {
			for n := int(next.Add(1)); n <= min(stride, len(writes)); n = int(next.Add(1)) {
				t.Run(fmt.Sprintf("%02d", n), func(t *testing.T) { killedFrom(t, sc, n, want, covered) })
			}
		})
	}
	all.Wait()
	// A controller that starts sees at once what came one by one, so a run that
	// was killed may need a few writes fewer and has none of the last numbers.
	for n := range writes[:len(writes)-len(writes)/10-1] {
		if !covered[n+1].Load() {
			t.Errorf("no controller was killed after write %d", n+1)
		}
	}
	t.Logf("killed after each of %d writes in %s", len(writes), time.Since(begin).Round(time.Second))
}

// undisturbed plays a scenario without any harm.
func undisturbed(t *testing.T, sc scenario) (string, []harness.Write) {
	t.Helper()
	s := newSite(t, sc)
	s.proxy.Judge(nil)
	we := sc.play(t, s)
	out := s.settled(t, we, "")
	writes := s.proxy.Writes()
	for i, w := range writes {
		t.Logf("%2d %s", i+1, w)
	}
	t.Logf("refused: %v", s.proxy.Refused())
	t.Logf("it ends as\n%s", out)
	return out, writes
}

// killedFrom plays a scenario with a kill after the n-th write and after each
// stride-th from there on, and notes which they were.
func killedFrom(t *testing.T, sc scenario, n int, want string, covered []atomic.Bool) {
	s := newSite(t, sc)
	revived := make(chan error, len(covered))
	kills := 0
	s.proxy.Judge(func(i int, w harness.Write) harness.Fate {
		if i%stride != n%stride || i < n || i >= len(covered) {
			return harness.Delivered
		}
		t.Logf("killed after write %d, %s", i, w)
		covered[i].Store(true)
		kills++
		err := s.controller.Kill()
		go func() {
			s.proxy.Reopen()
			revived <- errors.Join(err, s.controller.Start(t.Context()))
		}()
		return harness.Shut
	})
	we := sc.play(t, s)
	got := s.settled(t, we, want)
	s.proxy.Judge(nil) // from here on kills stays as it is
	for range kills {
		if err := <-revived; err != nil {
			t.Fatal(err)
		}
	}
	if kills == 0 {
		t.Errorf("the run came to its end before write %d", n)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the run ends otherwise (-undisturbed +killed):\n%s\nlog: %s", diff, s.controller.Log())
	}
}

// newSite makes a namespace and what a scenario needs there.
func newSite(t *testing.T, sc scenario) site {
	t.Helper()
	ns := namespace(t)
	s := site{setting: setting{namespace: ns, app: ns + "-app"}}
	var err error
	if s.proxy, err = shared.controller.Proxy(ns); err != nil {
		t.Fatal(err)
	}
	if s.controller, err = shared.controller.Through(s.proxy); err != nil {
		t.Fatal(err)
	}
	if err := s.controller.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.leave(t) })
	if sc.prepare != nil {
		sc.prepare(t, s)
	}
	return s
}

// leave deletes the runs while their controller can still release them.
func (s site) leave(t *testing.T) {
	ctx := context.Background()
	s.proxy.Judge(nil)
	if err := shared.Client.DeleteAllOf(ctx, &v1alpha1.WorkflowExecution{}, client.InNamespace(s.namespace)); err != nil {
		t.Error(err)
	}
	err := harness.Until(ctx, 30*time.Second, func(ctx context.Context) error {
		var list v1alpha1.WorkflowExecutionList
		if err := shared.Client.List(ctx, &list, client.InNamespace(s.namespace)); err != nil || len(list.Items) == 0 {
			return err
		}
		return fmt.Errorf("run %s is still there", list.Items[0].Name)
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.controller.Kill(); err != nil {
		t.Error(err)
	}
	if err := s.proxy.Close(); err != nil {
		t.Error(err)
	}
}

func scenarios(t *testing.T) []scenario {
	t.Helper()
	image := probe(t, "probe-again", "well", "  idempotent: true\n").Image
	step := func(name, mode string, after ...string) v1alpha1.WorkflowStep {
		return v1alpha1.WorkflowStep{Name: name, Image: image, Inputs: raw(map[string]string{"mode": mode}), RunAfter: after}
	}
	again := step("left", "second", "top")
	again.UsesWorkspace = true
	again.Retries = &v1alpha1.Retries{Backoff: &v1alpha1.Backoff{Initial: &metav1.Duration{Duration: time.Second}}}
	return []scenario{
		{name: "cancelled", play: func(t *testing.T, s site) *v1alpha1.WorkflowExecution {
			we := start(t, s.namespace, "run", step("hang", "hang"), step("after", "well", "hang"))
			reach(t, we, time.Minute, "a running pod", func() bool { return running(t, s.namespace) == 1 })
			cancelRun(t, we)
			return we
		}},
		{name: "diamond", play: func(t *testing.T, s site) *v1alpha1.WorkflowExecution {
			we := start(t, s.namespace, "run", step("top", "well"), again, step("right", "well", "top"), step("bottom", "$(steps.left.outputs.said)-$(steps.right.outputs.said)", "left", "right"))
			finish(t, we, 2*time.Minute)
			return we
		}},
		{name: "finally", play: func(t *testing.T, s site) *v1alpha1.WorkflowExecution {
			praise := step("praise", "well")
			praise.When = "steps.apply.phase == 'Succeeded'"
			w := &v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "closing"}, Spec: v1alpha1.WorkflowSpec{
				Version: "v1.0.0", Steps: []v1alpha1.WorkflowStep{step("apply", "fail")}, OnFailure: []v1alpha1.WorkflowStep{step("undo", "well")},
				Finally: []v1alpha1.WorkflowStep{step("tell", "well"), praise},
			}}
			we := &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "run"},
				Spec: v1alpha1.WorkflowExecutionSpec{WorkflowRef: &v1alpha1.LocalReference{Name: w.Name}}}
			if err := errors.Join(shared.Client.Create(t.Context(), w), shared.Client.Create(t.Context(), we)); err != nil {
				t.Fatal(err)
			}
			finish(t, we, 2*time.Minute)
			return we
		}},
		{name: "chain", prepare: workflow, play: func(t *testing.T, s site) *v1alpha1.WorkflowExecution {
			we := s.raise(t, "run", "128Mi")
			finish(t, we, 2*time.Minute)
			return we
		}},
	}
}

// workflow makes the application's repository, the shipped workflow and its
// actions, and waits until they can be used.
func workflow(t *testing.T, s site) {
	t.Helper()
	ctx := t.Context()
	files, err := shared.CatalogFiles(shared.actions)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"actions/git-clone", "actions/yaml-patch", "actions/git-commit", "actions/git-push-pr", "workflows/raise-memory-limit"} {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(*files["catalog/"+name+".yaml"]), &o.Object); err != nil {
			t.Fatal(err)
		}
		o.SetNamespace(s.namespace)
		if err := shared.Client.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		shared.NewRepo(ctx, s.app, false),
		shared.Commit(ctx, s.app, "main", "the application", map[string]*string{"deploy/shop.yaml": harness.Text(application)}),
		shared.Credentials(ctx, s.namespace),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	wf := &v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "raise-memory-limit"}}
	err = harness.Until(ctx, 30*time.Second, func(ctx context.Context) error {
		if err := shared.Client.Get(ctx, client.ObjectKeyFromObject(wf), wf); err != nil {
			return err
		}
		for _, c := range wf.Status.Conditions {
			if c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("the workflow is not ready: %s", strings.TrimSpace(yamlOf(wf.Status)))
	})
	if err != nil {
		t.Fatal(err)
	}
}
