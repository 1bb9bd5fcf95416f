package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program is one binary that the lab builds from a module below it.
type program struct {
	name, version, flags, usual string
	tags                        string
	cgo                         bool
	// links are the names by which a program that dispatches on its name is started.
	links []string
}

func kubernetes() program {
	const v = "v1.36.3"
	const version = "k8s.io/component-base/version."
	return program{
		name: "kubernetes", version: v, usual: "5 to 11 minutes on 2 cores",
		flags: "-s -w -X " + version + "gitVersion=" + v + " -X " + version + "gitMajor=1 -X " + version + "gitMinor=36 -X " + version + "gitTreeState=clean",
		links: []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"},
	}
}

func gitea() program {
	return program{name: "gitea", version: "v1.26.0", flags: "-s -w", tags: "sqlite sqlite_unlock_notify", cgo: true, usual: "3 to 6 minutes on 2 cores"}
}

func (l *lab) binaries() []program {
	return []program{kubernetes(), gitea(),
		{name: "coredns", version: "v1.14", flags: "-s -w", usual: "1 to 2 minutes"},
		{name: "pause", version: "v1", flags: "-s -w", usual: "seconds"},
	}
}

// binary is the folder of a program in the cache; its name changes with
// everything that the program is built from.
func (l *lab) binary(p program) string {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		data, err := os.ReadFile(filepath.Join(l.source, p.name, name))
		if err == nil {
			_, _ = h.Write(data) // a hash never fails
		}
	}
	fmt.Fprint(h, p.flags, p.tags)
	return filepath.Join(l.cache, "lab", p.name+"-"+p.version+"-"+hex.EncodeToString(h.Sum(nil))[:12])
}

// build makes what the cache lacks, one program at a time: each of the large
// ones keeps every core busy by itself.
func (l *lab) build(ctx context.Context, programs ...program) error {
	for _, p := range programs {
		dir := l.binary(p)
		if _, err := os.Stat(filepath.Join(dir, p.name)); err == nil {
			continue
		}
		l.say("building %s %s (usually %s, then cached)", p.name, p.version, p.usual)
		if err := l.compile(ctx, p, dir); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		l.say("built %s", p.name)
	}
	return nil
}

func (l *lab) compile(ctx context.Context, p program, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", p.flags, "-o", filepath.Join(dir, p.name+".new")}
	if p.tags != "" {
		args = append(args, "-tags", p.tags)
	}
	cgo := "CGO_ENABLED=0"
	if p.cgo {
		cgo = "CGO_ENABLED=1"
	}
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir, cmd.Env, cmd.Stderr = filepath.Join(l.source, p.name), append(os.Environ(), cgo), os.Stderr
	if p.name == "pause" {
		cmd.Args[len(cmd.Args)-1], cmd.Dir = "./pause", l.source
	}
	if err := cmd.Run(); err != nil {
		return err
	}
	if p.name == "gitea" {
		if err := l.giteaFiles(ctx, dir); err != nil {
			return err
		}
	}
	for _, link := range p.links {
		if err := os.Symlink(p.name, filepath.Join(dir, link)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return os.Rename(filepath.Join(dir, p.name+".new"), filepath.Join(dir, p.name))
}

// giteaFiles copies the templates that the forge's pages and its repositories'
// first files are made of.
func (l *lab) giteaFiles(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-json", "code.gitea.io/gitea")
	cmd.Dir = filepath.Join(l.source, "gitea")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("find gitea's module: %w", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	for _, name := range []string{"templates", "options", "public"} {
		to := filepath.Join(dir, name)
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		if err := os.CopyFS(to, os.DirFS(filepath.Join(module.Dir, name))); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return nil
}

func (l *lab) assets(ctx context.Context) error {
	if err := l.build(ctx, kubernetes()); err != nil {
		return err
	}
	fmt.Println(l.binary(kubernetes()))
	return nil
}

// install brings in the Debian packages that are missing.
func (l *lab) install(ctx context.Context) error {
	var missing []string
	for _, name := range []string{"containerd", "runc", "containernetworking-plugins", "iptables", "iproute2", "conntrack", "git", "gcc", "libc6-dev", "ca-certificates"} {
		if exec.CommandContext(ctx, "dpkg", "-s", name).Run() != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	l.say("installing Debian packages %s", strings.Join(missing, " "))
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}
