package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Controller is the product's controller as a process of its own, with the
// rights of its ServiceAccount and no other.
type Controller struct {
	lab    *Lab
	binary string
	config string
	// address of its health endpoint and, if it has one, of its metrics.
	health, metrics string
	args            []string
	log             *os.File
	cmd             *exec.Cmd
	ended           chan error
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
	log, err := openLog(dir, "controller")
	// Policies without a key that name no TrustRoot mean the lab's Sigstore.
	args := []string{"--trusted-root=" + l.Sigstore.TrustedRoot}
	return &Controller{lab: l, binary: binary, config: config, health: health, metrics: "0", args: args, log: log}, err
}

func openLog(dir, name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// Through prepares another process of the same program with the same rights,
// that works in one namespace alone and reaches the API server through a proxy.
func (c *Controller) Through(p *Proxy) (*Controller, error) {
	raw, err := clientcmd.LoadFromFile(c.config)
	if err != nil {
		return nil, err
	}
	for _, one := range raw.Clusters {
		one.Server, one.CertificateAuthority, one.CertificateAuthorityData = p.URL, "", nil
	}
	raw.AuthInfos = nil
	for _, one := range raw.Contexts {
		one.AuthInfo = ""
	}
	out := *c
	dir := filepath.Dir(c.config)
	out.config = filepath.Join(dir, p.namespace+".kubeconfig")
	if err := clientcmd.WriteToFile(*raw, out.config); err != nil {
		return nil, err
	}
	out.args = append(slices.Clone(c.args), "--watch-namespace="+p.namespace)
	// The loopback network is large: an address of its own and ports that nobody
	// is given by chance cannot be taken while the process is down.
	n := c.lab.sites.Add(1)
	host := fmt.Sprintf("127.77.%d.%d:", n/256, n%256)
	out.health, out.metrics = host+"18081", host+"18080"
	out.log, err = openLog(dir, p.namespace)
	return &out, err
}

// Reconciles reads how often each of the process's controllers has reconciled.
func (c *Controller) Reconciles(ctx context.Context) (map[string]int, error) {
	text, err := ask(ctx, "http://"+c.metrics+"/metrics")
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for line := range strings.Lines(text) {
		var name string
		labels, value, _ := strings.Cut(strings.TrimPrefix(line, "controller_runtime_reconcile_total{"), "} ")
		if _, name, _ = strings.Cut(labels, `controller="`); !strings.HasPrefix(line, "controller_runtime_reconcile_total{") {
			continue
		}
		name, _, _ = strings.Cut(name, `"`)
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return nil, fmt.Errorf("read metric %q: %w", line, err)
		}
		out[name] += int(n)
	}
	return out, nil
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

// health is where the shared controller is asked whether it is ready.
const health = "127.0.0.1:18081"

// Start starts the process and waits until it is ready.
func (c *Controller) Start(ctx context.Context) error {
	c.cmd = exec.Command(c.binary, append([]string{"--metrics-addr=" + c.metrics, "--health-addr=" + c.health, "--insecure-registries=" + c.lab.Registry}, c.args...)...)
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
		_, err := ask(ctx, "http://"+c.health+"/readyz")
		return err
	})
}

// ask reads a page.
func ask(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(resp.Status)
	}
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// Kill ends the process as a crash would.
func (c *Controller) Kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return err
	}
	<-c.ended
	return nil
}
