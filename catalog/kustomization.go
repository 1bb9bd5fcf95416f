package catalog

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// lawful lists the fields of a kustomization file that cannot reach beyond
// the tree. Generators, transformers, validators and Helm charts can load or
// run anything; the rest makes kinds that a catalog does not publish.
func lawful() []string {
	return []string{
		"apiVersion", "kind", "metadata", "resources", "components", "patches", "replacements", "images",
		"namePrefix", "nameSuffix", "namespace", "labels", "commonLabels", "commonAnnotations",
		"sortOptions", "buildMetadata",
	}
}

// checkKustomization refuses fields that are not lawful and paths that are not
// in the tree, before Kustomize acts on them: it would take a path that looks
// like a URL for a repository to clone. Files that it names are read, so that
// all that is wrong with them is found at once.
func (s *sources) checkKustomization(name string, f *file) []v1alpha1.Finding {
	var fields map[string]any
	// The same library as in Kustomize, so that both see the same document.
	if err := yaml.Unmarshal(f.content, &fields); err != nil {
		return []v1alpha1.Finding{f.finding("", fmt.Sprintf("not a kustomization: %v", err))}
	}
	var findings []v1alpha1.Finding
	allowed := lawful()
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(allowed, key) {
			findings = append(findings, f.finding(key, fmt.Sprintf("found field %q: a catalog may use %s", key, strings.Join(allowed, ", "))))
		}
	}
	for _, list := range []string{"resources", "components"} {
		for i, entry := range entries(fields[list]) {
			findings = append(findings, s.checkPath(path.Dir(name), f, fmt.Sprintf("%s[%d]", list, i), entry)...)
		}
	}
	for _, list := range []string{"patches", "replacements"} {
		for i, entry := range entries(fields[list]) {
			fields, _ := entry.(map[string]any)
			findings = append(findings, s.checkPatch(path.Dir(name), f, fmt.Sprintf("%s[%d]", list, i), fields)...)
		}
	}
	return findings
}

// checkPatch checks where a patch or replacement is, or what it says inline.
func (s *sources) checkPatch(dir string, f *file, at string, fields map[string]any) []v1alpha1.Finding {
	var findings []v1alpha1.Finding
	if p, ok := fields["path"]; ok {
		findings = s.checkPath(dir, f, at+".path", p)
	}
	if inline, ok := fields["patch"].(string); ok {
		for _, bad := range parseFile(f.name, []byte(inline)).findings {
			findings = append(findings, f.finding(at+".patch", "in the inline patch: "+bad.Message))
		}
	}
	return findings
}

func entries(v any) []any {
	list, _ := v.([]any)
	return list
}

// checkPath refuses what is not a path inside the tree and reads what is a file.
func (s *sources) checkPath(dir string, f *file, at string, entry any) []v1alpha1.Finding {
	text, ok := entry.(string)
	remote := strings.ContainsAny(text, ":@?") || strings.HasPrefix(strings.ToLower(text), "github.com")
	if !ok || text == "" || remote || path.IsAbs(text) {
		return []v1alpha1.Finding{f.finding(at, fmt.Sprintf("found %v: only relative paths inside the source are read", entry))}
	}
	target := path.Join(dir, text)
	if !fs.ValidPath(target) {
		return []v1alpha1.Finding{f.finding(at, fmt.Sprintf("%s leaves the source", text))}
	}
	info, err := fs.Stat(s.tree, target)
	if err != nil {
		return []v1alpha1.Finding{f.finding(at, fmt.Sprintf("the source has no %s", text))}
	}
	if !info.IsDir() && strings.HasPrefix(at, "resources") {
		s.loadManifest(target)
	}
	return nil
}
