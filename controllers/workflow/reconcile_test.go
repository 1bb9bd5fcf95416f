package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions/check"
	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
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
)

const (
	clone = `{name: clone, version: v1.0.0}
spec:
  description: Clones.
  actionType: git/clone
  inputs:
  - {name: url, type: string, required: true, pattern: "^https://.*$"}
  - {name: depth, type: integer, minimum: 1}
  - {name: user, type: string, dependsOn: [url]}
  - {name: token, type: string, sensitive: true}
  outputs:
  - {name: commit, type: string, description: x}
  credentials:
  - {name: git, required: true}
`
	patch = `{name: patch, version: v1.0.0}
spec:
  description: Patches.
  actionType: git/patch
  inputs:
  - {name: base, type: string, required: true}
`
)

// site is one Workflow and the Actions it uses.
type site struct {
	t      *testing.T
	client client.WithWatch
	events *events.FakeRecorder
	r      *Reconciler
	writes []string
}

func newSite(t *testing.T, w *v1alpha1.Workflow, objects ...client.Object) *site {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, events: events.NewFakeRecorder(10)}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Workflow{}).
		WithIndex(&v1alpha1.Workflow{}, indexAction, actionsOf).
		WithObjects(append(objects, w)...).WithInterceptorFuncs(s.interceptor()).Build()
	s.r = newReconciler(s.client, Options{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }})
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
			s.writes = append(s.writes, s.summary(o.(*v1alpha1.Workflow)))
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}
}

// summary checks that a status is lawful and says what matters of it.
func (s *site) summary(w *v1alpha1.Workflow) string {
	s.t.Helper()
	checker := check.NewChecker(s.client, &check.Conditions{NegativePolarity: []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling}})
	checker.DisableFetch = true
	if fail, _ := checker.Check(context.Background(), w); fail != nil {
		s.t.Errorf("unlawful status: %v\n%+v", fail, w.Status)
	}
	var parts []string
	for _, c := range w.Status.Conditions {
		parts = append(parts, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return strings.Join(parts, " ")
}

func (s *site) pass(want ...string) {
	s.t.Helper()
	s.writes = nil
	if _, err := s.r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key()}); err != nil {
		s.t.Error(err)
	}
	if diff := cmp.Diff(want, s.writes); diff != "" {
		s.t.Errorf("writes: %s", diff)
	}
}

func key() client.ObjectKey { return client.ObjectKey{Namespace: "ops", Name: "fix"} }

func (s *site) workflow() *v1alpha1.Workflow {
	s.t.Helper()
	var w v1alpha1.Workflow
	if err := s.client.Get(context.Background(), key(), &w); err != nil {
		s.t.Fatal(err)
	}
	return &w
}

func (s *site) change(edit func(*v1alpha1.Workflow)) {
	s.t.Helper()
	w := s.workflow()
	edit(w)
	w.Generation++
	if err := s.client.Update(context.Background(), w); err != nil {
		s.t.Fatal(err)
	}
}

// ready returns an Action as its controller leaves it.
func ready(t *testing.T, name, rest string) *v1alpha1.Action {
	t.Helper()
	c := contract.Must("apiVersion: kubernaut.ai/v1alpha1\nkind: ActionContract\nmetadata: " + rest + "  resources: {limits: {cpu: 100m, memory: 64Mi}}\n")
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return &v1alpha1.Action{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: name, Generation: 1}, Status: v1alpha1.ActionStatus{
		Contract:   &apiextensionsv1.JSON{Raw: raw},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Succeeded", ObservedGeneration: 1}},
	}}
}

// sample is a workflow of two steps that keeps to both contracts.
func sample() *v1alpha1.Workflow {
	return &v1alpha1.Workflow{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "fix", Generation: 1},
		Spec: v1alpha1.WorkflowSpec{Version: "v1.0.0", Parameters: []v1alpha1.Parameter{{Name: "url"}}, Steps: []v1alpha1.WorkflowStep{
			{Name: "patch", Action: "patch", RunAfter: []string{"clone"}, Inputs: inputs(`{"base":"at $(steps.clone.outputs.commit)"}`)},
			{Name: "clone", Action: "clone", Inputs: inputs(`{"url":"$(params.url)","depth":1,"user":"$$(me)"}`),
				Credentials: []v1alpha1.Credential{{Name: "git", SecretRef: v1alpha1.LocalReference{Name: "x"}}}},
		}},
		Status: v1alpha1.WorkflowStatus{ObservedGeneration: -1},
	}
}

func inputs(raw string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(raw)} }

const good = "Ready=True/Succeeded"

func stalled(reason string) string { return "Stalled=True/" + reason + " Ready=False/" + reason }

func TestReady(t *testing.T) {
	s := newSite(t, sample(), ready(t, "clone", clone), ready(t, "patch", patch))
	s.pass(good)
	w := s.workflow()
	if diff := cmp.Diff([]string{"clone", "patch"}, w.Status.Order); diff != "" || !strings.HasPrefix(w.Status.ContentHash, "sha256:") || w.Status.Version != "v1.0.0" || w.Status.ObservedGeneration != 1 {
		t.Errorf("status %+v", w.Status)
	}
	s.pass()
	if got := s.r.users(context.Background(), ready(t, "clone", clone)); len(got) != 1 || got[0].NamespacedName != key() {
		t.Errorf("an action wakes %v", got)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, reason, message string
		change                func(*v1alpha1.WorkflowSpec)
	}{
		{"cycle", "InvalidDependencyGraph", "patch → clone → patch", func(s *v1alpha1.WorkflowSpec) { s.Steps[1].RunAfter = []string{"patch"} }},
		{"unknown parameter", "InvalidReference", "$(params.ghost)", func(s *v1alpha1.WorkflowSpec) { s.Steps[1].Inputs = inputs(`{"url":"$(params.ghost)"}`) }},
		{"output that is not declared", "InvalidReference", "$(steps.clone.outputs.ghost)", func(s *v1alpha1.WorkflowSpec) { s.Steps[0].Inputs = inputs(`{"base":"$(steps.clone.outputs.ghost)"}`) }},
		{"step that may not have run", "InvalidReference", "runAfter", func(s *v1alpha1.WorkflowSpec) { s.Steps[0].RunAfter = nil }},
		{"parameter that contradicts itself", "InvalidParameters", "spec.parameters[0].pattern", func(s *v1alpha1.WorkflowSpec) { s.Parameters[0].Pattern = "(" }},
		{"input that is not declared", "InvalidParameters", "spec.steps[1].inputs.ghost", func(s *v1alpha1.WorkflowSpec) { s.Steps[1].Inputs = inputs(`{"url":"https://x","ghost":1}`) }},
		{"reference in one", "InvalidParameters", "spec.steps[1].inputs.ghost", func(s *v1alpha1.WorkflowSpec) {
			s.Steps[1].Inputs = inputs(`{"url":"https://x","ghost":"$(params.url)"}`)
		}},
		{"required input missing", "InvalidParameters", "spec.steps[0].inputs.base", func(s *v1alpha1.WorkflowSpec) { s.Steps[0].Inputs = nil }},
		{"literal of the wrong type", "InvalidParameters", "spec.steps[1].inputs.depth", func(s *v1alpha1.WorkflowSpec) { s.Steps[1].Inputs = inputs(`{"url":"$(params.url)","depth":"x"}`) }},
		{"literal that breaks a pattern", "InvalidParameters", "spec.steps[1].inputs.url", func(s *v1alpha1.WorkflowSpec) { s.Steps[1].Inputs = inputs(`{"url":"http://x"}`) }},
		{"sensitive parameter in the open", "InvalidReference", "spec.steps[1].inputs.url: parameter url is sensitive", func(s *v1alpha1.WorkflowSpec) { s.Parameters[0].Sensitive = true }},
		{"when that is no condition", "InvalidCondition", "spec.steps[0].when", func(s *v1alpha1.WorkflowSpec) { s.Steps[0].When = "params.url ==" }},
		{"when of an output that is not declared", "InvalidCondition", "steps.clone.outputs.commit", func(s *v1alpha1.WorkflowSpec) { s.Steps[0].When = "steps.clone.outputs.ghost == 'x'" }},
		{"when of an output of another type", "InvalidCondition", "spec.steps[0].when", func(s *v1alpha1.WorkflowSpec) { s.Steps[0].When = "steps.clone.outputs.commit > 3" }},
		{"precondition about a sensitive parameter", "InvalidCondition", "spec.steps[1].preconditions[0].condition: parameter key is sensitive", func(s *v1alpha1.WorkflowSpec) {
			s.Parameters = append(s.Parameters, v1alpha1.Parameter{Name: "key", Sensitive: true})
			s.Steps[1].Preconditions = []v1alpha1.Precondition{{Condition: "params.key != ''"}}
		}},
		{"credential missing", "InvalidParameters", `credential "git"`, func(s *v1alpha1.WorkflowSpec) { s.Steps[1].Credentials = nil }},
		{"credential that nobody reads", "InvalidParameters", `credential "x"`, func(s *v1alpha1.WorkflowSpec) { s.Steps[0].Credentials = []v1alpha1.Credential{{Name: "x"}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := sample()
			c.change(&w.Spec)
			s := newSite(t, w, ready(t, "clone", clone), ready(t, "patch", patch))
			s.pass(stalled(c.reason))
			got := s.workflow()
			if message := report.Find(got.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, c.message) {
				t.Errorf("message %q", message)
			}
			if got.Status.ContentHash != "" || got.Status.ObservedGeneration != 1 {
				t.Errorf("status %+v", got.Status)
			}
			s.pass()
		})
	}
}

func TestSensitiveInputsTakeSensitiveParameters(t *testing.T) {
	w := sample()
	w.Spec.Parameters = append(w.Spec.Parameters, v1alpha1.Parameter{Name: "token", Sensitive: true})
	w.Spec.Steps[1].Inputs = inputs(`{"url":"$(params.url)","token":"Bearer $(params.token)"}`)
	s := newSite(t, w, ready(t, "clone", clone), ready(t, "patch", patch))
	s.pass(good)
}

func TestWaitsForActions(t *testing.T) {
	waits := "Reconciling=True/DependencyNotReady Ready=False/DependencyNotReady"
	s := newSite(t, sample(), ready(t, "clone", clone))
	s.pass(waits)
	s.pass()
	late := ready(t, "patch", patch)
	late.Generation = 2 // its status is about an older spec
	s = newSite(t, sample(), ready(t, "clone", clone), late)
	s.pass(waits)
	s.action(func(a *v1alpha1.Action) {
		c := &a.Status.Conditions[0]
		c.ObservedGeneration, c.Status, c.Reason = 2, metav1.ConditionFalse, "ImageUnsigned"
	})
	s.pass(waits)
	if message := report.Find(s.workflow().Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, "ImageUnsigned") {
		t.Errorf("message %q", message)
	}
	s.action(func(a *v1alpha1.Action) { a.Status.Conditions[0].Status = metav1.ConditionTrue })
	s.pass(good)
}

// action changes the Action "patch".
func (s *site) action(edit func(*v1alpha1.Action)) {
	s.t.Helper()
	var a v1alpha1.Action
	if err := s.client.Get(context.Background(), client.ObjectKey{Namespace: "ops", Name: "patch"}, &a); err != nil {
		s.t.Fatal(err)
	}
	edit(&a)
	if err := s.client.Update(context.Background(), &a); err != nil {
		s.t.Fatal(err)
	}
}

func TestVersionMeansOneContent(t *testing.T) {
	s := newSite(t, sample(), ready(t, "clone", clone), ready(t, "patch", patch))
	s.pass(good)
	first := s.workflow().Status.ContentHash
	s.change(func(w *v1alpha1.Workflow) { w.Spec.Description = "other" })
	s.pass(stalled("VersionConflict"))
	if got := s.workflow().Status; got.ContentHash != first || got.Version != "v1.0.0" {
		t.Errorf("status %+v", got)
	}
	s.change(func(w *v1alpha1.Workflow) { w.Spec.Version = "v1.1.0" })
	s.pass(good)
	if got := s.workflow().Status; got.ContentHash == first || got.Version != "v1.1.0" {
		t.Errorf("status %+v", got)
	}
}
