// Package images serves the lab's container images and pushes its own.
package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// Addresses are those that the registry listens on.
func Addresses() []string { return []string{place.Registry, "127.0.0.1:5000"} }

// Serve serves images until it is told to end. SIGUSR1 closes its doors and
// drops its callers, SIGUSR2 opens them again, for tests of what happens when
// a registry fails.
func Serve(ctx context.Context, p *place.Place) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := os.MkdirAll(p.Path("registry"), 0o755); err != nil {
		return fmt.Errorf("make folder of images: %w", err)
	}
	handler, err := Handler(p.Path("registry"))
	if err != nil {
		return err
	}
	var server *http.Server
	for open := true; ; {
		if open && server == nil {
			server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
			if err := listen(server); err != nil {
				return err
			}
		}
		if !open && server != nil {
			_ = server.Close() // callers are dropped on purpose
			server = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case s := <-signals:
			open = s == syscall.SIGUSR2
		}
	}
}

// Handler is a registry that keeps all it is given below a folder.
func Handler(dir string) (http.Handler, error) {
	handler := registry.New(registry.WithReferrersSupport(true), registry.WithBlobHandler(registry.NewDiskBlobHandler(dir)),
		registry.Logger(log.New(io.Discard, "", 0)))
	return remember(handler, dir)
}

func listen(server *http.Server) error {
	for _, address := range Addresses() {
		at, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("listen for images: %w", err)
		}
		go func() {
			if err := server.Serve(at); !errors.Is(err, http.ErrServerClosed) {
				log.Print("serve images: ", err)
			}
		}()
	}
	return nil
}
