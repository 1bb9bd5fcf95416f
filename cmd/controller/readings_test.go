package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// What somebody gets was read after he asked, however many ask at once.
func TestSharedReadingsBeginAfterTheyWereAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var world, readings atomic.Int64
		var gates sync.Map
		s := share(func(_ context.Context, key string) (int64, error) {
			saw := world.Load()
			gate, _ := gates.LoadOrStore(fmt.Sprint(key, readings.Add(1)), make(chan struct{}))
			<-gate.(chan struct{})
			return saw, nil
		})
		open := func(n int) {
			gate, _ := gates.LoadOrStore(fmt.Sprint("k", n), make(chan struct{}))
			close(gate.(chan struct{}))
			synctest.Wait()
		}
		type answer struct{ least, got int64 }
		answers := make(chan answer, 100)
		ask := func() {
			least := world.Add(1)
			go func() {
				got, err := s.get(t.Context(), "k")
				if err != nil {
					t.Error(err)
				}
				answers <- answer{least, got}
			}()
			synctest.Wait()
		}
		ask()
		for range 50 {
			ask()
		}
		open(1)
		for range 49 {
			ask()
		}
		open(2)
		open(3)
		for range 100 {
			if a := <-answers; a.got < a.least {
				t.Errorf("asked when the world was at %d, told of %d", a.least, a.got)
			}
		}
		if readings.Load() != 3 || len(s.lines) != 0 {
			t.Errorf("%d readings for 100, %d lines left", readings.Load(), len(s.lines))
		}
	})
}

func TestSharedReadingsThatGoWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		s := share(func(ctx context.Context, key string) (string, error) {
			switch key {
			case "panics":
				panic("oh")
			case "hangs":
				<-ctx.Done()
				return "", ctx.Err()
			}
			<-leave
			return key, ctx.Err()
		})
		for _, key := range []string{"panics", "hangs"} {
			if _, err := s.get(t.Context(), key); err == nil {
				t.Errorf("%s is read", key)
			}
		}
		ctx, giveUp := context.WithCancel(t.Context())
		first, second := make(chan error), make(chan error)
		go func() { _, err := s.get(ctx, "k"); first <- err }()
		synctest.Wait()
		go func() { _, err := s.get(t.Context(), "k"); second <- err }()
		synctest.Wait()
		giveUp()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
		close(leave)
		if err := <-second; err != nil {
			t.Errorf("who did not got %v", err)
		}
	})
}
