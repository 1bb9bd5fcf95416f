package execution

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Each item of a step proposes for itself.
func TestItemsPropose(t *testing.T) {
	for name, c := range map[string]struct {
		outputs, want string
		objects       []string
	}{
		"one pull request": {proposed, "Completed Ready=True/Succeeded a:Succeeded u:Skipped f:Succeeded",
			[]string{"pull request 7", `step run-a-0-1-c7012e {"text":"hello"}`, `step run-a-1-1-853852 {"text":"hello"}`, `step run-f {"text":"told"}`}},
		"unreadable": {`{"prNumber":"seven"}`, "Failed Stalled=True/OutputsInvalid Ready=False/OutputsInvalid a:Failed u:Succeeded f:Succeeded",
			[]string{`step run-a-0-1-c7012e {"text":"hello"}`, `step run-a-1-1-853852 {"text":"hello"}`, `step run-f {"text":"told"}`, `step run-u {"text":"undo"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := closed(t)
			w.first(func(s *v1alpha1.WorkflowStep) {
				s.Image, s.ForEach = image(2), &v1alpha1.ForEach{Items: apiextensionsv1.JSON{Raw: []byte(`["x","y"]`)}, MaxItems: 2}
			})
			w.outcome["a"] = c.outputs
			w.settle()
			if diff := cmp.Diff(c.want, told(w.run())); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			equal(t, "objects", w.names(), c.objects)
		})
	}
}

// A step whose PullRequest cannot be made now has not ended; the run can still
// be cancelled, and what was proposed is followed once that is possible.
func TestAPullRequestIsMadeLater(t *testing.T) {
	w := newWorld(t, twoSteps())
	w.change(func(e *v1alpha1.WorkflowExecution) {
		e.Spec.Steps[1].RunAfter, e.Spec.Steps[1].Inputs = nil, e.Spec.Steps[0].Inputs
	})
	w.outcome["a"] = "hang"
	full := true
	w.client = interceptor.NewClient(w.client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if kindOf(o) == "PullRequest" && full {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "pullrequests"}, o.GetName(), errors.New("exceeded quota"))
			}
			return c.Create(ctx, o, opts...)
		},
	})
	for range 10 {
		_, _ = w.reconcile()
		w.steps()
	}
	if got, want := told(w.run()), "Executing Ready=False/ProgressingWithRetry a:Running b:Running pvc"; got != want {
		t.Errorf("status = %s\nwant     %s", got, want)
	}
	w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true })
	for range 10 {
		_, _ = w.reconcile()
		w.steps()
	}
	if got, want := told(w.run()), "Executing Ready=False/ProgressingWithRetry a:Cancelled b:Running pvc"; got != want {
		t.Errorf("status = %s\nwant     %s", got, want)
	}
	full = false
	w.settle()
	if got, want := told(w.run()), "Cancelled Stalled=True/Cancelled Ready=False/Cancelled a:Cancelled b:Succeeded"; got != want {
		t.Errorf("status = %s\nwant     %s", got, want)
	}
	if names := w.names(); names[0] != "pull request 7" {
		t.Errorf("objects = %q", names)
	}
}

func TestAPullRequestIsReadWithTheForgesOwnCredential(t *testing.T) {
	for name, c := range map[string]struct {
		credentials map[string]string
		want        string
	}{
		"none":  {nil, ""},
		"git":   {map[string]string{"git": "ssh-key"}, "ssh-key"},
		"both":  {map[string]string{"git": "ssh-key", "forge": "token"}, "token"},
		"forge": {map[string]string{"forge": "token"}, "token"},
	} {
		pr := (&Reconciler{}).pullRequest(&pass{}, run.Step{Name: "propose", Credentials: c.credentials}, proposal{Number: 7, Repository: "https://git.example.com/team/app"})
		got := ""
		if pr.Spec.SecretRef != nil {
			got = pr.Spec.SecretRef.Name
		}
		if got != c.want {
			t.Errorf("%s: read with Secret %q, want %q", name, got, c.want)
		}
	}
}
