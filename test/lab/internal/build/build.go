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
	// in is the folder of the module, if it is not called like the program, and
	// pkg the package in it that is built, if it is not the module's own.
	in, pkg string
	// module is another module of which folders are copied next to the program.
	module string
	copied []string
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
	return Program{
		name: "gitea", version: "v1.26.0", flags: "-s -w", tags: "sqlite sqlite_unlock_notify", cgo: true, usual: "3 to 6 minutes on 2 cores",
		// What the forge's pages and its repositories' first files are made of.
		module: "code.gitea.io/gitea", copied: []string{"templates", "options", "public"},
	}
}

// CoreDNS answers the names of Services.
func CoreDNS() Program {
	return Program{name: "coredns", version: "v1.14", flags: "-s -w", usual: "1 to 2 minutes"}
}

// Fulcio issues the certificates of keyless signatures.
func Fulcio() Program {
	return Program{name: "fulcio", version: "v1.8.8", flags: "-s -w", usual: "1 to 2 minutes", in: "sigstore", pkg: "github.com/sigstore/fulcio"}
}

// Rekor is the log of signatures, of version 2, which keeps it in files.
func Rekor() Program {
	return Program{
		name: "rekor", version: "v2.3.0", flags: "-s -w", usual: "a minute", in: "sigstore", pkg: "github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix",
	}
}

// TSA is the timestamp authority.
func TSA() Program {
	return Program{
		name: "tsa", version: "v2.1.3", flags: "-s -w", usual: "a minute", in: "sigstore", pkg: "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server",
	}
}

// PolicyController checks the images of pods at admission.
func PolicyController() Program {
	return Program{
		name: "policy-controller", version: "v0.13.1", flags: "-s -w", usual: "3 to 6 minutes on 2 cores",
		pkg: "github.com/sigstore/policy-controller/cmd/webhook", module: "github.com/sigstore/policy-controller", copied: []string{"config"},
	}
}

// Prove signs with the lab's Sigstore and verifies what it signed.
func Prove() Program {
	return Program{name: "prove", version: "v1", flags: "-s -w", usual: "a minute", in: "sigstore", pkg: "./prove"}
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
func All() []Program {
	return []Program{Kubernetes(), Gitea(), CoreDNS(), Fulcio(), Rekor(), TSA(), PolicyController(), Prove(), Pause(), Smoke()}
}

// Dir is the folder of a program in the cache; its name changes with
// everything that the program is built from.
func Dir(l *place.Place, p Program) string {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", filepath.Join(p.pkg, "main.go")} {
		data, err := os.ReadFile(filepath.Join(p.folder(l), name))
		if err == nil {
			_, _ = h.Write(data) // a hash never fails
		}
	}
	fmt.Fprint(h, p.flags, p.tags, p.pkg)
	return filepath.Join(l.Cache, "lab", p.name+"-"+p.version+"-"+hex.EncodeToString(h.Sum(nil))[:12])
}

// folder is where the program's module is.
func (p Program) folder(l *place.Place) string {
	if p.in != "" {
		return filepath.Join(l.Source, p.in)
	}
	return filepath.Join(l.Source, p.name)
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
	cmd.Dir, cmd.Env, cmd.Stderr = p.folder(l), append(os.Environ(), "CGO_ENABLED="+p.cgoEnabled()), os.Stderr
	if p.ours {
		cmd.Dir = l.Source
	}
	if err := cmd.Run(); err != nil {
		return err
	}
	if err := p.files(ctx, cmd.Dir, dir); err != nil {
		return err
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
	switch {
	case p.ours:
		return append(args, "./"+p.name)
	case p.pkg != "":
		return append(args, p.pkg)
	}
	return append(args, ".")
}

func (p Program) cgoEnabled() string {
	if p.cgo {
		return "1"
	}
	return "0"
}

// files copies folders of a module next to the program.
func (p Program) files(ctx context.Context, from, dir string) error {
	if p.module == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-json", p.module)
	cmd.Dir = from
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("find module %s: %w", p.module, err)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return fmt.Errorf("find module %s: %w", p.module, err)
	}
	for _, name := range p.copied {
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
