package catalog

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions/check"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// site is a namespace "ops" with a Catalog "main", a source that can be
// changed and a list of every write.
type site struct {
	t      *testing.T
	client client.WithWatch
	events *events.FakeRecorder
	r      *Reconciler
	writes []string
	// fail answers writes, such as "try Workflow/fix", with an error.
	fail map[string]error

	revision string
	tree     fstest.MapFS
	commit   *source.Commit
	fetchErr error
	openErr  error
	fetched  []string // what the source was told is known already
	closed   int
}

func newSite(t *testing.T, objects ...client.Object) *site {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &site{t: t, events: events.NewFakeRecorder(100), fail: map[string]error{}}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields().
		WithStatusSubresource(&v1alpha1.Catalog{}, &v1alpha1.Action{}, &v1alpha1.Workflow{}).
		WithObjects(objects...).WithInterceptorFuncs(s.interceptor()).Build()
	s.r = newReconciler(s.client, s.client, Required{
		Open: func(context.Context, *v1alpha1.Catalog) (source.Source, error) { return s, s.openErr },
		Verify: func(c source.Commit, keys map[string][]byte) (string, error) {
			if _, ok := keys[c.Signature]; !ok {
				return "", run.Refuse(v1alpha1.ReasonVerificationFailed, "commit is signed by %q", c.Signature)
			}
			return c.Signature, nil
		},
	}, Options{
		Now:    func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Jitter: func(d time.Duration) time.Duration { return d },
		As: func(_, account string) (client.Client, error) {
			s.writes = append(s.writes, "as "+account)
			return s.client, nil
		},
	})
	s.r.record = record.New(s.client, s.events)
	return s
}

// Fetch makes the site the source.
func (s *site) Fetch(_ context.Context, have string) (source.Snapshot, error) {
	s.fetched = append(s.fetched, have)
	if s.fetchErr != nil {
		return source.Snapshot{}, s.fetchErr
	}
	snapshot := source.Snapshot{Revision: s.revision, Commit: s.commit, Close: func() error { s.closed++; return nil }}
	if have != s.revision {
		snapshot.Tree = s.tree
	}
	return snapshot, nil
}

func (s *site) note(what string) error {
	s.writes = append(s.writes, what)
	return s.fail[what]
}

func (s *site) interceptor() interceptor.Funcs {
	kind := func(o client.Object) string {
		return strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", o), "*v1alpha1."), "*unstructured.") + "/" + o.GetName()
	}
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := s.note("create " + kind(o)); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := s.note("update " + kind(o)); err != nil {
				return err
			}
			return c.Update(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := s.note("delete " + kind(o)); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if err := s.note("patch " + kind(o)); err != nil {
				return err
			}
			return c.Patch(ctx, o, p, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := s.note(sub + " " + s.summary(o.(*v1alpha1.Catalog))); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
		Apply: s.apply,
	}
}

// apply answers a dry run without writing, as an API server does.
func (s *site) apply(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	u := &unstructured.Unstructured{}
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err
	}
	u.Object = raw
	var options client.ApplyOptions
	options.ApplyOptions(opts)
	verb := "apply"
	if len(options.DryRun) > 0 {
		verb = "try"
	}
	if err := s.note(fmt.Sprintf("%s %s/%s", verb, u.GetKind(), u.GetName())); err != nil || verb == "try" {
		return err
	}
	return c.Apply(ctx, o, opts...)
}

// summary checks that a status is lawful and says what matters of it.
func (s *site) summary(c *v1alpha1.Catalog) string {
	s.t.Helper()
	checker := check.NewChecker(s.client, &check.Conditions{NegativePolarity: []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling}})
	checker.DisableFetch = true
	if fail, _ := checker.Check(context.Background(), c); fail != nil {
		s.t.Errorf("unlawful status: %v\n%+v", fail, c.Status)
	}
	text := ""
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling, v1alpha1.ConditionReady} {
		if found := report.Find(c.Status.Conditions, kind); found != nil {
			text += fmt.Sprintf("%s=%s/%s ", kind, found.Status, found.Reason)
		}
	}
	return fmt.Sprintf("%sinventory=%d", text, len(c.Status.Inventory))
}

// pass reconciles once and compares every write with what is wanted.
func (s *site) pass(want ...string) ctrl.Result {
	s.t.Helper()
	s.writes = nil
	result, err := s.r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key()})
	if err != nil {
		s.writes = append(s.writes, "error "+err.Error())
	}
	if diff := cmp.Diff(want, s.writes); diff != "" {
		s.t.Errorf("writes: %s", diff)
	}
	return result
}

// told returns the events since it was last asked.
func (s *site) told() []string {
	var out []string
	for {
		select {
		case e := <-s.events.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

func key() client.ObjectKey { return client.ObjectKey{Namespace: "ops", Name: "main"} }

func (s *site) catalog() *v1alpha1.Catalog {
	s.t.Helper()
	var c v1alpha1.Catalog
	if err := s.client.Get(context.Background(), key(), &c); err != nil {
		s.t.Fatal(err)
	}
	return &c
}

// change edits the Catalog as a person would.
func (s *site) change(edit func(*v1alpha1.Catalog)) {
	s.t.Helper()
	c := s.catalog()
	edit(c)
	if err := s.client.Update(context.Background(), c); err != nil {
		s.t.Fatal(err)
	}
}

// commits makes the source hold files at a revision.
func (s *site) commits(revision string, files ...string) {
	s.revision, s.tree = "main@sha1:"+revision, fstest.MapFS{}
	for i, content := range files {
		s.tree[fmt.Sprintf("f%d.yaml", i)] = &fstest.MapFile{Data: []byte(content)}
	}
}

func newCatalog() *v1alpha1.Catalog {
	return &v1alpha1.Catalog{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "main", Generation: 1},
		Spec: v1alpha1.CatalogSpec{Interval: metav1.Duration{Duration: 10 * time.Minute}, RetryInterval: &metav1.Duration{Duration: time.Minute},
			Git: &v1alpha1.GitSource{URL: "https://example.com/catalog"}},
		Status: v1alpha1.CatalogStatus{ObservedGeneration: -1},
	}
}

func action(name string) string {
	return "apiVersion: kubernaut.ai/v1alpha1\nkind: Action\nmetadata:\n  name: " + name +
		"\nspec:\n  type: git/clone\n  version: v1.0.0\n  image: registry.example.com/x@sha256:" + strings.Repeat("0", 64) + "\n"
}

func workflow(version, action, input string) string {
	return "apiVersion: kubernaut.ai/v1alpha1\nkind: Workflow\nmetadata:\n  name: fix\nspec:\n  version: " + version +
		"\n  steps:\n  - name: a\n    action: " + action + "\n    inputs:\n      url: " + input + "\n"
}
