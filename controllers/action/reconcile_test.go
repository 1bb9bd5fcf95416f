package action

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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/memory"
)

const document = `apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: git-clone, version: v1.0.0}
spec:
  description: Clones.
  actionType: git/clone
  inputs:
  - {name: url, type: string, required: true}
  resources: {limits: {cpu: 100m, memory: 64Mi}}
`

// site is one Action with a registry and a verifier that can be changed.
type site struct {
	t          *testing.T
	client     client.WithWatch
	events     *events.FakeRecorder
	r          *Reconciler
	writes     []string
	verifier   *memory.Verifier
	document   string
	resolveErr error
	readErr    error
	subjects   []verify.Subject
}

func digest(n int) string { return "sha256:" + strings.Repeat(fmt.Sprint(n), 64) }

// Resolve makes the site the registry.
func (s *site) Resolve(_ context.Context, ref string, who verify.Subject) (verify.Image, error) {
	s.subjects = append(s.subjects, who)
	repository, digest, _ := strings.Cut(ref, "@")
	return verify.Image{Repository: repository, Digest: digest}, s.resolveErr
}

// ReadFile makes the site the registry.
func (s *site) ReadFile(context.Context, verify.Image, string, verify.Subject) ([]byte, error) {
	return []byte(s.document), s.readErr
}

func newSite(t *testing.T, change func(*v1alpha1.Action)) *site {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	a := &v1alpha1.Action{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "git-clone", Generation: 1},
		Spec:       v1alpha1.ActionSpec{Type: "git/clone", Version: "v1.0.0", Image: "registry.example.com/x@" + digest(1)},
		Status:     v1alpha1.ActionStatus{ObservedGeneration: -1},
	}
	if change != nil {
		change(a)
	}
	s := &site{t: t, events: events.NewFakeRecorder(10), document: document,
		verifier: memory.New(map[string]verify.Result{digest(1): {Signer: "ada", Policies: []string{"ours"}}})}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(a).WithObjects(a).WithInterceptorFuncs(s.interceptor()).Build()
	s.r = newReconciler(s.client, Required{Images: s, Files: s, Verifier: s.verifier},
		Options{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }})
	s.r.record = record.New(s.client, s.events)
	return s
}

func (s *site) interceptor() interceptor.Funcs {
	refuse := func(verb string) error { s.writes = append(s.writes, verb); return errors.New("unexpected " + verb) }
	return interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			return refuse("create")
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			return refuse("delete")
		},
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return refuse("patch")
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			s.writes = append(s.writes, s.summary(o.(*v1alpha1.Action)))
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}
}

// summary checks that a status is lawful and says what matters of it.
func (s *site) summary(a *v1alpha1.Action) string {
	s.t.Helper()
	checker := check.NewChecker(s.client, &check.Conditions{NegativePolarity: []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling}})
	checker.DisableFetch = true
	if fail, _ := checker.Check(context.Background(), a); fail != nil {
		s.t.Errorf("unlawful status: %v\n%+v", fail, a.Status)
	}
	var parts []string
	for _, c := range a.Status.Conditions {
		parts = append(parts, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return strings.Join(parts, " ")
}

func (s *site) pass(fails bool, want ...string) ctrl.Result {
	s.t.Helper()
	s.writes = nil
	result, err := s.r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key()})
	if (err != nil) != fails {
		s.t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(want, s.writes); diff != "" {
		s.t.Errorf("writes: %s", diff)
	}
	return result
}

func key() client.ObjectKey { return client.ObjectKey{Namespace: "ops", Name: "git-clone"} }

func (s *site) action() *v1alpha1.Action {
	s.t.Helper()
	var a v1alpha1.Action
	if err := s.client.Get(context.Background(), key(), &a); err != nil {
		s.t.Fatal(err)
	}
	return &a
}

func (s *site) change(edit func(*v1alpha1.Action)) {
	s.t.Helper()
	a := s.action()
	edit(a)
	if err := s.client.Update(context.Background(), a); err != nil {
		s.t.Fatal(err)
	}
}

const (
	good = "Ready=True/Succeeded Verified=True/Verified"
	down = "Reconciling=True/ProgressingWithRetry Ready=False/RegistryUnavailable"
)

func TestReady(t *testing.T) {
	s := newSite(t, nil)
	if result := s.pass(false, good); result.RequeueAfter != time.Hour {
		t.Errorf("requeue after %s", result.RequeueAfter)
	}
	a := s.action()
	if a.Status.Digest != digest(1) || a.Status.Signer != "ada" || a.Status.ContractHash != contract.Hash([]byte(document)) || a.Status.ObservedGeneration != 1 ||
		!strings.Contains(string(a.Status.Contract.Raw), `"git/clone"`) {
		t.Errorf("status %+v", a.Status)
	}
	if s.subjects[0].Namespace != "ops" || s.subjects[0].Kind != "Job" {
		t.Errorf("judged for %+v", s.subjects[0])
	}
	s.pass(false)
	s.change(func(a *v1alpha1.Action) { a.Annotations = map[string]string{meta.ReconcileRequestAnnotation: "now"} })
	s.pass(false, good)
	if got := s.action().Status.LastHandledReconcileAt; got != "now" {
		t.Errorf("handled %q", got)
	}
}

func TestWhyAnImageMayRunIsTold(t *testing.T) {
	s := newSite(t, nil)
	s.pass(false, good)
	s.pass(false)
	if first, second := <-s.events.Events, <-s.events.Events; !strings.HasPrefix(first, "Normal Succeeded") || second != "Normal Verified signed by ada" || len(s.events.Events) > 0 {
		t.Errorf("events %q, %q and %d more", first, second, len(s.events.Events))
	}
	want := &v1alpha1.Verification{Policies: []string{"ours"}, Signer: "ada", VerifiedAt: &metav1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	if diff := cmp.Diff(want, s.action().Status.Verification); diff != "" {
		t.Errorf("verification (-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*v1alpha1.Action)
		set        func(*site)
	}{
		{"unsigned", "Stalled=True/ImageUnsigned Ready=False/ImageUnsigned Verified=False/ImageUnsigned",
			func(a *v1alpha1.Action) { a.Spec.Image = "registry.example.com/x@" + digest(2) }, nil},
		{"no such image", "Stalled=True/ImageNotFound Ready=False/ImageNotFound Verified=False/ImageNotFound", nil,
			func(s *site) { s.resolveErr = run.Refuse(v1alpha1.ReasonImageNotFound, "none") }},
		{"no contract", "Stalled=True/ContractInvalid Ready=False/ContractInvalid Verified=True/Verified", nil,
			func(s *site) { s.readErr = run.Refuse(v1alpha1.ReasonContractInvalid, "no file") }},
		{"contract that cannot be read", "Stalled=True/ContractInvalid Ready=False/ContractInvalid Verified=True/Verified", nil,
			func(s *site) { s.document = "kind: x" }},
		{"another type", "Stalled=True/ContractMismatch Ready=False/ContractMismatch Verified=True/Verified",
			func(a *v1alpha1.Action) { a.Spec.Type = "git/push" }, nil},
		{"another version", "Stalled=True/ContractMismatch Ready=False/ContractMismatch Verified=True/Verified",
			func(a *v1alpha1.Action) { a.Spec.Version = "v1.0.1" }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.change)
			if c.set != nil {
				c.set(s)
			}
			if result := s.pass(false, c.want); result.RequeueAfter != lookAgain {
				t.Errorf("requeue after %s", result.RequeueAfter)
			}
			if a := s.action(); a.Status.Contract != nil || a.Status.Digest != "" || a.Status.Verification != nil || a.Status.ObservedGeneration != 1 {
				t.Errorf("status %+v", a.Status)
			}
			s.pass(false)
		})
	}
}

func TestRegistryDownAndBack(t *testing.T) {
	s := newSite(t, nil)
	s.resolveErr = errors.New("connection refused")
	s.pass(true, down)
	s.pass(true)
	s.resolveErr = nil
	s.verifier.Fail(errors.New("timeout"))
	s.pass(true, down) // another message
	s.verifier.Fail(nil)
	s.readErr = errors.New("reset")
	s.pass(true, down+" Verified=True/Verified")
	s.readErr = nil
	s.pass(false, good)
	s.resolveErr = errors.New("connection refused")
	s.pass(true, down+" Verified=True/Verified")
	if s.action().Status.Contract == nil {
		t.Error("what is known of the same image was forgotten")
	}
}

func TestPolicyChanges(t *testing.T) {
	s := newSite(t, nil)
	s.pass(false, good)
	s.verifier.Fail(run.Refuse(v1alpha1.ReasonNoMatchingPolicy, "none"))
	s.pass(false, "Stalled=True/NoMatchingPolicy Ready=False/NoMatchingPolicy Verified=False/NoMatchingPolicy")
	s.verifier.Fail(nil)
	s.pass(false, good)
	if got := s.r.all(context.Background(), nil); len(got) != 1 || got[0].NamespacedName != key() {
		t.Errorf("a policy wakes %v", got)
	}
}

// An answer to an older spec is taken back before the registry is asked.
func TestNewGeneration(t *testing.T) {
	s := newSite(t, nil)
	s.pass(false, good)
	s.change(func(a *v1alpha1.Action) { a.Spec.Image, a.Generation = "registry.example.com/x@"+digest(2), 2 })
	s.resolveErr = errors.New("connection refused")
	s.pass(true, "Reconciling=True/Progressing Ready=False/Progressing", down)
	if a := s.action(); a.Status.Contract != nil || a.Status.ObservedGeneration != 1 {
		t.Errorf("status %+v", a.Status)
	}
	if ready := report.Find(s.action().Status.Conditions, v1alpha1.ConditionReady); !strings.Contains(ready.Message, "connection refused") {
		t.Errorf("message %q", ready.Message)
	}
}

func TestGone(t *testing.T) {
	s := newSite(t, func(a *v1alpha1.Action) { a.Name = "other" })
	s.pass(false)
}
