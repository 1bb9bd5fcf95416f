package pullrequest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/runtime/conditions/check"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
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
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// world is an API server with one PullRequest, and the forge.
type world struct {
	t      *testing.T
	client client.WithWatch
	now    time.Time
	pull   forge.Pull
	err    error
	asked  int
	token  string
	writes []string
}

// forgeOf answers for the world; everything but Get is not to be called.
type forgeOf struct {
	forge.Forge
	w *world
}

// Get answers with what the world holds.
func (f forgeOf) Get(_ context.Context, id forge.ID) (forge.Pull, error) {
	f.w.asked++
	if id != 7 {
		return forge.Pull{}, errors.New("another pull request is asked for")
	}
	return f.w.pull, f.w.err
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	s := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		pull: forge.Pull{ID: 7, State: forge.Open, URL: "https://git.example.com/team/app/pulls/7", Title: "raise the limit", HeadSHA: "h"}}
	pr := &v1alpha1.PullRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "app-7", Generation: 1},
		Spec: v1alpha1.PullRequestSpec{Repository: "https://git.example.com/team/app", Provider: "gitea", Number: 7,
			SecretRef: &v1alpha1.LocalReference{Name: "forge"}, Interval: &metav1.Duration{Duration: time.Minute}},
		Status: v1alpha1.PullRequestStatus{ObservedGeneration: -1},
	}
	refuse := errors.New("unexpected write")
	w.client = fake.NewClientBuilder().WithScheme(s).WithObjects(append(objects, pr)...).WithStatusSubresource(pr).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return refuse },
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return refuse },
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return refuse
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			w.writes = append(w.writes, w.told(o.(*v1alpha1.PullRequest)))
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}).Build()
	return w
}

func secret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "forge"}, Data: map[string][]byte{"password": []byte("token")}}
}

// told is a status in one line, which must be lawful.
func (w *world) told(pr *v1alpha1.PullRequest) string {
	w.t.Helper()
	checker := check.NewChecker(w.client, &check.Conditions{NegativePolarity: []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling}})
	checker.DisableFetch = true
	if fail, _ := checker.Check(context.Background(), pr); fail != nil {
		w.t.Errorf("unlawful status: %v\n%+v", fail, pr.Status)
	}
	parts := []string{"[" + pr.Status.State + "]"}
	for _, c := range pr.Status.Conditions {
		parts = append(parts, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return strings.Join(parts, " ")
}

func (w *world) reconcile() ctrl.Result {
	w.t.Helper()
	r := &Reconciler{client: w.client, record: record.New(w.client, events.NewFakeRecorder(100)), options: Options{
		Forges: func(provider, repository string, credentials map[string][]byte) (forge.Forge, error) {
			w.token = string(credentials["password"])
			if provider != "gitea" || repository != "https://git.example.com/team/app" {
				return nil, errors.New("another repository is asked for")
			}
			return forgeOf{w: w}, nil
		},
		Secrets: w.client, Now: func() time.Time { return w.now }, Jitter: func(d time.Duration) time.Duration { return d },
	}}
	result, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "ops", Name: "app-7"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) change(edit func(*v1alpha1.PullRequest)) {
	w.t.Helper()
	pr := &v1alpha1.PullRequest{}
	if err := w.client.Get(context.Background(), types.NamespacedName{Namespace: "ops", Name: "app-7"}, pr); err != nil {
		w.t.Fatal(err)
	}
	edit(pr)
	if err := w.client.Update(context.Background(), pr); err != nil {
		w.t.Fatal(err)
	}
}

// hold compares what was written since the last time and when to come back.
func (w *world) hold(result ctrl.Result, after time.Duration, writes ...string) {
	w.t.Helper()
	if diff := cmp.Diff(writes, w.writes); diff != "" {
		w.t.Errorf("writes (-want +got):\n%s", diff)
	}
	if result.RequeueAfter != after {
		w.t.Errorf("comes back after %s, want %s", result.RequeueAfter, after)
	}
	w.writes = nil
}

const open = "[Open] Reconciling=True/Open Ready=False/Open"

func TestFromOpenToMerged(t *testing.T) {
	w := newWorld(t, secret())
	w.hold(w.reconcile(), time.Minute, open)
	w.hold(w.reconcile(), time.Minute)
	if w.token != "token" {
		t.Errorf("the forge was given %q", w.token)
	}
	w.pull.State, w.pull.MergeSHA = forge.Merged, "m"
	w.hold(w.reconcile(), 0, "[Merged] Ready=True/Merged")
	asked := w.asked
	w.hold(w.reconcile(), 0)
	if w.asked != asked {
		t.Error("a merged pull request is asked about again")
	}
	w.change(func(pr *v1alpha1.PullRequest) {
		pr.Annotations = map[string]string{meta.ReconcileRequestAnnotation: "now"}
	})
	w.err = errors.New("no route")
	w.reconcile()
	if w.asked != asked+1 {
		t.Error("a request to ask again is not heard")
	}
	w.hold(w.reconcile(), 0, "[Merged] Ready=True/Merged")
}

func TestClosedAndOpenedAgain(t *testing.T) {
	w := newWorld(t, secret())
	w.pull.State = forge.Closed
	w.hold(w.reconcile(), time.Minute, "[Closed] Stalled=True/Closed Ready=False/Closed")
	w.pull.State = forge.Open
	w.hold(w.reconcile(), time.Minute, open)
}

func TestForgeThatDoesNotAnswer(t *testing.T) {
	const away = "Reconciling=True/ProgressingWithRetry Ready=False/ForgeUnavailable"
	for name, c := range map[string]struct {
		err   error
		want  string
		after time.Duration
	}{
		"away":            {errors.New("no route"), "[Open] " + away, time.Minute},
		"rate limit":      {run.WaitFor(v1alpha1.ReasonForgeUnavailable, time.Date(2026, 1, 2, 3, 14, 5, 0, time.UTC), "come back"), "[Open] " + away, 10 * time.Minute},
		"short wait":      {run.WaitFor(v1alpha1.ReasonForgeUnavailable, time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), "come back"), "[Open] " + away, time.Minute},
		"bad credentials": {run.Refuse(v1alpha1.ReasonAuthenticationFailed, "no"), "[Open] Stalled=True/AuthenticationFailed Ready=False/AuthenticationFailed", time.Minute},
		"unknown number":  {fmt.Errorf("read: %w", forge.ErrNotFound), "[Open] Stalled=True/ForgeUnavailable Ready=False/ForgeUnavailable", time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, secret())
			w.hold(w.reconcile(), time.Minute, open)
			w.err = c.err
			w.hold(w.reconcile(), c.after, c.want)
			w.hold(w.reconcile(), c.after)
			w.err = nil
			w.hold(w.reconcile(), time.Minute, open)
		})
	}
}

func TestMissingSecretIsToldAndTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.hold(w.reconcile(), time.Minute, "[] Reconciling=True/ProgressingWithRetry Ready=False/ForgeUnavailable")
	pr := &v1alpha1.PullRequest{}
	if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: "ops", Name: "app-7"}, pr); err != nil {
		t.Fatal(err)
	}
	if m := report.Find(pr.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(m, "ops/forge") || w.asked != 0 {
		t.Errorf("message %q, asked %d times", m, w.asked)
	}
}

func TestSuspendedIsNotAskedAbout(t *testing.T) {
	w := newWorld(t, secret())
	w.change(func(pr *v1alpha1.PullRequest) { pr.Spec.Suspend = true })
	w.hold(w.reconcile(), 0)
	if w.asked != 0 {
		t.Error("a suspended pull request is asked about")
	}
	w.change(func(pr *v1alpha1.PullRequest) { pr.Spec.Suspend = false })
	w.hold(w.reconcile(), time.Minute, open)
}
