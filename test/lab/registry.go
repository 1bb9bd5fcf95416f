package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// serveRegistry serves images until it is told to end. SIGUSR1 closes its
// doors and drops its callers, SIGUSR2 opens them again: manifests are kept in
// memory, so a registry that fails for a test must not lose them.
func serveRegistry(ctx context.Context, l *lab) error {
	if err := os.MkdirAll(l.path("registry"), 0o755); err != nil {
		return err
	}
	handler := registry.New(registry.WithReferrersSupport(true), registry.WithBlobHandler(registry.NewDiskBlobHandler(l.path("registry"))),
		registry.Logger(log.New(io.Discard, "", 0)))
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
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

func listen(server *http.Server) error {
	for _, host := range []string{bridgeIP, "127.0.0.1"} {
		at, err := net.Listen("tcp", host+":5000")
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

// doors opens or closes the running registry and waits until it did.
func (l *lab) doors(ctx context.Context, r record, open bool) error {
	sig := syscall.SIGUSR1
	if open {
		sig = syscall.SIGUSR2
	}
	if err := syscall.Kill(r.PID, sig); err != nil {
		return fmt.Errorf("signal the registry: %w", err)
	}
	return poll(ctx, 10*time.Second, func(ctx context.Context) error {
		if err := web("http://" + bridgeIP + ":5000/v2/")(ctx); (err == nil) != open {
			return fmt.Errorf("the registry's doors: want open=%t, got %v", open, err)
		}
		return nil
	})
}

// pushPause puts the image that holds a pod's namespaces into the registry.
func (l *lab) pushPause(ctx context.Context) error {
	binary, err := os.ReadFile(filepath.Join(l.binary(program1(l, "pause")), "pause"))
	if err != nil {
		return err
	}
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	if err := w.WriteHeader(&tar.Header{Name: "pause", Mode: 0o555, Size: int64(len(binary))}); err != nil {
		return err
	}
	if _, err := w.Write(binary); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil })
	if err != nil {
		return err
	}
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/pause"}}})
	if err != nil {
		return err
	}
	image, err = mutate.AppendLayers(image, layer)
	if err != nil {
		return err
	}
	ref, err := name.ParseReference(bridgeIP + ":5000/lab/pause:v1")
	if err != nil {
		return err
	}
	return remote.Write(ref, image, remote.WithContext(ctx))
}
