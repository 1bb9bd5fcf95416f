package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
)

// before is what the machine had before the lab first came up; Clean leaves
// that as it was.
type before struct {
	// KubeChains says whether the machine's own tables had chains of Kubernetes.
	KubeChains bool `json:"kubeChains"`
	// Cgroups are the folders of pods that were there.
	Cgroups []string `json:"cgroups"`
	// Settings are the kernel's settings that the lab changes.
	Settings map[string]string `json:"settings"`
}

const beforeFile = "before.json"

// settings of the kernel that the lab, the kubelet or kube-proxy change.
func settings() []string {
	return []string{"net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet", "vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"}
}

// Network makes the bridge before the first pod does, because the API server
// and the node live at its address.
func Network(ctx context.Context, p *place.Place) error {
	if err := foreign(); err != nil {
		return err
	}
	if err := note(ctx, p); err != nil {
		return err
	}
	if _, err := net.InterfaceByName(place.Bridge); err != nil {
		if err := proc.Run(ctx, "ip", "link", "add", place.Bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"ip", "addr", "replace", place.IP + "/24", "dev", place.Bridge}, {"ip", "link", "set", place.Bridge, "up"},
	} {
		if err := proc.Run(ctx, args...); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("let packets through: %w", err)
	}
	return nil
}

// foreign fails if another device is in the lab's network.
func foreign() error {
	devices, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list network devices: %w", err)
	}
	for _, d := range devices {
		addresses, err := d.Addrs()
		if err != nil || d.Name == place.Bridge {
			continue // a device that just went away is in nobody's way
		}
		for _, a := range addresses {
			if at, ok := a.(*net.IPNet); ok && overlaps(at) {
				return fmt.Errorf("the lab's network %s overlaps %s of device %s: take that device away first", place.PodCIDR, at, d.Name)
			}
		}
	}
	return nil
}

func overlaps(other *net.IPNet) bool {
	_, pods, err := net.ParseCIDR(place.PodCIDR)
	return err != nil || pods.Contains(other.IP) || other.Contains(pods.IP)
}

// note writes down what the machine has, once.
func note(ctx context.Context, p *place.Place) error {
	if _, err := os.Stat(p.Path(beforeFile)); err == nil {
		return nil
	}
	b := before{Settings: map[string]string{}, Cgroups: podCgroups()}
	for _, name := range settings() {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			b.Settings[name] = strings.TrimSpace(string(value))
		}
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		rules, err := exec.CommandContext(ctx, family+"-save").Output()
		b.KubeChains = b.KubeChains || err == nil && strings.Contains(string(rules), ":KUBE-") // no rules without IPv6
	}
	data, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode what the machine had: %w", err)
	}
	return p.Write(beforeFile, data, 0o644)
}

// noted reads what the machine had; nil means that the lab never came so far.
func noted(p *place.Place) (*before, error) {
	data, err := os.ReadFile(p.Path(beforeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the machine had: %w", err)
	}
	var b before
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("read what the machine had: %w", err)
	}
	return &b, nil
}
