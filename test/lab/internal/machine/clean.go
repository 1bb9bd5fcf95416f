package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
)

// Clean removes what pods and the lab left on the machine. Every part works
// from what is there, so it also cleans up after a kill, and goes on when
// another part fails.
func Clean(ctx context.Context, p *place.Place, kubeProxy string) error {
	KillContainers(p)
	failures := []error{unmount(ctx, p)}
	had, err := noted(p)
	if err != nil || had == nil {
		return errors.Join(append(failures, err)...)
	}
	if !had.KubeChains {
		bounded, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		_ = proc.Run(bounded, kubeProxy, "--cleanup") // what it leaves is removed below
	}
	failures = append(failures, clearTables(!had.KubeChains), clearNamespaces(ctx), clearCgroups(ctx, had.Cgroups), clearBridge(ctx))
	for name, value := range had.Settings {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			failures = append(failures, fmt.Errorf("restore setting: %w", err))
		}
	}
	return errors.Join(failures...)
}

// KillContainers ends the shims of our containerd and everything below them.
// A shim is ours if it was started with the address of our socket.
func KillContainers(p *place.Place) {
	children := map[int][]int{}
	var doomed []int
	entries, _ := os.ReadDir("/proc") // without /proc there is nothing to end
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "stat")) // may just have ended
		children[parent(string(stat))] = append(children[parent(string(stat))], pid)
		command, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if isShim(string(command), p.Path("containerd.sock")) {
			doomed = append(doomed, pid)
		}
	}
	for len(doomed) > 0 {
		pid := doomed[0]
		doomed = append(doomed[1:], children[pid]...)
		_ = syscall.Kill(pid, syscall.SIGKILL) // may have ended by itself
	}
}

// isShim says whether a command line, its words ended by zeros, is that of a
// shim of the containerd at a socket.
func isShim(command, socket string) bool {
	words := strings.Split(command, "\x00")
	return strings.HasPrefix(filepath.Base(words[0]), "containerd-shim") && slices.Contains(words, socket)
}

// parent reads the parent's number from a line of /proc/<pid>/stat; zero for
// what cannot be read.
func parent(stat string) int {
	end := strings.LastIndex(stat, ") ")
	if end < 0 {
		return 0
	}
	fields := strings.Fields(stat[end+2:])
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}

// unmount takes away every mount below the state folder, the deepest first.
func unmount(ctx context.Context, p *place.Place) error {
	return proc.Poll(ctx, 20*time.Second, func(context.Context) error {
		mounts, err := os.ReadFile("/proc/self/mounts")
		if err != nil {
			return fmt.Errorf("read mounts: %w", err)
		}
		for _, point := range mountsBelow(string(mounts), p.State) {
			if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
				return fmt.Errorf("unmount %s: %w", point, err)
			}
		}
		return nil
	})
}

// mountsBelow lists the mount points below a folder, the deepest first.
func mountsBelow(mounts, dir string) []string {
	plain := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var out []string
	for _, line := range strings.Split(mounts, "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(plain.Replace(fields[1]), dir+"/") {
			out = append(out, plain.Replace(fields[1]))
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

const plugins = "/var/lib/cni"

// clearNamespaces removes the network namespaces of the lab's pods, which are
// the ones that the plugins wrote down for our network, and those notes.
func clearNamespaces(ctx context.Context) error {
	results, _ := filepath.Glob(filepath.Join(plugins, "results", place.Network+"-*")) // the pattern is well-formed
	var failures []error
	for _, file := range results {
		data, err := os.ReadFile(file)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		container, namespaces := podOf(data)
		for _, name := range namespaces {
			if err := proc.Run(ctx, "ip", "netns", "delete", name); err != nil && !strings.Contains(err.Error(), "No such file") {
				failures = append(failures, err)
			}
		}
		failures = append(failures, os.Remove(file))
		if container != "" {
			_ = os.Remove(filepath.Join(plugins, "results", "cni-loopback-"+container+"-lo")) // not every version writes it
		}
	}
	failures = append(failures, os.RemoveAll(filepath.Join(plugins, "networks", place.Network)))
	return errors.Join(failures...)
}

// podOf reads the container and the namespaces from the plugins' note of a pod.
func podOf(note []byte) (container string, namespaces []string) {
	var n struct {
		ContainerID string `json:"containerId"`
		Result      struct {
			Interfaces []struct {
				Sandbox string `json:"sandbox"`
			} `json:"interfaces"`
		} `json:"result"`
	}
	if json.Unmarshal(note, &n) != nil {
		return "", nil
	}
	for _, i := range n.Result.Interfaces {
		if name := filepath.Base(i.Sandbox); i.Sandbox != "" && strings.HasPrefix(name, "cni-") && !slices.Contains(namespaces, name) {
			namespaces = append(namespaces, name)
		}
	}
	return n.ContainerID, namespaces
}

// podCgroups are the folders in which kubelets group pods.
func podCgroups() []string {
	var out []string
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"} {
		found, _ := filepath.Glob(pattern) // the pattern is well-formed
		out = append(out, found...)
	}
	return out
}

// clearCgroups removes the folders of pods but those that were there before.
func clearCgroups(ctx context.Context, keep []string) error {
	return proc.Poll(ctx, 10*time.Second, func(context.Context) error {
		var failures []error
		for _, root := range podCgroups() {
			if !slices.Contains(keep, root) {
				failures = append(failures, removeGroups(root))
			}
		}
		return errors.Join(failures...)
	})
}

// removeGroups removes a tree of groups from its leaves. Their files cannot be
// removed, and a group that still ends a process is busy for a moment.
func removeGroups(root string) error {
	var groups []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	slices.Reverse(groups)
	for _, group := range groups {
		if e := syscall.Rmdir(group); e != nil && !errors.Is(e, syscall.ENOENT) {
			err = errors.Join(err, fmt.Errorf("remove group %s: %w", group, e))
		}
	}
	return err
}

func clearBridge(ctx context.Context) error {
	if _, err := net.InterfaceByName(place.Bridge); err != nil {
		return nil // there is none
	}
	return proc.Run(ctx, "ip", "link", "delete", place.Bridge)
}
