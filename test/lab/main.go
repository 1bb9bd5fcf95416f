// Command lab brings up a real Kubernetes with a registry and a Git forge on a
// bare Debian machine, and takes it down again.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"
)

const usage = `usage: lab <command>

  up               build what is missing, start everything, wait until it is ready
  down [--keep]    stop everything that up started and remove its state (--keep leaves it)
  status           what runs, since when, where its log is
  build            build every binary into the cache
  assets           build Kubernetes alone and print a folder for KUBEBUILDER_ASSETS
  env              print addresses and credentials as JSON
  stop <name>      stop one component
  start <name>     start one component again
`

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		if err == errUsage {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = fmt.Errorf("unknown command; see the usage above")

func dispatch(ctx context.Context, args []string) error {
	l := newLab()
	var command, arg string
	if len(args) > 0 {
		command = args[0]
	}
	if len(args) > 1 {
		arg = args[1]
	}
	switch command {
	case "up":
		return l.up(ctx)
	case "down":
		return l.down(ctx, arg == "--keep")
	case "status":
		return l.status()
	case "build":
		return l.build(ctx, l.binaries()...)
	case "assets":
		return l.assets(ctx)
	case "env":
		return l.printEnv()
	case "stop", "start":
		return l.one(ctx, command, arg)
	case "serve-registry":
		return serveRegistry(ctx, l)
	case "serve-provisioner":
		return serveProvisioner(ctx, l)
	}
	fmt.Fprint(os.Stderr, usage)
	return errUsage
}

// say prints one line of progress with the time since start.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(l.begin).Seconds(), fmt.Sprintf(format, args...))
}

func (l *lab) status() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPID\tSINCE\tREADY\tLOG")
	missing := 0
	for _, c := range l.components() {
		pid, since, ready := "-", "-", "no"
		if r, ok := l.alive(c.name); ok {
			pid, since = fmt.Sprint(r.PID), r.Started.Format(time.TimeOnly)
			if c.ready(context.Background()) == nil {
				ready = "yes"
			}
		}
		if ready == "no" {
			missing++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.name, pid, since, ready, l.path("log", c.name+".log"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if missing > 0 {
		return fmt.Errorf("%d components are not ready: run 'up', then read the logs above", missing)
	}
	return nil
}
