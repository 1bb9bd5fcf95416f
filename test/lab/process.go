package main

import (
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
)

// record says which process a component is. The start time tells it from a
// later process of the same number.
type record struct {
	PID     int       `json:"pid"`
	Ticks   string    `json:"ticks"`
	Started time.Time `json:"started"`
}

// component is one process of the lab.
type component struct {
	name string
	path string
	args []string
	env  []string
	// nobody runs it without root's rights.
	nobody bool
	// prepare runs before the start, finish once it is ready.
	prepare, finish func(context.Context) error
	ready           func(context.Context) error
}

// alive returns the component's process if it still is the one we started.
func (l *lab) alive(name string) (record, bool) {
	var r record
	data, err := os.ReadFile(l.path("run", name+".json"))
	if err != nil || json.Unmarshal(data, &r) != nil {
		return r, false
	}
	return r, r.Ticks != "" && ticks(r.PID) == r.Ticks
}

// ticks is when a process started, in the kernel's count; empty for none, and
// for one that ended and was not waited for.
func ticks(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is a name in parentheses and may hold anything.
	_, rest, ok := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// start brings a component up, unless it is, and waits until it is ready.
func (l *lab) start(ctx context.Context, c component) error {
	if _, ok := l.alive(c.name); !ok {
		l.say("starting %s", c.name)
		if c.prepare != nil {
			if err := c.prepare(ctx); err != nil {
				return fmt.Errorf("prepare %s: %w", c.name, err)
			}
		}
		if err := l.spawn(c); err != nil {
			return fmt.Errorf("start %s: %w", c.name, err)
		}
	}
	err := poll(ctx, 90*time.Second, func(ctx context.Context) error {
		if _, ok := l.alive(c.name); !ok {
			return errors.New("the process ended")
		}
		return c.ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("%s is %w: read %s", c.name, err, l.path("log", c.name+".log"))
	}
	if c.finish != nil {
		return c.finish(ctx)
	}
	return nil
}

func (l *lab) spawn(c component) error {
	if err := os.MkdirAll(l.path("log"), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(l.path("log", c.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(c.path, c.args...) // outlives this command on purpose
	cmd.Dir, cmd.Stdout, cmd.Stderr = l.state, log, log
	cmd.Env = append(os.Environ(), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.nobody {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		cmd.Dir = l.path("forge")
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := record{PID: cmd.Process.Pid, Ticks: ticks(cmd.Process.Pid), Started: time.Now()}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // so that a child that dies at once is no zombie
	return l.write(filepath.Join("run", c.name+".json"), data, 0o644)
}

// stop ends a component: politely, and after 10 seconds not.
func (l *lab) stop(ctx context.Context, name string) error {
	r, ok := l.alive(name)
	if !ok {
		return nil
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(r.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop %s: %w", name, err)
		}
		err := poll(ctx, 10*time.Second, func(context.Context) error {
			if _, ok := l.alive(name); ok {
				return errors.New("still running")
			}
			return nil
		})
		if err == nil {
			return os.Remove(l.path("run", name+".json"))
		}
	}
	return fmt.Errorf("stop %s: process %d does not end", name, r.PID)
}
