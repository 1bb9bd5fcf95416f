// Command action is the one binary inside every built-in action image, started
// as "/action-entrypoint <action name>".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
	"k8s.io/client-go/rest"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// apiTimeout bounds one request to the API server.
const apiTimeout = 30 * time.Second

func main() {
	os.Exit(start(os.Args[1:], v1alpha1.ContractPath))
}

func start(args []string, contractPath string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	p := entry.Process{Getenv: os.Getenv, Stdin: stdin(), Stdout: os.Stdout, Stderr: os.Stderr, Kube: kube}
	built, err := choose(args, contractPath)
	if err != nil {
		return entry.Fail(p, err)
	}
	return entry.Main(ctx, built.Action, p)
}

// choose finds the action by argument, or without one by the image's contract.
// Where the image has a contract, it must be this program's own: the gate has
// checked inputs and rights against it.
func choose(args []string, contractPath string) (entry.Built, error) {
	document, err := os.ReadFile(contractPath)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return entry.Built{}, fmt.Errorf("read contract: %w", err)
	}
	inImage := err == nil
	var name string
	switch {
	case len(args) == 1:
		name = args[0]
	case len(args) == 0 && inImage:
		c, err := contract.Parse(document)
		if err != nil {
			return entry.Built{}, run.Refuse(v1alpha1.ReasonContractInvalid, "read %s: %v", contractPath, err)
		}
		name = c.Metadata.Name
	default:
		return entry.Built{}, run.Refuse(v1alpha1.ReasonInvalidParameters, "choose action: wanted one argument, the name of one of %s", names())
	}
	built, ok := actions.Find(forges, name)
	if !ok {
		return entry.Built{}, run.Refuse(v1alpha1.ReasonInvalidParameters, "choose action: found %q, wanted one of %s", name, names())
	}
	if inImage && string(document) != built.Document {
		return entry.Built{}, run.Refuse(v1alpha1.ReasonContractMismatch,
			"choose action: %s is not the contract of %s in this program; rebuild the image", contractPath, name)
	}
	return built, nil
}

func names() string {
	var list []string
	for _, b := range actions.All(nil) {
		list = append(list, b.Action.Contract().Metadata.Name)
	}
	return strings.Join(list, ", ")
}

// stdin is nil for a terminal, at which nobody would know that input is waited for.
func stdin() io.Reader {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	return os.Stdin
}

func kube() (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, run.Refuse(v1alpha1.ReasonPreconditionFailed, "read service account: %v", err)
	}
	config.Timeout = apiTimeout
	config.UserAgent = "kubernaut-action"
	return config, nil
}
