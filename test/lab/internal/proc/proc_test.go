package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

func keeper(t *testing.T) Keeper {
	return Keeper{Place: &place.Place{State: t.TempDir(), Progress: &bytes.Buffer{}}}
}

// shell is a component that is a line of shell and ready when a file exists.
func shell(k Keeper, script string) Component {
	return Component{Name: "c", Path: "/bin/sh", Args: []string{"-c", script}, Ready: func(context.Context) error {
		_, err := os.Stat(k.Place.Path("ready"))
		return err
	}}
}

func TestStartTwiceStopsOnce(t *testing.T) {
	k, ctx := keeper(t), context.Background()
	c := shell(k, "touch ready; exec sleep 60")
	if err := k.Start(ctx, c); err != nil {
		t.Fatal(err)
	}
	first, _ := k.Alive("c")
	if err := k.Start(ctx, c); err != nil {
		t.Fatal(err)
	}
	if second, ok := k.Alive("c"); !ok || second.PID != first.PID {
		t.Errorf("the second start made process %d, the first %d", second.PID, first.PID)
	}
	if err := errors.Join(k.Stop(ctx, "c"), k.Stop(ctx, "c")); err != nil {
		t.Error(err)
	}
	if _, ok := k.Alive("c"); ok {
		t.Error("it is alive after the stop")
	}
}

// The polite signal would be ignored, and the other come after 10 seconds.
func TestStopByItsOwnSignal(t *testing.T) {
	k, ctx := keeper(t), context.Background()
	c := shell(k, "trap '' TERM; touch ready; while :; do sleep 0.05; done")
	c.End = syscall.SIGKILL
	if err := k.Start(ctx, c); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := k.Stop(ctx, "c"); err != nil || time.Since(begin) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}

func TestStartTellsEarlyDeath(t *testing.T) {
	k := keeper(t)
	if err := k.Place.Write("log/c.log", []byte("from an earlier run\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := shell(k, "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; exit 3")
	c.Advice = func(log string) string { return fmt.Sprintf("advice on %d lines", strings.Count(log, "\n")+1) }
	begin := time.Now()
	err := k.Start(context.Background(), c)
	if err == nil || time.Since(begin) > 10*time.Second {
		t.Fatalf("after %s: %v", time.Since(begin), err)
	}
	for word, want := range map[string]bool{"the process ended": true, "line 12": true, "line 3\n": true, "line 2\n": false, "earlier": false, "advice on 10 lines": true} {
		if strings.Contains(err.Error(), word) != want {
			t.Errorf("%q in the error: want %t: %v", word, want, err)
		}
	}
}

func TestStartTellsWhoHasThePort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	k := keeper(t)
	c := shell(k, "touch ready")
	c.Ports = []string{taken.Addr().String()}
	want := fmt.Sprintf("(process %d)", os.Getpid())
	if err := k.Start(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestPauseAndResume(t *testing.T) {
	k, ctx := keeper(t), context.Background()
	c := shell(k, "trap 'rm ready' USR1; trap 'touch ready' USR2; touch ready; while :; do sleep 0.05; done")
	c.Pause, c.Resume = syscall.SIGUSR1, syscall.SIGUSR2
	if err := k.Start(ctx, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Stop(ctx, "c") })
	first, _ := k.Alive("c")
	if err := k.Pause(ctx, c); err != nil {
		t.Fatal(err)
	}
	if c.Ready(ctx) == nil {
		t.Error("it is ready after Pause")
	}
	if err := k.Start(ctx, c); err != nil {
		t.Error(err)
	}
	if now, ok := k.Alive("c"); !ok || now.PID != first.PID {
		t.Errorf("process %d became %d", first.PID, now.PID)
	}
}

func TestAliveWantsTheSameProcess(t *testing.T) {
	k := keeper(t)
	for _, record := range []string{
		"", "{", fmt.Sprintf(`{"pid":%d,"ticks":"1"}`, os.Getpid()), fmt.Sprintf(`{"pid":%d}`, os.Getpid()), `{"pid":999999999,"ticks":""}`,
	} {
		if err := k.Place.Write("run/c.json", []byte(record), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, ok := k.Alive("c"); ok {
			t.Errorf("%q is alive", record)
		}
	}
}

func TestParseTicks(t *testing.T) {
	rest := " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"
	for stat, want := range map[string]string{
		"1 (a) S" + rest: "4711", "1 (a) b) (c) R" + rest: "4711", "1 (a) Z" + rest: "", "": "", "1 (a": "", "1 (a) S 1 2": "",
	} {
		if got := parseTicks(stat); got != want {
			t.Errorf("parseTicks(%q) = %q, want %q", stat, got, want)
		}
	}
}

func TestLastLines(t *testing.T) {
	for text, want := range map[string]string{
		"": "  (it wrote nothing)", "\n\n": "  (it wrote nothing)", "a": "  a", "a\nb\n": "  a\n  b", "a\nb\nc\n": "  b\n  c",
		strings.Repeat("x", 600): "  " + strings.Repeat("x", 500),
	} {
		if got := lastLines(text, 2); got != want {
			t.Errorf("lastLines(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestPoll(t *testing.T) {
	asked := 0
	err := Poll(context.Background(), time.Hour, func(context.Context) error {
		asked++
		return fmt.Errorf("wrapped: %w", Final{os.ErrInvalid})
	})
	if asked != 1 || !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a final error: asked %d times, got %v", asked, err)
	}
	if err := Poll(context.Background(), time.Millisecond, func(context.Context) error { return os.ErrExist }); !errors.Is(err, os.ErrExist) {
		t.Errorf("at its limit: %v, want the last error", err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "below", "lock")
	release, err := Lock(context.Background(), path, func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	waited, got := make(chan bool), make(chan error)
	go func() {
		second, err := Lock(context.Background(), path, func() { close(waited) })
		if err == nil {
			second()
		}
		got <- err
	}()
	<-waited
	select {
	case err := <-got:
		t.Fatalf("the second came in: %v", err)
	default:
	}
	release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}
