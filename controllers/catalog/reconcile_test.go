package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	progressing = "status Reconciling=True/Progressing Ready=False/Progressing inventory=0"
	ready       = "status Ready=True/Succeeded inventory="
)

// published returns a site whose Catalog published one Action and one Workflow.
func published(t *testing.T, objects ...client.Object) *site {
	t.Helper()
	s := newSite(t, append(objects, newCatalog())...)
	s.commits("1", action("git-clone"), workflow("v1.0.0", "git-clone", "x"))
	result := s.pass(
		"patch Catalog/main", progressing, "try Action/git-clone", "try Workflow/fix",
		"status Reconciling=True/Progressing Ready=False/Progressing inventory=2", "apply Action/git-clone", "apply Workflow/fix", ready+"2")
	if result.RequeueAfter != 10*time.Minute {
		t.Errorf("requeue after %s", result.RequeueAfter)
	}
	s.told()
	return s
}

func TestPublish(t *testing.T) {
	s := published(t)
	c := s.catalog()
	got := c.Status
	got.Conditions, got.Inventory, got.History = nil, nil, nil
	want := v1alpha1.CatalogStatus{LastAppliedRevision: "main@sha1:1", LastAttemptedRevision: "main@sha1:1", ObservedGeneration: 1, Actions: 1, Workflows: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var a v1alpha1.Action
	if err := s.client.Get(context.Background(), client.ObjectKey{Namespace: "ops", Name: "git-clone"}, &a); err != nil {
		t.Fatal(err)
	}
	if !owns(c, &a) || a.Annotations[v1alpha1.AnnotationRevision] != "main@sha1:1" {
		t.Errorf("labels %v, annotations %v", a.Labels, a.Annotations)
	}
	s.pass()
	if s.fetched[1] != "main@sha1:1" || s.closed != 2 || len(s.told()) > 0 {
		t.Errorf("fetched %v, closed %d", s.fetched, s.closed)
	}
}

func TestPublishNextRevisionAndPrune(t *testing.T) {
	s := published(t)
	s.commits("2", action("git-push"), workflow("v1.1.0", "git-push", "y"))
	s.pass("try Action/git-push", "try Workflow/fix", ready+"3",
		"apply Action/git-push", "apply Workflow/fix", "delete Action/git-clone", ready+"2")
	if told := s.told(); len(told) != 1 || !strings.Contains(told[0], "main@sha1:2") {
		t.Errorf("events %q", told)
	}
	s.pass()
}

func TestPruneOff(t *testing.T) {
	s := published(t)
	off := false
	s.change(func(c *v1alpha1.Catalog) { c.Spec.Prune, c.Generation = &off, 2 })
	s.commits("2", workflow("v1.0.0", "git-clone", "x"))
	s.pass("status Reconciling=True/Progressing Ready=False/Progressing inventory=2", "try Workflow/fix", "apply Workflow/fix", ready+"1")
}

func TestBadRevisionKeepsTheLastGoodOne(t *testing.T) {
	s := published(t)
	s.commits("2", action("git-clone"), strings.Replace(workflow("v1.0.0", "git-clone", "x"), "steps:", "stepss:", 1))
	result := s.pass("status Stalled=True/ValidationFailed Ready=False/ValidationFailed inventory=2")
	c := s.catalog()
	if f := c.Status.Findings; len(f) != 1 || f[0].File != "f1.yaml" || f[0].Line != 7 {
		t.Errorf("findings %+v", f)
	}
	if c.Status.LastAppliedRevision != "main@sha1:1" || c.Status.LastAttemptedRevision != "main@sha1:2" || result.RequeueAfter != time.Minute {
		t.Errorf("status %+v, requeue after %s", c.Status, result.RequeueAfter)
	}
	if message := report.Find(c.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, "f1.yaml:7") || !strings.Contains(message, "main@sha1:1 stays published") {
		t.Errorf("message %q", message)
	}
	if told := s.told(); len(told) != 1 || !strings.HasPrefix(told[0], "Warning ValidationFailed") {
		t.Errorf("events %q", told)
	}
	s.pass() // the same again says and writes nothing
}

func TestGoodRevisionAfterABadOne(t *testing.T) {
	s := published(t)
	s.commits("2", "kind: [")
	s.pass("status Stalled=True/BuildFailed Ready=False/BuildFailed inventory=2")
	s.commits("3", action("git-clone"), workflow("v1.0.0", "git-clone", "x"))
	s.pass("try Action/git-clone", "try Workflow/fix", "apply Action/git-clone", "apply Workflow/fix", ready+"2")
	if c := s.catalog(); len(c.Status.Findings) > 0 || len(c.Status.History) != 3 {
		t.Errorf("status %+v", c.Status)
	}
}

func TestRefusedBeforeAnythingIsWritten(t *testing.T) {
	foreign := &v1alpha1.Action{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "taken"}}
	for _, c := range []struct {
		name, reason, finding string
		files                 []string
	}{
		{"nothing there", "EmptySource", "EmptySource", nil},
		{"an Action that nobody has", "ValidationFailed", "InvalidReference", []string{workflow("v1.1.0", "ghost", "x")}},
		{"an Action that would be pruned", "ValidationFailed", "InvalidReference", []string{workflow("v1.1.0", "git-clone", "x")}},
		{"other content under one version", "ValidationFailed", "VersionConflict", []string{action("git-clone"), workflow("v1.0.0", "git-clone", "y")}},
		{"an object of somebody else", "ValidationFailed", "ForeignObject", []string{action("taken")}},
		{"another namespace", "ValidationFailed", "ValidationFailed", []string{strings.Replace(action("x"), "name: x", "name: x\n  namespace: other", 1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := published(t, foreign.DeepCopy())
			s.handled(t)
			s.commits("2", c.files...)
			s.pass("status Stalled=True/" + c.reason + " Ready=False/" + c.reason + " inventory=2")
			if findings := s.catalog().Status.Findings; len(findings) != 1 || findings[0].Reason != c.finding {
				t.Errorf("findings %+v", findings)
			}
			s.pass()
		})
	}
}

// handled does what the workflow controller does.
func (s *site) handled(t *testing.T) {
	t.Helper()
	var w v1alpha1.Workflow
	if err := s.client.Get(context.Background(), client.ObjectKey{Namespace: "ops", Name: "fix"}, &w); err != nil {
		t.Fatal(err)
	}
	w.Status.Version, w.Status.ContentHash = w.Spec.Version, manifests.Hash(w)
	if err := s.client.Status().Update(context.Background(), &w); err != nil {
		t.Fatal(err)
	}
}

func TestUsesActionOfAnotherCatalog(t *testing.T) {
	s := published(t, &v1alpha1.Action{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "theirs"}})
	s.commits("2", workflow("v1.1.0", "theirs", "x"))
	s.pass("try Workflow/fix", "apply Workflow/fix", "delete Action/git-clone", ready+"1")
}

func TestServerRefusesInRehearsal(t *testing.T) {
	s := published(t)
	s.commits("2", action("git-clone"), workflow("v1.1.0", "git-clone", "x"))
	kind := schema.GroupKind{Group: v1alpha1.Group, Kind: "Workflow"}
	s.fail["try Workflow/fix"] = apierrors.NewInvalid(kind, "fix", field.ErrorList{field.Invalid(field.NewPath("spec", "steps").Index(0).Child("name"), "a", "too short")})
	s.pass("try Action/git-clone", "try Workflow/fix", "status Stalled=True/ValidationFailed Ready=False/ValidationFailed inventory=2")
	if f := s.catalog().Status.Findings; len(f) != 1 || f[0].Line != 8 || f[0].Object != "Workflow/fix" {
		t.Errorf("findings %+v", f)
	}
	s.fail["try Workflow/fix"] = apierrors.NewForbidden(schema.GroupResource{Resource: "workflows"}, "fix", errors.New("no right"))
	s.pass("try Action/git-clone", "try Workflow/fix", "status Stalled=True/ApplyFailed Ready=False/ApplyFailed inventory=2")
	s.fail["try Workflow/fix"] = apierrors.NewServiceUnavailable("later")
	s.pass("try Action/git-clone", "try Workflow/fix", "status Reconciling=True/ProgressingWithRetry Ready=False/ProgressingWithRetry inventory=2")
	delete(s.fail, "try Workflow/fix")
	s.pass("try Action/git-clone", "try Workflow/fix", "apply Action/git-clone", "apply Workflow/fix", ready+"2")
}

func TestSourceGoesWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"unreachable", errors.New("connection refused"), "status Reconciling=True/ProgressingWithRetry Ready=False/FetchFailed inventory=2"},
		{"access refused", run.Refuse(v1alpha1.ReasonAuthenticationFailed, "no"), "status Stalled=True/AuthenticationFailed Ready=False/AuthenticationFailed inventory=2"},
		{"empty", run.Refuse(v1alpha1.ReasonEmptySource, "no commit"), "status Stalled=True/EmptySource Ready=False/EmptySource inventory=2"},
		{"not ready", run.WaitFor(v1alpha1.ReasonDependencyNotReady, time.Time{}, "wait"), "status Reconciling=True/DependencyNotReady Ready=False/DependencyNotReady inventory=2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := published(t)
			s.fetchErr = c.err
			if result := s.pass(c.want); result.RequeueAfter != time.Minute {
				t.Errorf("requeue after %s", result.RequeueAfter)
			}
			s.pass()
			s.fetchErr = nil
			s.pass("try Action/git-clone", "try Workflow/fix", "apply Action/git-clone", "apply Workflow/fix", ready+"2")
		})
	}
}

func TestVerify(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "keys"}, Data: map[string][]byte{"ada": nil}}
	c := newCatalog()
	c.Spec.Git.Verify = &v1alpha1.GitVerification{Mode: "HEAD", SecretRef: v1alpha1.LocalReference{Name: "keys"}}
	s := newSite(t, c)
	s.commits("1", action("git-clone"))
	s.commit = &source.Commit{Signature: "ada"}
	s.pass("patch Catalog/main", progressing, "status Reconciling=True/DependencyNotReady Ready=False/DependencyNotReady inventory=0")
	if err := s.client.Create(context.Background(), secret); err != nil {
		t.Fatal(err)
	}
	s.pass("try Action/git-clone", "status Reconciling=True/DependencyNotReady Ready=False/DependencyNotReady inventory=1", "apply Action/git-clone", ready+"1")
	signed := func() string {
		return string(report.Find(s.catalog().Status.Conditions, v1alpha1.ConditionSourceVerified).Status)
	}
	if signed() != "True" {
		t.Errorf("verified %s", signed())
	}
	s.commits("2", action("other"))
	s.commit = &source.Commit{Signature: "eve"}
	s.pass("status Stalled=True/VerificationFailed Ready=False/VerificationFailed inventory=1")
	if signed() != "False" {
		t.Errorf("verified %s", signed())
	}
	// A key that is taken away is noticed though the revision is the same.
	s.commits("1", action("git-clone"))
	s.commit = &source.Commit{Signature: "ada"}
	s.pass("try Action/git-clone", "apply Action/git-clone", ready+"1")
	secret.Data = map[string][]byte{"eve": nil}
	if err := s.client.Update(context.Background(), secret); err != nil {
		t.Fatal(err)
	}
	s.pass("status Stalled=True/VerificationFailed Ready=False/VerificationFailed inventory=1")
	s.commit = nil
	s.pass("status Stalled=True/VerificationFailed Ready=False/VerificationFailed inventory=1")
}
