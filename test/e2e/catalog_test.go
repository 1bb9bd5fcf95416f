package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// changes splits a diff into the lines that go and those that come.
func changes(diff string) (minus, plus []string) {
	for line := range strings.Lines(diff) {
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		case strings.HasPrefix(line, "-"):
			minus = append(minus, line)
		case strings.HasPrefix(line, "+"):
			plus = append(plus, line)
		}
	}
	return minus, plus
}

// settle asks for a reconciliation and waits until the Catalog has handled it.
func (s setting) settle(t *testing.T) *v1alpha1.Catalog {
	t.Helper()
	c := &v1alpha1.Catalog{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "shop"}}
	token := time.Now().Format(time.RFC3339Nano)
	poke := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"`+token+`"}}}`))
	if err := shared.Client.Patch(t.Context(), c, poke); err != nil {
		t.Fatal(err)
	}
	err := harness.Until(t.Context(), time.Minute, func(ctx context.Context) error {
		if err := shared.Client.Get(ctx, client.ObjectKeyFromObject(c), c); err != nil {
			return err
		}
		if c.Status.LastHandledReconcileAt != token {
			return fmt.Errorf("handled %q", c.Status.LastHandledReconcileAt)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("the catalog does not handle the request: %v: %s", err, yamlOf(c.Status))
	}
	return c
}

func (s setting) published(t *testing.T) int {
	t.Helper()
	var list v1alpha1.WorkflowList
	if err := shared.Client.List(t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}
	return len(list.Items)
}

const small = "apiVersion: kubernaut.ai/v1alpha1\nkind: Workflow\nmetadata:\n  name: %s\nspec:\n  version: v1.0.0\n  steps:\n    - {name: a, action: restart-pod, inputs: {namespace: x, resource_name: y}}\n"

// A bad revision never unpublishes the last good one, and says where it is bad.
func TestBadRevisions(t *testing.T) {
	s := newSetting(t)
	good := s.settle(t)
	if good.Status.LastAppliedRevision == "" || s.published(t) != 4 {
		t.Fatalf("the good revision is not published: %s", yamlOf(good.Status))
	}
	cycle := strings.Replace(fmt.Sprintf(small, "cycle"), "- {name: a,", "- {name: b, action: restart-pod, runAfter: [a], inputs: {namespace: x, resource_name: y}}\n    - {name: a, runAfter: [b],", 1)
	for name, c := range map[string]struct{ text, reason, says string }{
		"broken-yaml":   {"kind: [Workflow\n", v1alpha1.ReasonBuildFailed, ""},
		"unknown-field": {fmt.Sprintf(small, "unknown") + "  colour: blue\n", v1alpha1.ReasonValidationFailed, "colour"},
		"cycle":         {cycle, v1alpha1.ReasonInvalidDependencyGraph, "a"},
		"same-name":     {fmt.Sprintf(small, "restart-pod"), v1alpha1.ReasonValidationFailed, "restart-pod"},
	} {
		bad := map[string]*string{"catalog/bad.yaml": harness.Text(c.text), "catalog/kustomization.yaml": harness.Text("resources: [actions, workflows, bad.yaml]\n")}
		if err := shared.Commit(t.Context(), s.catalog, "main", name, bad); err != nil {
			t.Fatal(err)
		}
		got := s.settle(t)
		if got.Status.LastAppliedRevision != good.Status.LastAppliedRevision || s.published(t) != 4 {
			t.Errorf("%s: published %s, want the good revision to stay", name, got.Status.LastAppliedRevision)
		}
		if !hasFinding(got.Status.Findings, c.reason, c.says) {
			t.Errorf("%s: findings %s, want %s in bad.yaml with a line and %q", name, yamlOf(got.Status.Findings), c.reason, c.says)
		}
		for _, f := range got.Status.Findings {
			t.Logf("%s: %s:%d %s: %s", name, f.File, f.Line, f.Reason, f.Message)
		}
	}
}

func hasFinding(findings []v1alpha1.Finding, reason, says string) bool {
	for _, f := range findings {
		if f.Reason == reason && f.Line > 0 && strings.Contains(f.File+f.Message, "bad.yaml") && strings.Contains(f.Message, says) {
			return true
		}
	}
	return false
}

// A history that was rewritten is followed if it is good; a workflow that left
// the catalog is pruned.
func TestRewrittenHistory(t *testing.T) {
	s := newSetting(t)
	s.settle(t)
	files, err := shared.CatalogFiles(shared.actions)
	if err != nil {
		t.Fatal(err)
	}
	files["catalog/workflows/kustomization.yaml"] = harness.Text("resources: [restart-pod.yaml]\n")
	if err := shared.NewRepo(t.Context(), s.catalog, false); err != nil {
		t.Fatal(err)
	}
	if err := shared.Commit(t.Context(), s.catalog, "main", "another history", files); err != nil {
		t.Fatal(err)
	}
	if c := s.settle(t); s.published(t) != 1 {
		t.Errorf("%d workflows are published, want 1: %s", s.published(t), yamlOf(c.Status))
	}
}

// A repository that is empty or does not answer is told apart, and takes
// nothing away.
func TestSourceAway(t *testing.T) {
	s := newSetting(t)
	good := s.settle(t)
	if err := shared.NewRepo(t.Context(), s.catalog, true); err != nil {
		t.Fatal(err)
	}
	c := s.settle(t)
	if got := ready(c); got.Reason != v1alpha1.ReasonEmptySource || s.published(t) != 4 {
		t.Errorf("an empty repository: %s: %q with %d workflows, want %s and 4", got.Reason, got.Message, s.published(t), v1alpha1.ReasonEmptySource)
	}
	away := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"git":{"url":"http://10.88.0.1:9/nobody/home.git"}}}`))
	if err := shared.Client.Patch(t.Context(), c, away); err != nil {
		t.Fatal(err)
	}
	c = s.settle(t)
	if got := ready(c); got.Status != metav1.ConditionFalse || got.Reason != v1alpha1.ReasonFetchFailed {
		t.Errorf("an unreachable repository: %s: %q, want %s", got.Reason, got.Message, v1alpha1.ReasonFetchFailed)
	}
	if c.Status.LastAppliedRevision != good.Status.LastAppliedRevision || s.published(t) != 4 {
		t.Errorf("published %s with %d workflows, want the good revision to stay", c.Status.LastAppliedRevision, s.published(t))
	}
}

// Where signatures are required, an unsigned commit is not published.
func TestUnsignedCommit(t *testing.T) {
	s := newSetting(t)
	good := s.settle(t)
	keys := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "signers"},
		StringData: map[string]string{"release.pub": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIBk1Yk8bS5rJmYwLhqoGX4pSkyG8WbF5VxDn5mXvJ9q release@example.com\n"}}
	if err := shared.Client.Create(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	require := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"git":{"verify":{"mode":"HEAD","secretRef":{"name":"signers"}}}}}`))
	if err := shared.Client.Patch(t.Context(), good, require); err != nil {
		t.Fatal(err)
	}
	if err := shared.Commit(t.Context(), s.catalog, "main", "unsigned", map[string]*string{"README.md": harness.Text("changed\n")}); err != nil {
		t.Fatal(err)
	}
	c := s.settle(t)
	if got := ready(c); got.Reason != v1alpha1.ReasonVerificationFailed || s.published(t) != 4 {
		t.Errorf("an unsigned commit: %s: %q with %d workflows, want %s and 4", got.Reason, got.Message, s.published(t), v1alpha1.ReasonVerificationFailed)
	}
}

func ready(c *v1alpha1.Catalog) metav1.Condition {
	for _, x := range c.Status.Conditions {
		if x.Type == v1alpha1.ConditionReady {
			return x
		}
	}
	return metav1.Condition{}
}
