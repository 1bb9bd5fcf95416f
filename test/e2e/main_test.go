// Package e2e holds Kubernaut against a real cluster, registry and forge.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// world is what all tests share: one installation, one controller, one key.
type world struct {
	*harness.Lab
	controller *harness.Controller
	actions    map[string]verify.Image
	dir        string
}

// shared is made once, before the first test.
var shared *world

// patience is how long a run waits for another one on the same lab: a whole run
// takes ten minutes, and 'go test' counts the waiting into its own timeout.
const patience = 20 * time.Minute

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func prepare(m *testing.M) (int, error) {
	ctx := context.Background()
	lab, err := harness.Open()
	if err != nil {
		return 1, err
	}
	if err := lab.Reserve(patience); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "kubernaut-e2e-")
	if err != nil {
		return 1, err
	}
	shared = &world{Lab: lab, dir: dir}
	if err := lab.Install(ctx, ""); err != nil {
		return 1, err
	}
	if shared.actions, err = lab.Actions(ctx, dir); err != nil {
		return 1, err
	}
	if err := lab.Policy(ctx, "e2e", lab.Registry+"/e2e/**", lab.PublicKey); err != nil {
		return 1, err
	}
	if shared.controller, err = lab.Controller(ctx, dir); err != nil {
		return 1, err
	}
	if err := shared.controller.Start(ctx); err != nil {
		return 1, err
	}
	code := m.Run()
	err = errors.Join(lab.Emptied(ctx), shared.controller.Kill())
	if code == 0 {
		_ = os.RemoveAll(dir) // kept after a failure, for its logs
	} else {
		fmt.Fprintln(os.Stderr, "e2e: the controller's log is", shared.controller.Log())
	}
	return code, err
}

// Who comes second waits, and is told for whom.
func TestTheLabIsReserved(t *testing.T) {
	second, err := harness.Open()
	if err != nil {
		t.Fatal(err)
	}
	err = second.Reserve(time.Millisecond)
	if want := fmt.Sprintf("in use by process %d in %s", os.Getpid(), shared.Root); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a second run may begin: %v, want %q", err, want)
	}
}
