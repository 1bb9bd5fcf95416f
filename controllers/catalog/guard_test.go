package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

func (s *site) deletes() {
	s.t.Helper()
	if err := s.client.Delete(context.Background(), s.catalog()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) exists(o client.Object, name string) bool {
	s.t.Helper()
	err := s.client.Get(context.Background(), client.ObjectKey{Namespace: "ops", Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	return err == nil
}

func TestDeletionPolicy(t *testing.T) {
	off := false
	for _, c := range []struct {
		policy string
		prune  *bool
		goes   bool
	}{
		{"MirrorPrune", nil, true}, {"MirrorPrune", &off, false}, {"Delete", &off, true}, {"Orphan", nil, false}, {"", nil, true},
	} {
		t.Run(c.policy, func(t *testing.T) {
			s := published(t)
			s.change(func(o *v1alpha1.Catalog) { o.Spec.DeletionPolicy, o.Spec.Prune = c.policy, c.prune })
			s.deletes()
			want := []string{"patch Catalog/main"}
			if c.goes {
				want = []string{"delete Workflow/fix", "delete Action/git-clone", "patch Catalog/main"}
			}
			s.pass(want...)
			if s.exists(&v1alpha1.Catalog{}, "main") || s.exists(&v1alpha1.Action{}, "git-clone") == c.goes {
				t.Errorf("catalog there: %v, action there: %v", s.exists(&v1alpha1.Catalog{}, "main"), s.exists(&v1alpha1.Action{}, "git-clone"))
			}
		})
	}
}

func TestDeletionWaitsForTheServerButNotForRights(t *testing.T) {
	s := published(t)
	s.deletes()
	s.fail["delete Action/git-clone"] = errors.New("no answer")
	s.pass("delete Workflow/fix", "delete Action/git-clone", "error delete published objects: delete Action git-clone: no answer")
	s.fail["delete Action/git-clone"] = apierrors.NewForbidden(schema.GroupResource{Resource: "actions"}, "git-clone", errors.New("the account is gone"))
	s.pass("delete Action/git-clone", "patch Catalog/main")
	if told := s.told(); len(told) != 1 || !strings.HasPrefix(told[0], "Warning PruneFailed") {
		t.Errorf("events %q", told)
	}
}

func TestSuspend(t *testing.T) {
	s := published(t)
	s.change(func(c *v1alpha1.Catalog) { c.Spec.Suspend = true })
	s.commits("2", action("other"))
	if result := s.pass(); result.RequeueAfter != 0 || len(s.fetched) != 1 {
		t.Errorf("requeue after %s, fetched %v", result.RequeueAfter, s.fetched)
	}
}

func TestRequestedReconcile(t *testing.T) {
	s := published(t)
	s.change(func(c *v1alpha1.Catalog) { c.Annotations = map[string]string{meta.ReconcileRequestAnnotation: "now"} })
	s.pass("try Action/git-clone", "try Workflow/fix", "apply Action/git-clone", "apply Workflow/fix", ready+"2")
	if got := s.catalog().Status.LastHandledReconcileAt; got != "now" {
		t.Errorf("handled %q", got)
	}
	if told := s.told(); len(told) > 0 {
		t.Errorf("events %q", told)
	}
	s.pass()
}

// What somebody else did to a published object is undone though the revision
// is the same.
func TestDrift(t *testing.T) {
	t.Run("deleted", func(t *testing.T) {
		s := published(t)
		if err := s.client.Delete(context.Background(), &v1alpha1.Action{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "git-clone"}}); err != nil {
			t.Fatal(err)
		}
		s.pass("try Action/git-clone", "try Workflow/fix", "apply Action/git-clone", "apply Workflow/fix")
		if !s.exists(&v1alpha1.Action{}, "git-clone") {
			t.Error("the action is still gone")
		}
	})
	t.Run("edited", func(t *testing.T) {
		s := published(t)
		var w v1alpha1.Workflow
		if !s.exists(&w, "fix") {
			t.Fatal("not published")
		}
		w.Spec.Steps[0].Action, w.Spec.Description = "other", "added"
		if err := s.client.Update(context.Background(), &w, client.FieldOwner("somebody")); err != nil {
			t.Fatal(err)
		}
		s.pass("try Action/git-clone", "try Workflow/fix", "apply Action/git-clone", "patch Workflow/fix", "apply Workflow/fix")
		if !s.exists(&w, "fix") || w.Spec.Steps[0].Action != "git-clone" || w.Spec.Description != "" {
			t.Errorf("workflow %+v", w.Spec)
		}
	})
}

// What was published is somebody else's once the labels are gone.
func TestForeignObjectsAreNotPruned(t *testing.T) {
	s := published(t)
	var a v1alpha1.Action
	s.exists(&a, "git-clone")
	a.Labels = nil
	if err := s.client.Update(context.Background(), &a); err != nil {
		t.Fatal(err)
	}
	s.commits("2", workflow("v1.0.0", "git-clone", "x"))
	s.pass("try Workflow/fix", "apply Workflow/fix", ready+"1")
	if !s.exists(&a, "git-clone") {
		t.Error("a foreign object was deleted")
	}
}

func TestPruneFails(t *testing.T) {
	s := published(t)
	s.commits("2", action("git-clone"))
	s.fail["delete Workflow/fix"] = errors.New("no answer")
	failed := "status Reconciling=True/ProgressingWithRetry Ready=False/PruneFailed inventory=2"
	s.pass("try Action/git-clone", "apply Action/git-clone", "delete Workflow/fix", failed)
	s.pass("try Action/git-clone", "apply Action/git-clone", "delete Workflow/fix")
	delete(s.fail, "delete Workflow/fix")
	s.pass("try Action/git-clone", "apply Action/git-clone", "delete Workflow/fix", ready+"1")
}

// Whatever a crash leaves half published is in the inventory.
func TestApplyFailsHalfWay(t *testing.T) {
	s := published(t)
	s.commits("2", action("git-push"), workflow("v1.1.0", "git-push", "x"))
	s.fail["apply Workflow/fix"] = errors.New("no answer")
	s.pass("try Action/git-push", "try Workflow/fix", ready+"3", "apply Action/git-push", "apply Workflow/fix",
		"status Reconciling=True/ProgressingWithRetry Ready=False/ApplyFailed inventory=3")
	delete(s.fail, "apply Workflow/fix")
	s.commits("3", action("git-clone"), workflow("v1.1.0", "git-clone", "x"))
	s.pass("try Action/git-clone", "try Workflow/fix", "apply Action/git-clone", "apply Workflow/fix", "delete Action/git-push", ready+"2")
}

func TestServiceAccount(t *testing.T) {
	c := newCatalog()
	c.Spec.ServiceAccountName = "publisher"
	s := newSite(t, c)
	s.commits("1", action("git-clone"))
	s.pass("patch Catalog/main", progressing, "as publisher", "try Action/git-clone",
		"status Reconciling=True/Progressing Ready=False/Progressing inventory=1", "apply Action/git-clone", ready+"1")
}

func TestWakes(t *testing.T) {
	c := newCatalog()
	c.Spec.Git.SecretRef = &v1alpha1.LocalReference{Name: "git"}
	c.Spec.Git.Verify = &v1alpha1.GitVerification{SecretRef: v1alpha1.LocalReference{Name: "keys"}}
	s := newSite(t, c)
	at := func(namespace, name string) client.Object {
		return &v1alpha1.Action{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{
			v1alpha1.LabelCatalog: "main", v1alpha1.LabelCatalogNamespace: "ops"}}}
	}
	for name, want := range map[string]int{"git": 1, "keys": 1, "other": 0} {
		if got := s.r.catalogsOfSecret(context.Background(), at("ops", name)); len(got) != want {
			t.Errorf("Secret %s wakes %v", name, got)
		}
	}
	if got := catalogOf(context.Background(), at("ops", "x")); len(got) != 1 || got[0].NamespacedName != key() {
		t.Errorf("an object wakes %v", got)
	}
	if got := catalogOf(context.Background(), at("other", "x")); len(got) != 0 {
		t.Errorf("a copy in another namespace wakes %v", got)
	}
	if got := s.r.catalogsOfSource(context.Background(), at("ops", "x")); len(got) != 0 {
		t.Errorf("a source wakes %v", got)
	}
}
