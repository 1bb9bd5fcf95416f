// Package harness puts Kubernaut onto a real cluster for end-to-end tests and
// the demo, and looks at the outcome from outside.
package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
)

// Lab is a running lab, as its env.json tells.
type Lab struct {
	Kubeconfig string `json:"kubeconfig"`
	Registry   string `json:"registry"`
	AuditLog   string `json:"auditLog"`
	Forge      struct {
		URL      string `json:"url"`
		User     string `json:"user"`
		Password string `json:"password"`
		Token    string `json:"token"`
	} `json:"forge"`
	Sigstore Sigstore `json:"sigstore"`

	// Config and Client act as the cluster's administrator.
	Config *rest.Config     `json:"-"`
	Client client.WithWatch `json:"-"`
	// Images is the door to the lab's registry.
	Images *image.Registry `json:"-"`
	// Root is the folder of the product's module.
	Root string `json:"-"`
	// Signer signs what Publish pushes; PublicKey is its PEM.
	Signer    *sign.Signer `json:"-"`
	PublicKey []byte       `json:"-"`

	// path of env.json, and the lock that keeps the lab for this process.
	path     string
	reserved *os.File
	// sites numbers the controllers that work in one namespace alone.
	sites atomic.Int32
}

// Open reads where the lab is from the file that KUBERNAUT_LAB names.
func Open() (*Lab, error) {
	path := os.Getenv("KUBERNAUT_LAB")
	if path == "" {
		path = "/var/lib/kubernaut-lab/env.json"
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the lab is not up: run 'make lab-up' first: %w", err)
	}
	l := &Lab{path: path}
	if err := json.Unmarshal(data, l); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if l.Config, err = clientcmd.BuildConfigFromFlags("", l.Kubeconfig); err != nil {
		return nil, err
	}
	l.Config.QPS = -1
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	if l.Client, err = client.NewWithWatch(l.Config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	l.Images = image.New(image.Options{Insecure: []string{l.Registry}})
	if l.Root, err = moduleRoot(); err != nil {
		return nil, err
	}
	return l, l.keys()
}

// Reserve keeps the lab for this process until it ends, however it ends: two
// runs on one lab install over each other and stop each other's controllers. It
// says on stderr whom it waits for, and gives up after limit.
func (l *Lab) Reserve(limit time.Duration) error {
	path := l.path + ".lock"
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("reserve the lab: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = await(file, limit)
	}
	if err != nil {
		return fmt.Errorf("reserve the lab by %s: %w", path, err)
	}
	l.reserved = file // closed, it would be free
	who := fmt.Sprintf("process %d in %s, since %s\n", os.Getpid(), l.Root, time.Now().UTC().Format(time.RFC3339))
	return errors.Join(file.Truncate(0), write(file, who))
}

// await takes the lock once its holder lets go of it.
func await(file *os.File, limit time.Duration) error {
	holder, err := os.ReadFile(file.Name())
	if err != nil {
		return err
	}
	who := strings.TrimSpace(string(holder))
	fmt.Fprintf(os.Stderr, "the lab is in use by %s: waiting for its end, at most %s\n", who, limit)
	free := make(chan error, 1)
	go func() { free <- syscall.Flock(int(file.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-free:
		return err
	case <-time.After(limit):
		return fmt.Errorf("it is in use by %s, still after %s: end that one, or wait for it", who, limit)
	}
}

func write(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.tools.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("not inside the product's source tree")
}

func (l *Lab) keys() error {
	private, public, err := sign.GenerateKeyPair([]byte("lab"))
	if err != nil {
		return err
	}
	l.Signer, err = sign.LoadSigner(private, []byte("lab"))
	l.PublicKey = public
	return err
}

// Build compiles a program of the module without cgo into dir.
func (l *Lab) Build(ctx context.Context, dir, pkg string) (string, error) {
	out := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir, cmd.Env = l.Root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, text)
	}
	return out, nil
}

// Until asks every 50 ms until the answer is nil, at most for limit. It is the
// one place where tests wait.
func Until(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, err)
		case <-tick.C:
		}
	}
}
