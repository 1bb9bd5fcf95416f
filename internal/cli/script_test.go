package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/rogpeppe/go-internal/testscript"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/cli/env"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, namespace: shop}}]
clusters: [{name: test, cluster: {server: "https://127.0.0.1:1"}}]
`

// TestScripts runs each script of testdata with a cluster of its own, which
// holds the objects of the script's objects.yaml. Once a run is watched, it goes
// through the statuses of the script's progress.yaml.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(s *testscript.Env) error {
			s.Values[clusterKey{}] = &cluster{dir: s.WorkDir}
			if err := serve(t, s); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(s.WorkDir, "kubeconfig"), []byte(kubeconfig), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"kubernaut": call, "push": push, "policy": trust, "expand": expand, "exits": exits},
	})
}

// call is the command kubernaut of the scripts.
func call(ts *testscript.TestScript, neg bool, args []string) {
	flags := genericclioptions.NewConfigFlags(true)
	*flags.KubeConfig = ts.MkAbs("kubeconfig")
	e := &env.Env{In: bytes.NewReader(nil), Out: ts.Stdout(), Err: ts.Stderr(), Flags: flags, Getenv: ts.Getenv}
	server := ts.Value(clusterKey{}).(*cluster)
	server.watched = false
	e.Cluster = server.open
	root := Root(e, "kubernaut")
	root.SetArgs(args)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := root.ExecuteContext(ctx)
	server.code = 0
	if err != nil {
		fmt.Fprintln(e.Err, "✗", err)
		server.code = 1
	}
	if exit := (*env.Exit)(nil); errors.As(err, &exit) {
		server.code = exit.Code
	}
	if (err != nil) != neg {
		ts.Fatalf("kubernaut %v: error %v", args, err)
	}
}

type clusterKey struct{}

// cluster is a script's API server.
type cluster struct {
	dir      string
	client   client.WithWatch
	watched  bool
	code     int
	progress []client.Object
}

func (c *cluster) open() (client.WithWatch, error) {
	if c.client != nil {
		return c.client, nil
	}
	scheme, err := env.Scheme()
	if err != nil {
		return nil, err
	}
	objects, err := load(scheme, filepath.Join(c.dir, "objects.yaml"))
	if err != nil {
		return nil, err
	}
	if c.progress, err = load(scheme, filepath.Join(c.dir, "progress.yaml")); err != nil {
		return nil, err
	}
	c.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.WorkflowExecution{}, &v1alpha1.Catalog{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: create, Watch: c.watch, Get: c.get, Patch: answer}).Build()
	return c.client, nil
}

// create knows who asks.
func create(ctx context.Context, in client.WithWatch, o client.Object, opts ...client.CreateOption) error {
	if me, ok := o.(*authenticationv1.SelfSubjectReview); ok {
		me.Status.UserInfo.Username = "jane@example.com"
		return nil
	}
	return in.Create(ctx, o, opts...)
}

func (c *cluster) watch(ctx context.Context, in client.WithWatch, l client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
	c.watched = true
	return in.Watch(ctx, l, opts...)
}

// get lets a watched run go on once it was looked at.
func (c *cluster) get(ctx context.Context, in client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if err := in.Get(ctx, key, o, opts...); err != nil {
		return err
	}
	we, ok := o.(*v1alpha1.WorkflowExecution)
	if !ok || !c.watched || we.Status.CompletedAt != nil {
		return nil
	}
	next := we.DeepCopy()
	for _, p := range c.progress {
		next.Status = p.(*v1alpha1.WorkflowExecution).Status
		if err := in.Status().Update(ctx, next); err != nil {
			return err
		}
	}
	c.progress = nil
	return nil
}

// answer does what a controller does about a request to reconcile.
func answer(ctx context.Context, in client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	if err := in.Patch(ctx, o, p, opts...); err != nil {
		return err
	}
	token, asked := meta.ReconcileAnnotationValue(o.GetAnnotations())
	switch x := o.(type) {
	case *v1alpha1.Catalog:
		x.Status.LastHandledReconcileAt = token
	case *v1alpha1.WorkflowExecution:
		x.Status.LastHandledReconcileAt = token
	default:
		return nil
	}
	if !asked {
		return nil
	}
	return in.Status().Update(ctx, o)
}

func load(scheme *runtime.Scheme, file string) ([]client.Object, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var out []client.Object
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
	defer documents.Close()
	for buffer := make([]byte, 1<<20); ; {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		o, _, err := decoder.Decode(buffer[:n], nil, nil)
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", file, err)
		}
		out = append(out, o.(client.Object))
	}
}
