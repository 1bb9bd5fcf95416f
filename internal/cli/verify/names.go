package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/cli/env"
)

// named is an image and who names it; err says why it is not known which.
type named struct {
	ref string
	by  []string
	err error
}

// names gathers images, each once.
type names struct {
	env       *env.Env
	offline   bool
	namespace string
	images    []named
}

func (n *names) add(ref, by string, err error) {
	for i := range n.images {
		if n.images[i].ref == ref && err == nil && n.images[i].err == nil {
			n.images[i].by = append(n.images[i].by, by)
			return
		}
	}
	one := named{ref: ref, err: err}
	if by != "" {
		one.by = []string{by}
	}
	n.images = append(n.images, one)
}

// read takes a folder as catalog, a file as manifests, and anything else as the
// name of an image.
func (n *names) read(ctx context.Context, arg string) error {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		return n.tree(ctx, os.DirFS(arg), arg)
	case err == nil:
		return n.tree(ctx, alone{os.DirFS(filepath.Dir(arg)), filepath.Base(arg)}, arg)
	case errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(arg, ".yaml") && !strings.HasSuffix(arg, ".yml"):
		n.add(arg, "", nil)
		return nil
	}
	return fmt.Errorf("read manifests: %w", err)
}

func (n *names) tree(ctx context.Context, tree fs.FS, from string) error {
	set, findings := catalog.Load(tree, ".")
	if len(findings) > 0 {
		f := findings[0]
		return fmt.Errorf("%s has %d faults, and its images may not be those that run: %s:%d: %s: see 'kubernaut lint'", from, len(findings), f.File, f.Line, f.Message)
	}
	own := map[string]string{}
	for _, o := range set.Objects {
		if o.Action != nil {
			own[o.Name] = o.Action.Spec.Image
			n.add(o.Action.Spec.Image, "Action/"+o.Name, nil)
		}
	}
	for _, o := range set.Objects {
		if o.Workflow == nil {
			continue
		}
		for _, step := range catalog.Steps(o.Workflow.Spec) {
			n.step(ctx, step, own, "Workflow/"+o.Name+" step "+step.Name)
		}
	}
	return nil
}

func (n *names) step(ctx context.Context, step catalog.Placed, own map[string]string, by string) {
	if step.Action == "" {
		n.add(step.Image, by, nil)
		return
	}
	ref, ok := own[step.Action]
	if ok {
		n.add(ref, by, nil)
		return
	}
	ref, err := n.action(ctx, step.Action)
	if err != nil {
		ref = "Action/" + step.Action
	}
	n.add(ref, by, err)
}

// action finds the image of an action that is published already.
func (n *names) action(ctx context.Context, name string) (string, error) {
	if n.offline {
		return "", fmt.Errorf("action %q is not in these files, and with --policy no cluster is asked: name the folder of its catalog", name)
	}
	c, err := n.env.Cluster()
	if err != nil {
		return "", err
	}
	a := &v1alpha1.Action{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: n.namespace, Name: name}, a); err != nil {
		return "", fmt.Errorf("read action %q, which is not in these files, in namespace %s: %w", name, n.namespace, err)
	}
	return a.Spec.Image, nil
}

// alone is one file of a folder.
type alone struct {
	fs.FS
	name string
}

// ReadDir is fs.ReadDirFS.
func (a alone) ReadDir(dir string) ([]fs.DirEntry, error) {
	info, err := fs.Stat(a.FS, a.name)
	if err != nil || dir != "." {
		return nil, err
	}
	return []fs.DirEntry{fs.FileInfoToDirEntry(info)}, nil
}

// Open is fs.FS: but for the folder, only the one file is there.
func (a alone) Open(name string) (fs.File, error) {
	if name != "." && name != a.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return a.FS.Open(name)
}
