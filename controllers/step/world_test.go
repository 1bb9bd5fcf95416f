package step

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions/check"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/engine/job"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/memory"
)

const document = `apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: demo, version: v1.0.0}
spec:
  description: Does.
  actionType: demo/scale
  inputs:
  - {name: text, type: string, required: true}
  outputs:
  - {name: word, type: string, description: A word.}
  rbac:
    permissions:
    - {apiGroups: [apps], resources: [deployments], verbs: [get, patch]}
  resources: {limits: {cpu: 100m, memory: 64Mi}}
`

// world is an API server with one ActionExecution and a kubelet.
type world struct {
	t            *testing.T
	base, client client.WithWatch
	verifier     *memory.Verifier
	events       *events.FakeRecorder
	now          time.Time
	writes       []string
	document     string
	// subject is for whom the contract was read last.
	subject verify.Subject
	// pod is what the pod of the Job comes to; the zero phase runs on.
	phase   corev1.PodPhase
	message string
	exit    int32
	// failAt is the number of the write that fails; applied says that it is done
	// all the same and only its answer is lost.
	failAt  int
	applied bool
}

// ReadFile makes the world the registry.
func (w *world) ReadFile(_ context.Context, _ verify.Image, _ string, who verify.Subject) ([]byte, error) {
	w.subject = who
	return []byte(w.document), nil
}

func digest() string { return "sha256:" + strings.Repeat("1", 64) }

func action() *v1alpha1.ActionExecution {
	return &v1alpha1.ActionExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a", UID: "uid-a", Generation: 1, OwnerReferences: []metav1.OwnerReference{
			{APIVersion: v1alpha1.GroupVersion().String(), Kind: "WorkflowExecution", Name: "run", UID: "uid-run", Controller: ptr.To(true)}}},
		Spec: v1alpha1.ActionExecutionSpec{
			Execution: v1alpha1.ExecutionReference{Name: "run", UID: "uid-run"}, Step: "a", ActionType: "demo/scale",
			Image: "registry.example.com/demo@" + digest(), Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"hello"}`)},
		},
		Status: v1alpha1.ActionExecutionStatus{ObservedGeneration: -1},
	}
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	s := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, events: events.NewFakeRecorder(100), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), document: document, phase: corev1.PodSucceeded, message: `{"word":"hi"}`,
		verifier: memory.New(map[string]verify.Result{digest(): {Signer: "ada"}})}
	w.base = fake.NewClientBuilder().WithScheme(s).WithObjects(objects...).WithStatusSubresource(&v1alpha1.ActionExecution{}).Build()
	w.client = interceptor.NewClient(w.base, w.interceptor())
	return w
}

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
	return errors.New("connection lost")
}

func kindOf(o client.Object) string {
	kind := fmt.Sprintf("%T", o)
	return kind[strings.LastIndex(kind, ".")+1:]
}

func (w *world) interceptor() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			var options client.CreateOptions
			options.ApplyOptions(opts)
			if len(options.DryRun) > 0 {
				return nil // the fake one writes in a dry run, too
			}
			return w.write("create "+kindOf(o), func() error {
				o.SetUID(types.UID("uid-" + o.GetName() + kindOf(o)))
				return c.Create(ctx, o, opts...)
			})
		},
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error {
			return errors.New("unexpected update")
		},
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("unexpected patch")
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return w.write("delete "+kindOf(o), func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			ae := o.(*v1alpha1.ActionExecution)
			w.lawful(ae)
			return w.write(sub+" "+told(ae), func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	}
}

func told(ae *v1alpha1.ActionExecution) string {
	parts := []string{string(ae.Status.Phase)}
	for _, c := range ae.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionVerified {
			parts = append(parts, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
		}
	}
	if ae.Status.Outputs != nil {
		parts = append(parts, string(ae.Status.Outputs.Raw))
	}
	return strings.Join(parts, " ")
}

func (w *world) lawful(ae *v1alpha1.ActionExecution) {
	w.t.Helper()
	checker := check.NewChecker(w.base, &check.Conditions{NegativePolarity: []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling}})
	checker.DisableFetch = true
	if fail, _ := checker.Check(context.Background(), ae); fail != nil {
		w.t.Errorf("unlawful status: %v\n%+v", fail, ae.Status.Conditions)
	}
}

func (w *world) reconcile() (ctrl.Result, error) {
	w.t.Helper()
	r := &Reconciler{client: w.client, record: record.New(w.client, w.events), options: Options{
		Jobs: job.NewSteps(w.client, w.client, func() time.Time { return w.now }), Now: func() time.Time { return w.now },
		Gate: gate.Gate{gate.Signature{Verifier: w.verifier}, gate.Contract{Files: w}, gate.Inputs{}, gate.Repositories{}, gate.Rights{}},
	}}
	return r.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "run-a"}})
}

// settle reconciles until nothing changes any more; errors are retried.
func (w *world) settle() {
	w.t.Helper()
	for range 30 {
		before := len(w.writes)
		_, err := w.reconcile()
		moved := w.kubelet()
		if err == nil && !moved && len(w.writes) == before {
			return
		}
	}
	w.t.Fatalf("no end in sight:\n%s", strings.Join(w.writes, "\n"))
}

// kubelet makes the pod of a Job and brings it to its end.
func (w *world) kubelet() bool {
	w.t.Helper()
	ctx := context.Background()
	j := &batchv1.Job{}
	if err := w.base.Get(ctx, types.NamespacedName{Namespace: "ops", Name: "run-a"}, j); err != nil || !metav1.IsControlledBy(j, action()) {
		return false
	}
	pod := &corev1.Pod{}
	if err := w.base.Get(ctx, types.NamespacedName{Namespace: "ops", Name: "run-a-x"}, pod); err == nil {
		return false
	}
	pod = &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "run-a-x", Labels: j.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: j.Name, UID: j.UID, Controller: ptr.To(true)}}},
		Spec:   corev1.PodSpec{NodeName: "node-1"},
		Status: corev1.PodStatus{Phase: w.phase, StartTime: &metav1.Time{Time: w.now}},
	}
	if w.phase != corev1.PodRunning {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "action", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: w.exit, Message: w.message, FinishedAt: metav1.Time{Time: w.now}}}}}
	}
	if err := w.base.Create(ctx, pod); err != nil {
		w.t.Fatal(err)
	}
	return true
}

func (w *world) action() *v1alpha1.ActionExecution {
	w.t.Helper()
	ae := &v1alpha1.ActionExecution{}
	if err := w.base.Get(context.Background(), types.NamespacedName{Namespace: "ops", Name: "run-a"}, ae); err != nil {
		w.t.Fatal(err)
	}
	return ae
}

// cancel asks the action to end, as the engine does.
func (w *world) cancel() {
	w.t.Helper()
	ae := w.action()
	ae.Spec.Cancel = true
	ae.Generation++
	if err := w.base.Update(context.Background(), ae); err != nil {
		w.t.Fatal(err)
	}
}

// late reconciles with a cache that has not seen any Job yet.
func (w *world) late() (ctrl.Result, error) {
	w.t.Helper()
	stale := interceptor.NewClient(w.client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, isJob := o.(*batchv1.Job); isJob {
				return apierrors.NewNotFound(schema.GroupResource{Group: "batch", Resource: "jobs"}, key.Name)
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
	r := &Reconciler{client: stale, record: record.New(w.client, events.NewFakeRecorder(100)), options: Options{
		Jobs: job.NewSteps(stale, w.client, func() time.Time { return w.now }), Now: func() time.Time { return w.now },
	}}
	return r.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "run-a"}})
}
