package catalog

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Bounds of what a build reads. A manifest is a few kilobytes and a catalog
// has at most MaxObjects; the rest is room for patches.
const (
	maxFiles = 2000
	maxBytes = 10 << 20
	maxFile  = 1 << 20
)

// Where Kustomize sees the sources and our own root. The names tell a reader
// of its messages nothing, so they are removed from them.
const (
	mount   = "/kubernaut-source"
	wrapper = "/kubernaut-build"
)

// sources is a read-only file system for Kustomize that reads the tree only
// where the build asks for it, checks every file before Kustomize sees it and
// remembers where things stand. Whatever it does not override is an empty
// file system in memory.
type sources struct {
	filesys.FileSystem
	tree fs.FS
	root string // the catalog's path
	made map[string][]byte
	read map[string]*file
	size int
	// findings about files; a build that ran into one has failed.
	findings []v1alpha1.Finding
}

func newSources(tree fs.FS, root string) *sources {
	return &sources{FileSystem: filesys.MakeFsInMemory(), tree: tree, root: root, made: map[string][]byte{}, read: map[string]*file{}}
}

// inside turns a path of Kustomize's into one of the tree.
func inside(name string) (string, bool) {
	name = path.Clean("/" + name)
	if name == mount {
		return ".", true
	}
	return strings.CutPrefix(name, mount+"/")
}

// CleanedAbs splits a path into an existing directory and a file.
func (s *sources) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	name = path.Clean("/" + name)
	if _, ok := s.made[name]; ok {
		return filesys.ConfirmedDir(path.Dir(name)), path.Base(name), nil
	}
	if name == wrapper {
		return filesys.ConfirmedDir(name), "", nil
	}
	in, ok := inside(name)
	if !ok {
		return "", "", fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	info, err := fs.Stat(s.tree, in)
	if err != nil {
		return "", "", fmt.Errorf("find %s: %w", s.relative(in), err)
	}
	if info.IsDir() {
		return filesys.ConfirmedDir(name), "", nil
	}
	return filesys.ConfirmedDir(path.Dir(name)), path.Base(name), nil
}

// IsDir says whether a path is a directory.
func (s *sources) IsDir(name string) bool {
	_, rest, err := s.CleanedAbs(name)
	return err == nil && rest == ""
}

// Exists says whether a path exists.
func (s *sources) Exists(name string) bool {
	_, _, err := s.CleanedAbs(name)
	return err == nil
}

// ReadFile gives Kustomize a file that passed our checks.
func (s *sources) ReadFile(name string) ([]byte, error) {
	name = path.Clean("/" + name)
	if content, ok := s.made[name]; ok {
		return content, nil
	}
	in, ok := inside(name)
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	f, err := s.load(in)
	if err != nil {
		return nil, err
	}
	return f.content, nil
}

// load reads and checks one file of the tree, once.
func (s *sources) load(name string) (*file, error) {
	if f, ok := s.read[name]; ok {
		return f, f.err()
	}
	info, err := fs.Stat(s.tree, name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", s.relative(name), err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", s.relative(name))
	}
	if info.Size() > maxFile || s.size+int(info.Size()) > maxBytes || len(s.read) >= maxFiles {
		f := &file{findings: []v1alpha1.Finding{{File: s.relative(name), Reason: v1alpha1.ReasonBuildFailed,
			Message: fmt.Sprintf("a catalog reads at most %d files, %d MiB in all, %d MiB a file: make spec.path narrower", maxFiles, maxBytes>>20, maxFile>>20)}}}
		s.findings = append(s.findings, f.findings...)
		s.read[name] = f
		return f, f.err()
	}
	content, err := fs.ReadFile(s.tree, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.relative(name), err)
	}
	s.size += len(content)
	f := parseFile(s.relative(name), content)
	s.read[name] = f
	if isKustomization(path.Base(name)) && len(f.findings) == 0 {
		f.findings = s.checkKustomization(name, f)
	}
	s.findings = append(s.findings, f.findings...)
	return f, f.err()
}

// loadManifest loads a file that is a resource of the build.
func (s *sources) loadManifest(name string) {
	known := s.read[name] != nil
	f, err := s.load(name)
	if err != nil || known {
		// What is wrong with it is among the findings, or the build says it.
		return
	}
	f.checkObjects()
	s.findings = append(s.findings, f.findings...)
}

// relative is how findings name a file: seen from the catalog's path.
func (s *sources) relative(name string) string {
	rel, err := filepath.Rel("/"+s.root, "/"+name)
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// clean makes a path of the spec one of fs.FS.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}
