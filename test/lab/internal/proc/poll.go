package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Final is an error after which asking again is pointless.
type Final struct{ Err error }

func (f Final) Error() string { return f.Err.Error() }

// Unwrap makes the reason visible to errors.Is and errors.As.
func (f Final) Unwrap() error { return f.Err }

// Poll asks until it is answered, at most for limit; a Final error ends it.
func Poll(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if final := (Final{}); errors.As(err, &final) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s: %w", limit, err)
		case <-tick.C:
		}
	}
}

// Lock keeps other commands out until release is called; it says so once when
// it has to wait. The kernel releases it when the process ends, however.
func Lock(ctx context.Context, path string, waiting func()) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make folder of lock: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	said := false
	err = Poll(ctx, time.Hour, func(context.Context) error {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil && !said {
			said = true
			waiting()
		}
		return err
	})
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}
