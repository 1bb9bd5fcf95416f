// Package proc starts the lab's processes so that they outlive the command,
// finds them again, and stops only them.
package proc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/ports"
)

// Component is one process of the lab.
type Component struct {
	// Name is the component's, Path its program's.
	Name, Path string
	// Args and Env are added to the program's name and to our environment.
	Args, Env []string
	// Dir is where it runs; empty for the state folder.
	Dir string
	// Nobody runs it without root's rights.
	Nobody bool
	// Ports are the addresses that it will listen on.
	Ports []string
	// Pause and Resume, if set, are the signals by which it closes and opens
	// its doors instead of being stopped and started.
	Pause, Resume syscall.Signal
	// End is the signal that ends it, SIGTERM unless set.
	End syscall.Signal
	// Prepare runs before the start, Finish once it is ready.
	Prepare, Finish func(context.Context) error
	// Ready says what is missing until callers can use it.
	Ready func(context.Context) error
	// Advice says what to do about the last lines of a failed start.
	Advice func(log string) string
}

// Record says which process a component is. The start time tells it from a
// later process of the same number.
type Record struct {
	PID     int       `json:"pid"`
	Ticks   string    `json:"ticks"`
	Started time.Time `json:"started"`
	// End is the signal that ends the process, SIGTERM if it is missing.
	End syscall.Signal `json:"end,omitempty"`
}

// Keeper starts and stops the components of one lab.
type Keeper struct{ Place *place.Place }

// LogPath is where a component writes.
func (k Keeper) LogPath(name string) string { return k.Place.Path("log", name+".log") }

// Alive returns the component's process if it still is the one we started.
func (k Keeper) Alive(name string) (Record, bool) {
	var r Record
	data, err := os.ReadFile(k.Place.Path("run", name+".json"))
	if err != nil || json.Unmarshal(data, &r) != nil {
		return r, false
	}
	return r, r.Ticks != "" && ticks(r.PID) == r.Ticks
}

// ticks is when a process started, in the kernel's count; empty for none.
func ticks(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return parseTicks(string(data))
}

// parseTicks reads the start time from a line of /proc/<pid>/stat; empty for a
// process that ended and was not waited for.
func parseTicks(stat string) string {
	// The second field is a name in parentheses and may itself hold any.
	end := strings.LastIndex(stat, ") ")
	if end < 0 {
		return ""
	}
	fields := strings.Fields(stat[end+2:])
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// Start brings a component up, unless it is, and waits until it is ready.
func (k Keeper) Start(ctx context.Context, c Component) error {
	from := int64(0)
	if r, ok := k.Alive(c.Name); ok {
		if err := resume(c, r); err != nil {
			return err
		}
	} else {
		k.Place.Say("starting %s", c.Name)
		if info, err := os.Stat(k.LogPath(c.Name)); err == nil {
			from = info.Size()
		}
		if err := k.begin(ctx, c); err != nil {
			return fmt.Errorf("start %s: %w", c.Name, err)
		}
	}
	err := Poll(ctx, 90*time.Second, func(ctx context.Context) error {
		if _, ok := k.Alive(c.Name); !ok {
			return Final{errors.New("the process ended")}
		}
		return c.Ready(ctx)
	})
	if err != nil {
		return k.failed(c, from, err)
	}
	if c.Finish == nil {
		return nil
	}
	return c.Finish(ctx)
}

// resume opens the doors of a component that may have closed them.
func resume(c Component, r Record) error {
	if c.Resume == 0 {
		return nil
	}
	if err := syscall.Kill(r.PID, c.Resume); err != nil {
		return fmt.Errorf("open the doors of %s: %w", c.Name, err)
	}
	return nil
}

func (k Keeper) failed(c Component, from int64, err error) error {
	log := tail(k.LogPath(c.Name), from, 10)
	advice := ""
	if c.Advice != nil {
		advice = c.Advice(log)
	}
	if advice != "" {
		advice = "\n" + advice
	}
	return fmt.Errorf("start %s: %w; the end of %s:\n%s%s", c.Name, err, k.LogPath(c.Name), log, advice)
}

func (k Keeper) begin(ctx context.Context, c Component) error {
	if err := ports.Check(c.Ports); err != nil {
		return err
	}
	if c.Prepare != nil {
		if err := c.Prepare(ctx); err != nil {
			return err
		}
	}
	return k.spawn(c)
}

func (k Keeper) spawn(c Component) error {
	if err := os.MkdirAll(k.Place.Path("log"), 0o755); err != nil {
		return fmt.Errorf("make log folder: %w", err)
	}
	log, err := os.OpenFile(k.LogPath(c.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(c.Path, c.Args...) // outlives this command on purpose
	cmd.Dir, cmd.Stdout, cmd.Stderr = k.Place.State, log, log
	if c.Dir != "" {
		cmd.Dir = c.Dir
	}
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.Nobody {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: place.Nobody, Gid: place.Nobody}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := Record{PID: cmd.Process.Pid, Ticks: ticks(cmd.Process.Pid), Started: time.Now(), End: c.End}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // so that a child that dies at once is no zombie
	return k.Place.Write(filepath.Join("run", c.Name+".json"), data, 0o644)
}

// Stop ends a component: by its own signal or politely, and after 10 seconds not.
func (k Keeper) Stop(ctx context.Context, name string) error {
	r, ok := k.Alive(name)
	if !ok {
		return nil
	}
	for _, signal := range []syscall.Signal{cmp.Or(r.End, syscall.SIGTERM), syscall.SIGKILL} {
		if err := syscall.Kill(r.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop %s: %w", name, err)
		}
		err := Poll(ctx, 10*time.Second, func(context.Context) error {
			if _, ok := k.Alive(name); ok {
				return errors.New("still running")
			}
			return nil
		})
		if err == nil {
			return os.Remove(k.Place.Path("run", name+".json"))
		}
	}
	return fmt.Errorf("stop %s: process %d does not end", name, r.PID)
}

// Pause closes the doors of a component that has some, and stops any other.
func (k Keeper) Pause(ctx context.Context, c Component) error {
	r, ok := k.Alive(c.Name)
	if !ok || c.Pause == 0 {
		return k.Stop(ctx, c.Name)
	}
	if err := syscall.Kill(r.PID, c.Pause); err != nil {
		return fmt.Errorf("close the doors of %s: %w", c.Name, err)
	}
	return Poll(ctx, 10*time.Second, func(ctx context.Context) error {
		if c.Ready(ctx) == nil {
			return fmt.Errorf("%s still answers", c.Name)
		}
		return nil
	})
}

// Run runs a program to its end; what it printed is part of the error.
func Run(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
