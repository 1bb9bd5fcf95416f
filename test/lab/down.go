package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// down stops what up started, in the reverse order, and removes its traces.
// Every part works from what is there, so it also cleans up after a kill.
func (l *lab) down(ctx context.Context, keep bool) error {
	all := l.components()
	slices.Reverse(all)
	for _, c := range all {
		if c.name == "containerd" {
			l.killContainers()
		}
		if err := l.stop(ctx, c.name); err != nil {
			return err
		}
	}
	l.killContainers()
	if err := l.unmount(ctx); err != nil {
		return err
	}
	if err := l.clearNetwork(ctx); err != nil {
		return err
	}
	if !keep {
		if err := os.RemoveAll(l.state); err != nil {
			return fmt.Errorf("remove state: %w", err)
		}
	}
	l.say("the lab is down")
	return nil
}

// killContainers ends the shims of our containerd and everything below them.
// A shim is ours if it was started with the address of our socket.
func (l *lab) killContainers() {
	children := map[int][]int{}
	var shims []int
	entries, _ := os.ReadDir("/proc") // without /proc there is nothing to end
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		children[parent(pid)] = append(children[parent(pid)], pid)
		command, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if strings.Contains(string(command), "containerd-shim") && strings.Contains(string(command), l.path("containerd.sock")) {
			shims = append(shims, pid)
		}
	}
	for len(shims) > 0 {
		pid := shims[0]
		shims = append(shims[1:], children[pid]...)
		_ = syscall.Kill(pid, syscall.SIGKILL) // may have ended by itself
	}
}

func parent(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1]) // zero for what cannot be read
	return n
}

// unmount takes away every mount below the state folder, the deepest first.
func (l *lab) unmount(ctx context.Context) error {
	return poll(ctx, 20*time.Second, func(context.Context) error {
		file, err := os.Open("/proc/self/mounts")
		if err != nil {
			return err
		}
		defer file.Close()
		var points []string
		for scan := bufio.NewScanner(file); scan.Scan(); {
			if fields := strings.Fields(scan.Text()); len(fields) > 1 && strings.HasPrefix(fields[1], l.state+"/") {
				points = append(points, fields[1])
			}
		}
		slices.Sort(points)
		slices.Reverse(points)
		for _, p := range points {
			if err := syscall.Unmount(p, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
				return fmt.Errorf("unmount %s: %w", p, err)
			}
		}
		return nil
	})
}

// netns lists the network namespaces that CNI made.
func netns() ([]string, error) {
	entries, err := os.ReadDir("/var/run/netns")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "cni-") {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// clearNetwork removes the bridge, the namespaces that came after it and the
// chains of kube-proxy and of the plugins.
func (l *lab) clearNetwork(ctx context.Context) error {
	before, err := os.ReadFile(l.path("netns.before"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	now, err := netns()
	if err != nil {
		return err
	}
	for _, name := range now {
		if !slices.Contains(strings.Split(string(before), "\n"), name) {
			_ = run(ctx, "ip", "netns", "delete", name) // gone with its last process
		}
	}
	_ = run(ctx, filepath.Join(l.binary(kubernetes()), "kube-proxy"), "--cleanup") // says itself what it left
	_ = os.RemoveAll("/var/lib/cni/networks/kubernaut-lab")                        // addresses of pods that are gone
	if err := run(ctx, "ip", "link", "delete", bridge); err != nil && !strings.Contains(err.Error(), "Cannot find") {
		return err
	}
	return nil
}
