// Command lab brings up a real Kubernetes with a registry, a Git forge and a
// Sigstore on a bare Debian machine, and takes it down again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/build"
	"github.com/kubernaut/kubernaut/test/lab/internal/cluster"
	"github.com/kubernaut/kubernaut/test/lab/internal/images"
	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/sigstore"
	"github.com/kubernaut/kubernaut/test/lab/internal/volumes"
)

func main() {
	c, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "lab: %v\n\n%s", err, usage)
		os.Exit(2)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := dispatch(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, c call) error {
	l, err := newLab()
	if err != nil {
		return err
	}
	switch c.command {
	case "up":
		return l.locked(ctx, l.up)
	case "down":
		return l.locked(ctx, func(ctx context.Context) error { return l.down(ctx, c.keep) })
	case "stop", "start":
		return l.locked(ctx, func(ctx context.Context) error { return l.one(ctx, c) })
	case "status":
		return l.status(ctx, c.json, os.Stdout)
	case "smoke":
		return l.smoke(ctx)
	case "build":
		return build.Build(ctx, l.Place, build.All()...)
	case "assets":
		return l.assets(ctx)
	case "env":
		return l.printEnv()
	case "serve-registry":
		return images.Serve(ctx, l.Place)
	case "serve-issuer":
		return sigstore.Serve(ctx)
	default:
		return l.serveVolumes(ctx)
	}
}

func newLab() (*lab, error) {
	or := func(name, fallback string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		return fallback
	}
	// Root's programs are not in everybody's path, nor in every runner's.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin"); err != nil {
		return nil, fmt.Errorf("set path: %w", err)
	}
	source, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the lab's source: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the lab's program: %w", err)
	}
	// Not below a home directory: the forge runs as nobody and must reach its binary.
	return &lab{self: self, Place: &place.Place{
		Cache: or("KUBERNAUT_CACHE", "/var/cache/kubernaut"), State: or("KUBERNAUT_LAB_STATE", "/var/lib/kubernaut-lab"),
		Source: source, Begin: time.Now(), Progress: os.Stderr,
	}}, nil
}

func (l *lab) assets(ctx context.Context) error {
	if err := build.Build(ctx, l.Place, build.Kubernetes()); err != nil {
		return err
	}
	fmt.Println(build.Dir(l.Place, build.Kubernetes()))
	return nil
}

func (l *lab) printEnv() error {
	data, err := os.ReadFile(l.Path("env.json"))
	if err != nil {
		return fmt.Errorf("the lab was never up, run 'up' first: %w", err)
	}
	_, err = os.Stdout.Write(data)
	return err
}

func (l *lab) serveVolumes(ctx context.Context) error {
	client, err := cluster.Client(l.Place)
	if err != nil {
		return err
	}
	return volumes.Serve(ctx, l.Place, client)
}
