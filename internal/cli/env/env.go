// Package env is what a verb may touch: streams, the cluster, variables.
package env

import (
	"fmt"
	"io"
	"os"

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
	// Terminal says whether Out is looked at by a person.
	Terminal bool
	// Flags are kubectl's: --kubeconfig, --context, --namespace and so on.
	Flags *genericclioptions.ConfigFlags
	// Getenv reads a variable.
	Getenv func(string) string
	// Cluster connects; tests put a client of their own here.
	Cluster func() (client.WithWatch, error)
}

// New returns the Env of a process.
func New() *Env {
	e := &Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stdout.Fd())),
		Flags: genericclioptions.NewConfigFlags(true).WithWarningPrinter(genericclioptions.IOStreams{ErrOut: os.Stderr}), Getenv: os.Getenv,
	}
	e.Cluster = e.connect
	return e
}

// Config finds the cluster.
func (e *Env) Config() (*rest.Config, error) {
	config, err := e.Flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (kubeconfig %q, context %q): %w: set KUBECONFIG or --kubeconfig", *e.Flags.KubeConfig, *e.Flags.Context, err)
	}
	config.QPS = -1
	return config, nil
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
