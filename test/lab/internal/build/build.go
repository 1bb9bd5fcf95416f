// Package build compiles the lab's programs into its cache.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
)

// Program is one binary that the lab builds from a folder of its own.
type Program struct {
	name, version, flags, usual string
	tags                        string
	cgo                         bool
	// ours is a package of the lab's module; the others are modules.
	ours bool
	// links are the names by which a program that dispatches on its name is started.
	links []string
}

// Kubernetes is etcd, the control plane and the node in one binary.
func Kubernetes() Program {
	const v = "v1.36.3"
	const version = "k8s.io/component-base/version."
	return Program{
		name: "kubernetes", version: v, usual: "5 to 11 minutes on 2 cores",
		flags: "-s -w -X " + version + "gitVersion=" + v + " -X " + version + "gitMajor=1 -X " + version + "gitMinor=36 -X " + version + "gitTreeState=clean",
		links: []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"},
	}
}

// Gitea is the Git forge.
func Gitea() Program {
	return Program{name: "gitea", version: "v1.26.0", flags: "-s -w", tags: "sqlite sqlite_unlock_notify", cgo: true, usual: "3 to 6 minutes on 2 cores"}
}

// CoreDNS answers the names of Services.
func CoreDNS() Program {
	return Program{name: "coredns", version: "v1.14", flags: "-s -w", usual: "1 to 2 minutes"}
}

// Pause holds a pod's namespaces.
func Pause() Program {
	return Program{name: "pause", version: "v1", flags: "-s -w", usual: "seconds", ours: true}
}

// Smoke is what the lab's own check runs in pods.
func Smoke() Program {
	return Program{name: "smoke", version: "v1", flags: "-s -w", usual: "seconds", ours: true}
}

// All lists every program.
func All() []Program { return []Program{Kubernetes(), Gitea(), CoreDNS(), Pause(), Smoke()} }

// Dir is the folder of a program in the cache; its name changes with
// everything that the program is built from.
func Dir(l *place.Place, p Program) string {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		data, err := os.ReadFile(filepath.Join(l.Source, p.name, name))
		if err == nil {
			_, _ = h.Write(data) // a hash never fails
		}
	}
	fmt.Fprint(h, p.flags, p.tags)
	return filepath.Join(l.Cache, "lab", p.name+"-"+p.version+"-"+hex.EncodeToString(h.Sum(nil))[:12])
}

// Binary is the path of a program in the cache, by one of its names.
func Binary(l *place.Place, p Program, name string) string { return filepath.Join(Dir(l, p), name) }

// Path is the path of a program in the cache.
func Path(l *place.Place, p Program) string { return Binary(l, p, p.name) }

// Build makes what the cache lacks, one program at a time: each of the large
// ones keeps every core busy by itself.
func Build(ctx context.Context, l *place.Place, programs ...Program) error {
	if _, err := os.Stat(filepath.Join(l.Source, "kubernetes", "go.mod")); err != nil {
		return fmt.Errorf("find the lab's source: run it with 'go -C test/lab run .': %w", err)
	}
	release, err := proc.Lock(ctx, filepath.Join(l.Cache, "lab", "lock"), func() { l.Say("waiting for another build") })
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: set KUBERNAUT_CACHE to a folder that you may write", err)
	}
	if err != nil {
		return err
	}
	defer release()
	for _, p := range programs {
		dir := Dir(l, p)
		if _, err := os.Stat(filepath.Join(dir, p.name)); err == nil {
			continue
		}
		l.Say("building %s %s (usually %s, then cached)", p.name, p.version, p.usual)
		if err := compile(ctx, l, p, dir); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		l.Say("built %s", p.name)
	}
	return nil
}

func compile(ctx context.Context, l *place.Place, p Program, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The program gets its name last: who finds it there finds all of it.
	fresh := filepath.Join(dir, p.name+".new")
	cmd := exec.CommandContext(ctx, "go", p.arguments(fresh)...)
	cmd.Dir, cmd.Env, cmd.Stderr = filepath.Join(l.Source, p.name), append(os.Environ(), "CGO_ENABLED="+p.cgoEnabled()), os.Stderr
	if p.ours {
		cmd.Dir = l.Source
	}
	if err := cmd.Run(); err != nil {
		return err
	}
	if p.name == Gitea().name {
		if err := giteaFiles(ctx, cmd.Dir, dir); err != nil {
			return err
		}
	}
	for _, link := range p.links {
		if err := os.Symlink(p.name, filepath.Join(dir, link)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return os.Rename(fresh, filepath.Join(dir, p.name))
}

func (p Program) arguments(output string) []string {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", p.flags, "-o", output}
	if p.tags != "" {
		args = append(args, "-tags", p.tags)
	}
	if p.ours {
		return append(args, "./"+p.name)
	}
	return append(args, ".")
}

func (p Program) cgoEnabled() string {
	if p.cgo {
		return "1"
	}
	return "0"
}

// giteaFiles copies the templates that the forge's pages and its repositories'
// first files are made of.
func giteaFiles(ctx context.Context, module, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-json", "code.gitea.io/gitea")
	cmd.Dir = module
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("find gitea's module: %w", err)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return fmt.Errorf("find gitea's module: %w", err)
	}
	for _, name := range []string{"templates", "options", "public"} {
		to := filepath.Join(dir, name)
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		if err := os.CopyFS(to, os.DirFS(filepath.Join(found.Dir, name))); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return nil
}
