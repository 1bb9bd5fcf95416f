package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/cli/install"
)

// System is the controller's namespace and ServiceAccount.
const (
	System  = "kubernaut-system"
	Account = "kubernaut-controller"
)

// Install applies the lab's overlay; without an image the controller's
// Deployment is left out, for tests that run it as a process of their own.
func (l *Lab) Install(ctx context.Context, controllerImage string) error {
	objects, err := install.Build(filepath.Join(l.Root, "kustomize/overlays/lab"), controllerImage)
	if err != nil {
		return err
	}
	if controllerImage == "" {
		// Two controllers would work on the same objects.
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: System, Name: Account}}
		if err := client.IgnoreNotFound(l.Client.Delete(ctx, d, client.PropagationPolicy(metav1.DeletePropagationForeground))); err != nil {
			return err
		}
		kept := objects[:0]
		for _, o := range objects {
			if o.GetKind() != "Deployment" {
				kept = append(kept, o)
			}
		}
		objects = kept
	}
	return install.Apply(ctx, l.Config, objects, install.Options{Timeout: 2 * time.Minute})
}

// Policy lets images of the lab's registry run that the key signed.
func (l *Lab) Policy(ctx context.Context, name, glob string, key []byte) error {
	p := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"images":      []any{map[string]any{"glob": glob}},
			"authorities": []any{map[string]any{"name": "lab", "key": map[string]any{"data": string(key)}}},
		},
	}}
	return l.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(p), client.FieldOwner("lab"), client.ForceOwnership)
}

// Controller is the product's controller as a process of its own, with the
// rights of its ServiceAccount and no other.
type Controller struct {
	lab    *Lab
	binary string
	config string
	log    *os.File
	cmd    *exec.Cmd
	ended  chan error
}

// Controller prepares the process; Start starts it.
func (l *Lab) Controller(ctx context.Context, dir string) (*Controller, error) {
	binary, err := l.Build(ctx, dir, "./cmd/controller")
	if err != nil {
		return nil, err
	}
	set, err := kubernetes.NewForConfig(l.Config)
	if err != nil {
		return nil, err
	}
	hours := int64(4 * 3600)
	token, err := set.CoreV1().ServiceAccounts(System).CreateToken(ctx, Account,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hours}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask for a token of the controller's account: %w", err)
	}
	raw, err := clientcmd.LoadFromFile(l.Kubeconfig)
	if err != nil {
		return nil, err
	}
	raw.AuthInfos = map[string]*clientcmdapi.AuthInfo{"controller": {Token: token.Status.Token}}
	for _, c := range raw.Contexts {
		c.AuthInfo = "controller"
	}
	config := filepath.Join(dir, "controller.kubeconfig")
	if err := clientcmd.WriteToFile(*raw, config); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "controller.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return &Controller{lab: l, binary: binary, config: config, log: log}, err
}

// Client asks the API server in the name of the controller's ServiceAccount.
func (c *Controller) Client() (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.config)
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: c.lab.Client.Scheme()})
}

// Log is the path of the controller's log.
func (c *Controller) Log() string { return c.log.Name() }

const health = "127.0.0.1:18081"

// Start starts the process and waits until it is ready.
func (c *Controller) Start(ctx context.Context) error {
	c.cmd = exec.Command(c.binary, "--metrics-addr=0", "--health-addr="+health)
	c.cmd.Env = append(os.Environ(), "KUBECONFIG="+c.config, "RUNTIME_NAMESPACE="+System)
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(c.cmd, c.ended)
	return Until(ctx, 30*time.Second, func(ctx context.Context) error {
		select {
		case err := <-c.ended:
			c.ended <- err
			return fmt.Errorf("the controller ended (%v): read %s", err, c.Log())
		default:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}

// Kill ends the process as a crash would.
func (c *Controller) Kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return err
	}
	<-c.ended
	return nil
}

// ownedLabel marks the namespaces that Namespace made.
const ownedLabel = "e2e.kubernaut.ai/owned"

// Emptied waits until the namespaces that are being deleted are gone, which
// takes a controller that releases what it has finalizers on.
func (l *Lab) Emptied(ctx context.Context) error {
	return Until(ctx, 2*time.Minute, func(ctx context.Context) error {
		var list corev1.NamespaceList
		if err := l.Client.List(ctx, &list, client.MatchingLabels{ownedLabel: "true"}); err != nil {
			return err
		}
		for _, ns := range list.Items {
			if !ns.DeletionTimestamp.IsZero() {
				return fmt.Errorf("namespace %s is still there", ns.Name)
			}
		}
		return nil
	})
}

// Namespace makes a namespace.
func (l *Lab) Namespace(ctx context.Context, name string) error {
	err := l.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{ownedLabel: "true"}}})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
