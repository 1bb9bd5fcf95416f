// Command kubernaut is the command line of Kubernaut; it also works as a
// plugin of kubectl.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/kubernaut/kubernaut/internal/cli"
	"github.com/kubernaut/kubernaut/internal/cli/env"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := env.New()
	if err := cli.Root(e, os.Args[0]).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(e.Err, "✗", err)
		code, exit := 1, (*env.Exit)(nil)
		if errors.As(err, &exit) {
			code = exit.Code
		}
		os.Exit(code)
	}
}
