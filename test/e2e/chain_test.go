package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// application is a manifest with what people leave in manifests.
const application = `# The web shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop   # do not rename
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: sidecar
          image: example.com/sidecar:v1
          resources: {limits: {memory: 32Mi}}
        - name: shop
          image: "example.com/shop:v3"
          resources:
            limits:
              memory: 64Mi # raised twice already
`

// setting is a namespace with a catalog and an application's repository.
type setting struct {
	namespace, app, catalog string
}

func newSetting(t *testing.T) setting {
	t.Helper()
	ctx := t.Context()
	ns := namespace(t)
	s := setting{namespace: ns, app: ns + "-app", catalog: ns + "-catalog"}
	files, err := shared.CatalogFiles(shared.actions)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		shared.NewRepo(ctx, s.app, false), shared.NewRepo(ctx, s.catalog, false),
		shared.Commit(ctx, s.app, "main", "the application", map[string]*string{"deploy/shop.yaml": harness.Text(application)}),
		shared.Commit(ctx, s.catalog, "main", "the catalog", files),
		shared.Credentials(ctx, ns),
		shared.Client.Create(ctx, &v1alpha1.Catalog{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shop"}, Spec: v1alpha1.CatalogSpec{
			Interval: metav1.Duration{Duration: time.Hour}, Path: "catalog",
			Git: &v1alpha1.GitSource{URL: shared.CloneURL(s.catalog), SecretRef: &v1alpha1.LocalReference{Name: "git-credentials"}},
		}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// raise creates a run of the shipped workflow.
func (s setting) raise(t *testing.T, name, memory string) *v1alpha1.WorkflowExecution {
	t.Helper()
	we := &v1alpha1.WorkflowExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec: v1alpha1.WorkflowExecutionSpec{
			WorkflowRef: &v1alpha1.LocalReference{Name: "raise-memory-limit"}, Reason: "shop was killed at its memory limit",
			Parameters: raw(map[string]string{
				"repository": shared.CloneURL(s.app), "file": "deploy/shop.yaml", "deployment": "shop", "container": "shop", "memory": memory,
			}),
		},
	}
	if err := shared.Client.Create(t.Context(), we); err != nil {
		t.Fatal(err)
	}
	return we
}

// The first-class chain: four Jobs from four signed digests, one volume that
// is gone at the end, one pull request with just the intended line.
func TestChainOpensPullRequest(t *testing.T) {
	s := newSetting(t)
	we := s.raise(t, "raise", "128Mi")
	finish(t, we, 2*time.Minute)
	if we.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Fatalf("phase %s: %s", we.Status.Phase, yamlOf(we.Status))
	}
	s.fourJobs(t, we)
	pull := s.onePull(t)
	s.intended(t, pull, "-              memory: 64Mi # raised twice already\n", "+              memory: 128Mi # raised twice already\n")
	for _, want := range []string{"shop was killed at its memory limit", "raise-memory-limit", shared.actions["yaml-patch"].Digest, "revert"} {
		if !strings.Contains(pull.Body, want) {
			t.Errorf("the pull request's body lacks %q:\n%s", want, pull.Body)
		}
	}
	s.volumeGone(t)
	s.noCanary(t, we, pull)
	if err := shared.Merge(t.Context(), s.app, pull.Number); err != nil {
		t.Fatal(err)
	}
	s.state(t, we, "Merged")
}

func (s setting) fourJobs(t *testing.T, we *v1alpha1.WorkflowExecution) {
	t.Helper()
	j, _ := jobs(t, s.namespace)
	seen := map[string]bool{}
	for _, job := range j {
		seen[job.Spec.Template.Spec.Containers[0].Image] = true
	}
	if len(j) != 4 || len(seen) != 4 {
		t.Errorf("%d Jobs with %d images, want 4 of each", len(j), len(seen))
	}
	for _, name := range []string{"git-clone", "yaml-patch", "git-commit", "git-push-pr"} {
		if !seen[shared.actions[name].String()] {
			t.Errorf("no Job ran the signed digest of %s", name)
		}
	}
}

func (s setting) onePull(t *testing.T) harness.Pull {
	t.Helper()
	pulls, err := shared.Pulls(t.Context(), s.app)
	if err != nil || len(pulls) != 1 {
		t.Fatalf("%d pull requests (%v), want 1", len(pulls), err)
	}
	if n, err := shared.Commits(t.Context(), s.app, pulls[0].Head.Ref); err != nil || n != 3 {
		t.Errorf("the branch has %d commits (%v), want the repository's 2 and ours", n, err)
	}
	return pulls[0]
}

// intended asserts that a diff removes and adds the given lines and no other.
func (s setting) intended(t *testing.T, pull harness.Pull, minus, plus string) {
	t.Helper()
	diff, err := shared.Diff(t.Context(), s.app, pull.Number)
	if err != nil {
		t.Fatal(err)
	}
	var changed string
	for line := range strings.Lines(diff) {
		if (strings.HasPrefix(line, "-") || strings.HasPrefix(line, "+")) && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "+++") {
			changed += line
		}
	}
	if changed != minus+plus {
		t.Errorf("the pull request changes\n%swant\n%s%s", changed, minus, plus)
	}
}

func (s setting) volumeGone(t *testing.T) {
	t.Helper()
	err := harness.Until(t.Context(), 30*time.Second, func(ctx context.Context) error {
		var list corev1.PersistentVolumeClaimList
		if err := shared.Client.List(ctx, &list, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		if len(list.Items) > 0 {
			return errors.New("the claim " + list.Items[0].Name + " is still there")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// state waits until the PullRequest object tells a state.
func (s setting) state(t *testing.T, we *v1alpha1.WorkflowExecution, want string) {
	t.Helper()
	if we.Status.PullRequest == nil {
		t.Fatal("the run names no pull request")
	}
	pr := &v1alpha1.PullRequest{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: we.Status.PullRequest.Name}}
	poke := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"`+time.Now().Format(time.RFC3339Nano)+`"}}}`))
	if err := shared.Client.Patch(t.Context(), pr, poke); err != nil {
		t.Fatal(err)
	}
	err := harness.Until(t.Context(), 30*time.Second, func(ctx context.Context) error {
		if err := shared.Client.Get(ctx, client.ObjectKeyFromObject(pr), pr); err != nil {
			return err
		}
		if pr.Status.State != want {
			return errors.New("the pull request is " + pr.Status.State)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v, want %s: %s", err, want, yamlOf(pr.Status))
	}
}
