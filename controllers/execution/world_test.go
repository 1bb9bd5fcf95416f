package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions/check"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/engine/job"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/memory"
)

const contractTemplate = `apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: %[1]s, version: v1.0.0}
spec:
  description: Does.
  actionType: %[2]s
  inputs:
  - {name: text, type: string, required: true}
  - {name: repository, type: string}
  - {name: count, type: integer}
  - {name: token, type: string, sensitive: true}
  outputs:
  - {name: word, type: string}
  resources: {limits: {cpu: 100m, memory: 64Mi}}
`

// world is an API server with one run, a registry, a verifier and a stand-in
// for the step controller. Everything that the reconciler writes is listed.
type world struct {
	t        testing.TB
	base     client.WithWatch // what others write with
	client   client.WithWatch // what the reconciler writes with
	cache    client.WithWatch // what the reconciler reads with; nil means client
	events   *events.FakeRecorder
	verifier *memory.Verifier
	now      time.Time
	writes   []string
	// subjects are for whom contracts were read, several at once.
	reading  sync.Mutex
	subjects []verify.Subject
	// outcome of each step: outputs, "hang" or "fail".
	outcome map[string]string
	// failAt is the number of the write that fails; applied says that it is
	// done all the same and only its answer is lost.
	failAt  int
	applied bool
	// failure is what a failing write answers; nil means a lost connection.
	failure error
	// settings of the controller.
	settings settings.Settings
}

func digest(n int) string { return "sha256:" + strings.Repeat(fmt.Sprint(n), 64) }

func image(n int) string { return fmt.Sprintf("registry.example.com/%d@%s", n, digest(n)) }

// Resolve makes the world the registry.
func (*world) Resolve(_ context.Context, ref string, _ verify.Subject) (verify.Image, error) {
	repository, digest, _ := strings.Cut(ref, "@")
	return verify.Image{Repository: repository, Digest: digest}, nil
}

// ReadFile makes the world the registry.
func (w *world) ReadFile(_ context.Context, img verify.Image, _ string, who verify.Subject) ([]byte, error) {
	w.reading.Lock()
	defer w.reading.Unlock()
	w.subjects = append(w.subjects, who)
	if strings.HasSuffix(img.Repository, "/2") {
		return fmt.Appendf(nil, contractTemplate, "git-push-pr", "git/create-pr"), nil
	}
	return fmt.Appendf(nil, contractTemplate, "demo", "demo/first"), nil
}

func scheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	return s
}

const proposed = `{"prNumber":7,"prURL":"https://git.example.com/team/app/pulls/7","repository":"https://git.example.com/team/app","provider":"gitea","base":"main","branch":"fix","causeKey":"k"}`

// twoSteps is an inline run of two steps with a workspace.
func twoSteps() *v1alpha1.WorkflowExecution {
	return &v1alpha1.WorkflowExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run", UID: "uid-run", Generation: 1},
		Spec: v1alpha1.WorkflowExecutionSpec{
			WorkflowType: "demo", Reason: "because",
			Steps: []v1alpha1.WorkflowStep{
				{Name: "a", Image: image(1), Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"hello"}`)}, UsesWorkspace: true},
				{Name: "b", Image: image(2), Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"$(steps.a.outputs.word)!"}`)}, UsesWorkspace: true, RunAfter: []string{"a"},
					Credentials: []v1alpha1.Credential{}},
			},
		},
		Status: v1alpha1.WorkflowExecutionStatus{ObservedGeneration: -1},
	}
}

func newWorld(t testing.TB, objects ...client.Object) *world {
	t.Helper()
	w := &world{
		settings: settings.Merge(),
		t:        t, events: events.NewFakeRecorder(1000), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		verifier: memory.New(map[string]verify.Result{digest(1): {Signer: "ada", PolicySet: "sha256:p"}, digest(2): {Signer: "bob", PolicySet: "sha256:p"}}),
		outcome:  map[string]string{"a": `{"word":"hi"}`, "b": proposed},
	}
	w.base = fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.WorkflowExecution{}, &v1alpha1.ActionExecution{}, &v1alpha1.PullRequest{}, &v1alpha1.Workflow{}, &v1alpha1.Action{}).Build()
	w.client = interceptor.NewClient(w.base, w.interceptor())
	return w
}

// write counts one write of the reconciler and lets it fail if it is its turn.
func (w *world) write(what string, do func() error) error {
	w.writes = append(w.writes, what)
	if len(w.writes) != w.failAt {
		return do()
	}
	if w.applied {
		if err := do(); err != nil {
			return err
		}
	}
	if w.failure != nil {
		return w.failure
	}
	return errors.New("connection lost")
}

func kindOf(o client.Object) string { return strings.TrimPrefix(fmt.Sprintf("%T", o), "*v1alpha1.") }

func (w *world) interceptor() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return w.write("create "+kindOf(o)+" "+o.GetName(), func() error {
				o.SetUID(types.UID("uid-" + o.GetName()))
				return c.Create(ctx, o, opts...)
			})
		},
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error {
			return errors.New("unexpected update")
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return w.write("delete "+kindOf(o)+" "+o.GetName(), func() error { return c.Delete(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			data, _ := p.Data(o)
			return w.write("patch "+kindOf(o)+" "+o.GetName()+" "+summary(string(data)), func() error { return c.Patch(ctx, o, p, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			e := o.(*v1alpha1.WorkflowExecution)
			w.lawful(e)
			return w.write(sub+" "+told(e), func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	}
}

// summary names what a patch changes.
func summary(patch string) string {
	for _, word := range []string{"finalizers", "cancel"} {
		if strings.Contains(patch, word) {
			return word
		}
	}
	return patch
}

// told is a status in one line.
func told(e *v1alpha1.WorkflowExecution) string {
	parts := []string{string(e.Status.Phase)}
	for _, c := range e.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionStalled {
			parts = append(parts, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
		}
	}
	for _, s := range e.Status.Steps {
		parts = append(parts, s.Name+":"+string(s.Phase))
	}
	if e.Status.WorkspacePVC != "" {
		parts = append(parts, "pvc")
	}
	return strings.Join(parts, " ")
}

// lawful holds a status against Flux's rules.
func (w *world) lawful(e *v1alpha1.WorkflowExecution) {
	w.t.Helper()
	checker := check.NewChecker(w.base, &check.Conditions{NegativePolarity: []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling}})
	checker.DisableFetch = true
	if fail, _ := checker.Check(context.Background(), e); fail != nil {
		w.t.Errorf("unlawful status: %v\n%+v", fail, e.Status.Conditions)
	}
}

// reconcile runs one pass of a Reconciler that knows nothing of earlier ones.
func (w *world) reconcile() (ctrl.Result, error) {
	w.t.Helper()
	return w.reconciler().Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "run"}})
}

// reconciler is one that knows nothing of earlier passes.
func (w *world) reconciler() *Reconciler {
	cached := w.client
	if w.cache != nil {
		cached = w.cache
	}
	return &Reconciler{client: cached, record: record.New(w.client, w.events), options: Options{
		Engine: job.NewEngine(cached, w.client, func() time.Time { return w.now }), Live: w.client, Now: func() time.Time { return w.now }, Settings: func() settings.Settings { return w.settings },
		Gate: gate.Gate{gate.Digest{Images: w}, gate.Signature{Verifier: w.verifier}, gate.Contract{Files: w}, gate.Inputs{}, gate.Approval{}, gate.Repositories{}, gate.Rights{}},
	}}
}

// settle reconciles until nothing changes any more; errors are retried.
func (w *world) settle() {
	w.t.Helper()
	for range 60 {
		before := len(w.writes)
		_, err := w.reconcile()
		moved := w.steps()
		if err == nil && !moved && len(w.writes) == before {
			return
		}
	}
	w.t.Fatalf("no end in sight:\n%s", strings.Join(w.writes, "\n"))
}

// steps does what the step controller does with ActionExecutions.
func (w *world) steps() (moved bool) {
	w.t.Helper()
	var list v1alpha1.ActionExecutionList
	if err := w.base.List(context.Background(), &list); err != nil {
		w.t.Fatal(err)
	}
	for _, ae := range list.Items {
		before := ae.Status.Phase
		w.step(&ae)
		if ae.Status.Phase == before || !ae.DeletionTimestamp.IsZero() {
			continue
		}
		moved = true
		if err := w.base.Status().Update(context.Background(), &ae); err != nil {
			w.t.Fatal(err)
		}
	}
	return moved
}

func (w *world) step(ae *v1alpha1.ActionExecution) {
	outcome := w.outcome[ae.Spec.Step]
	switch {
	case run.State(ae.Status.Phase).Ended():
	case ae.Spec.Cancel:
		ae.Status.Phase = v1alpha1.StepCancelled
	case outcome == "hang" || ae.Status.Phase == "":
		ae.Status.Phase, ae.Status.NodeName = v1alpha1.StepRunning, "node-1"
	case outcome == busy:
		ae.Status.Phase, ae.Status.CompletedAt = v1alpha1.StepFailed, seconds(w.now)
		ae.Status.FailureCause, ae.Status.Began = v1alpha1.RetryExit, true
		ae.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonStepFailed, Message: "exit code 75"}}
	case outcome == "fail":
		ae.Status.Phase = v1alpha1.StepFailed
		ae.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonStepFailed, Message: "exit code 3"}}
	default:
		ae.Status.Phase, ae.Status.Outputs = v1alpha1.StepSucceeded, &apiextensionsv1.JSON{Raw: []byte(outcome)}
	}
}

// run reads the run; nil if it is gone.
func (w *world) run() *v1alpha1.WorkflowExecution {
	w.t.Helper()
	e := &v1alpha1.WorkflowExecution{}
	err := w.base.Get(context.Background(), types.NamespacedName{Namespace: "ops", Name: "run"}, e)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// change edits the run as a person does.
func (w *world) change(edit func(*v1alpha1.WorkflowExecution)) {
	w.t.Helper()
	e := w.run()
	edit(e)
	e.Generation++
	if err := w.base.Update(context.Background(), e); err != nil {
		w.t.Fatal(err)
	}
}

// names lists what exists of the kinds that a run makes.
func (w *world) names() []string {
	w.t.Helper()
	var out []string
	for _, list := range []client.ObjectList{&v1alpha1.ActionExecutionList{}, &corev1.PersistentVolumeClaimList{}, &v1alpha1.PullRequestList{}} {
		if err := w.base.List(context.Background(), list); err != nil {
			w.t.Fatal(err)
		}
		switch l := list.(type) {
		case *v1alpha1.ActionExecutionList:
			for _, o := range l.Items {
				out = append(out, "step "+o.Name+" "+string(o.Spec.Inputs.Raw))
			}
		case *corev1.PersistentVolumeClaimList:
			for _, o := range l.Items {
				out = append(out, "claim "+o.Name)
			}
		case *v1alpha1.PullRequestList:
			for _, o := range l.Items {
				out = append(out, fmt.Sprintf("pull request %d", o.Spec.Number))
			}
		}
	}
	slices.Sort(out)
	return out
}
