// Package machine prepares the machine for the lab and removes its traces.
package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// need is something the lab calls or reads, and the Debian package that has it.
type need struct{ file, pkg string }

// needs looks for programs, not packages: containerd and runc may come from
// elsewhere, and Debian's would then throw out what is there.
func needs() []need {
	return []need{
		{"containerd", "containerd"}, {"containerd-shim-runc-v2", "containerd"}, {"runc", "runc"},
		{"/usr/lib/cni/bridge", "containernetworking-plugins"}, {"/usr/lib/cni/host-local", "containernetworking-plugins"},
		{"/usr/lib/cni/portmap", "containernetworking-plugins"}, {"/usr/lib/cni/loopback", "containernetworking-plugins"},
		{"iptables", "iptables"}, {"iptables-save", "iptables"}, {"iptables-restore", "iptables"},
		{"ip", "iproute2"}, {"conntrack", "conntrack"}, {"mount", "mount"}, {"git", "git"},
		{"gcc", "gcc"}, {"/usr/include/stdio.h", "libc6-dev"}, {"/etc/ssl/certs/ca-certificates.crt", "ca-certificates"},
	}
}

// missing names the packages of what have does not find.
func missing(have func(string) bool) []string {
	var out []string
	for _, n := range needs() {
		if !have(n.file) && !strings.Contains(" "+strings.Join(out, " ")+" ", " "+n.pkg+" ") {
			out = append(out, n.pkg)
		}
	}
	return out
}

func installed(file string) bool {
	if strings.HasPrefix(file, "/") {
		_, err := os.Stat(file)
		return err == nil
	}
	_, err := exec.LookPath(file)
	return err == nil
}

// Install brings in the Debian packages that are missing.
func Install(ctx context.Context, p *place.Place) error {
	packages := missing(installed)
	if len(packages) == 0 {
		return nil
	}
	p.Say("installing Debian packages %s", strings.Join(packages, " "))
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install %s: %w: %s", strings.Join(packages, " "), err, out)
		}
	}
	if left := missing(installed); len(left) > 0 {
		return fmt.Errorf("install %s: what the lab needs of it is not where Debian has it", strings.Join(left, " "))
	}
	return nil
}
