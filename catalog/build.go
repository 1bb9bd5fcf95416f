package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// maxMessage bounds a finding's message as the API does.
const maxMessage = 2048

// kustomization is what we write ourselves.
type kustomization struct {
	Resources     []string `json:"resources"`
	BuildMetadata []string `json:"buildMetadata,omitempty"`
}

// build runs Kustomize. The tree is mounted below a root of our own, which asks
// for annotations that say from which file each object came.
func build(tree fs.FS, root string) ([]*resource.Resource, *sources, []v1alpha1.Finding) {
	s := newSources(tree, root)
	info, err := fs.Stat(tree, root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, s, []v1alpha1.Finding{{Reason: v1alpha1.ReasonEmptySource, Message: fmt.Sprintf("the source has no path %q: commit it or mend spec.path", root)}}
	case err != nil || !info.IsDir():
		return nil, s, []v1alpha1.Finding{{Reason: v1alpha1.ReasonBuildFailed, Message: fmt.Sprintf("path %q is no readable directory: mend spec.path", root)}}
	}
	if found := s.generate(); len(found) > 0 {
		return nil, s, found
	}
	s.write(wrapper, kustomization{Resources: []string{".." + path.Join(mount, root)}, BuildMetadata: []string{"originAnnotations"}})
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(s, wrapper)
	if len(s.findings) > 0 {
		return nil, s, s.findings
	}
	if err != nil {
		return nil, s, s.explain(err)
	}
	built := made.Resources()
	if len(built) == 0 {
		return nil, s, []v1alpha1.Finding{{Reason: v1alpha1.ReasonEmptySource, Message: fmt.Sprintf("path %q holds no manifest: commit one or mend spec.path", root)}}
	}
	if len(built) > MaxObjects {
		return nil, s, []v1alpha1.Finding{{Reason: v1alpha1.ReasonBuildFailed, Message: fmt.Sprintf("found %d objects, a catalog publishes at most %d: split it", len(built), MaxObjects)}}
	}
	return built, s, nil
}

func (s *sources) write(dir string, k kustomization) {
	// Strings alone always marshal.
	raw, _ := json.Marshal(k)
	s.made[path.Join(dir, konfig.DefaultKustomizationFileName())] = raw
}

// generate makes a kustomization of all YAML files where the root has none.
// Directories with one of their own are taken as they are, hidden ones not.
func (s *sources) generate() []v1alpha1.Finding {
	if s.hasKustomization(s.root) {
		return nil
	}
	var k kustomization
	err := fs.WalkDir(s.tree, s.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == s.root {
			return err
		}
		switch {
		case strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case d.IsDir() && s.hasKustomization(name):
			k.Resources = append(k.Resources, s.relative(name))
			return fs.SkipDir
		case d.Type().IsRegular() && isManifest(name):
			k.Resources = append(k.Resources, s.relative(name))
		}
		if len(k.Resources) > maxFiles {
			return fmt.Errorf("more than %d files: make spec.path narrower", maxFiles)
		}
		return nil
	})
	if err != nil {
		return []v1alpha1.Finding{{Reason: v1alpha1.ReasonBuildFailed, Message: cut("list manifests: "+err.Error(), maxMessage)}}
	}
	if len(k.Resources) == 0 {
		return []v1alpha1.Finding{{Reason: v1alpha1.ReasonEmptySource, Message: fmt.Sprintf("path %q holds no manifest: commit one or mend spec.path", s.root)}}
	}
	for _, name := range k.Resources {
		// One build stops at the first bad file; reading all first finds all.
		if isManifest(name) {
			s.loadManifest(path.Join(s.root, name))
		}
	}
	s.write(path.Join(mount, s.root), k)
	return s.findings
}

func (s *sources) hasKustomization(dir string) bool {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if info, err := fs.Stat(s.tree, path.Join(dir, name)); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}

// explain turns an error of Kustomize's into findings. It says of two objects
// with one name only that there are two, so they are looked for.
func (s *sources) explain(err error) []v1alpha1.Finding {
	if strings.Contains(err.Error(), "already registered id") {
		if found := s.duplicates(); len(found) > 0 {
			return found
		}
	}
	message := strings.NewReplacer(".."+mount+"/", "", mount+"/", "", mount, ".", wrapper, ".").Replace(err.Error())
	// It tries a file as a directory next and reports the second try first.
	if _, first, ok := strings.Cut(message, "accumulation err='"); ok {
		message = first
	}
	return []v1alpha1.Finding{{File: konfig.DefaultKustomizationFileName(), Reason: v1alpha1.ReasonBuildFailed, Message: cut("build: "+message, maxMessage)}}
}

func isManifest(name string) bool {
	return (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")) && !isKustomization(path.Base(name))
}

func isKustomization(base string) bool {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if base == name {
			return true
		}
	}
	return false
}

// cut shortens text to a number of bytes without breaking a character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}
