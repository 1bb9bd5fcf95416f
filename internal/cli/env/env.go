// Package env is what a verb may touch: streams, the cluster, variables.
package env

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Env is handed to every verb.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	// Terminal says whether Out is looked at by a person; Size is its width and height.
	Terminal bool
	Size     func() (width, height int)
	// Flags are kubectl's: --kubeconfig, --context, --namespace and so on.
	Flags *genericclioptions.ConfigFlags
	// Getenv reads a variable.
	Getenv func(string) string
	// Environ is what programs that a verb starts inherit.
	Environ func() []string
	// Cluster connects; tests put a client of their own here.
	Cluster func() (client.WithWatch, error)
}

// New returns the Env of a process.
func New() *Env {
	e := &Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stdout.Fd())),
		Flags: genericclioptions.NewConfigFlags(true).WithWarningPrinter(genericclioptions.IOStreams{ErrOut: os.Stderr}), Getenv: os.Getenv, Environ: os.Environ,
	}
	e.Size = func() (int, int) {
		width, height, err := term.GetSize(int(os.Stdout.Fd()))
		if err != nil {
			return 80, 24
		}
		return width, height
	}
	e.Cluster = e.connect
	return e
}

// Config finds the cluster.
func (e *Env) Config() (*rest.Config, error) {
	config, err := e.Flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster of %s: %w: set KUBECONFIG or --kubeconfig", e.where(), err)
	}
	config.QPS = -1
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return explained{next, e.where()} })
	return config, nil
}

// explained says which settings led to a cluster that does not answer.
type explained struct {
	next  http.RoundTripper
	where string
}

// RoundTrip is http.RoundTripper.
func (x explained) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := x.next.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster of %s: %w", x.where, err)
	}
	return response, nil
}

// where names the context and the files that it is looked for in.
func (e *Env) where() string {
	loader := e.Flags.ToRawKubeConfigLoader()
	name := *e.Flags.Context
	if raw, err := loader.RawConfig(); err == nil && name == "" {
		name = raw.CurrentContext
	}
	return fmt.Sprintf("context %q in kubeconfig %s", name, strings.Join(loader.ConfigAccess().GetLoadingPrecedence(), ", "))
}

// Open connects and finds the namespace.
func (e *Env) Open() (client.WithWatch, string, error) {
	c, err := e.Cluster()
	if err != nil {
		return nil, "", err
	}
	ns, err := e.Namespace()
	return c, ns, err
}

func (e *Env) connect() (client.WithWatch, error) {
	config, err := e.Config()
	if err != nil {
		return nil, err
	}
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return c, nil
}

// Scheme knows Kubernetes' kinds and ours.
func Scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		return nil, err
	}
	return s, v1alpha1.AddToScheme(s)
}

// Namespace is the one that the flags or the kubeconfig name.
func (e *Env) Namespace() (string, error) {
	ns, _, err := e.Flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("find the namespace: %w", err)
	}
	return ns, nil
}

// Say tells a person what goes on.
func (e *Env) Say(format string, args ...any) { fmt.Fprintf(e.Err, format+"\n", args...) }
