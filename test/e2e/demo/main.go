// Command demo shows a remediation from a pod that ran out of memory to the
// merged pull request that gives it more, on the lab, with nothing pretended.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// names of what the demo makes.
const (
	namespace   = "shop"
	appRepo     = "shop"
	catalogRepo = "catalog"
	manifest    = "deploy/shop.yaml"
)

// demo is the state that the scenes share.
type demo struct {
	*harness.Lab
	// dir keeps the signing key from one run to the next.
	dir, cli string
	begin    time.Time
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	lab, err := harness.Open()
	if err != nil {
		return err
	}
	d := &demo{Lab: lab, dir: filepath.Join(filepath.Dir(lab.Kubeconfig), "demo"), begin: time.Now()}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	if d.cli, err = d.Build(ctx, d.dir, "./cmd/kubernaut"); err != nil {
		return err
	}
	for _, scene := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Build the actions and the controller, push and sign them", d.publish},
		{"Install Kubernaut and say whose signatures count", d.install},
		{"An application and a catalog, each in its repository", d.repositories},
		{"The application runs out of memory", d.incident},
		{"Run the catalog's workflow", d.remediate},
		{"Merge it, as its reviewer would", d.merge},
	} {
		fmt.Printf("\n\033[1m%s\033[0m  (%.0fs)\n", scene.title, time.Since(d.begin).Seconds())
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(scene.title), err)
		}
	}
	d.next()
	return nil
}

// kubernaut types a command, shows it, and returns what it printed as data.
func (d *demo) kubernaut(ctx context.Context, show bool, args ...string) (string, error) {
	fmt.Println("$ kubernaut", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, d.cli, args...)
	cmd.Dir = d.Root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.Kubeconfig, "COSIGN_PASSWORD=demo")
	cmd.Stderr = os.Stdout
	if show {
		cmd.Stdout = os.Stdout
		return "", cmd.Run()
	}
	out, err := cmd.Output()
	return string(out), err
}

func (d *demo) next() {
	fmt.Printf(`
Done in %.0f seconds. The lab stays up; try:

  export KUBECONFIG=%s
  %s get all -n %s
  %s tree -n %s <execution>
  %s events -n %s <execution>
  %s check

The forge is %s, user %s, password %s.
`, time.Since(d.begin).Seconds(), d.Kubeconfig, d.cli, namespace, d.cli, namespace, d.cli, namespace, d.cli, d.Forge.URL, d.Forge.User, d.Forge.Password)
	fmt.Println("'make demo-clean' takes everything down.")
}
