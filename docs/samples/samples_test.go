// Package samples holds the sample workflows against the catalog's checks and
// against the page that lists them.
package samples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/catalog"
)

// files are the samples by name.
func files(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("[0-9][0-9]-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = string(text)
	}
	return out
}

// The samples are judged as "kubernaut lint" judges a catalog that has an
// Action for every image that we build.
func TestSamplesAreSound(t *testing.T) {
	tree := fstest.MapFS{}
	var resources []string
	for name, text := range files(t) {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
		resources = append(resources, name)
	}
	for _, a := range actions.All(nil) {
		c := a.Action.Contract()
		name := c.Metadata.Name + ".yaml"
		tree[name] = &fstest.MapFile{Data: []byte("apiVersion: kubernaut.ai/v1alpha1\nkind: Action\nmetadata: {name: " + c.Metadata.Name + "}\n" +
			"spec: {type: " + c.Spec.ActionType + ", version: " + c.Metadata.Version + ", image: \"registry.example.com/a@sha256:" + strings.Repeat("a", 64) + "\"}\n")}
		resources = append(resources, name)
	}
	tree["kustomization.yaml"] = &fstest.MapFile{Data: []byte("resources: [" + strings.Join(resources, ", ") + "]\n")}
	set, findings := catalog.Load(tree, ".")
	for _, f := range append(findings, set.Missing(func(string) bool { return false })...) {
		t.Errorf("%s:%d: %s: %s", f.File, f.Line, f.Reason, f.Message)
	}
	if got, want := set.Count(catalog.KindWorkflow), len(files(t)); got != want || want != 20 {
		t.Errorf("%d workflows in %d files, want 20 of each", got, want)
	}
}

// Each sample begins by saying what it shows, in one to three lines.
func TestSamplesExplainThemselves(t *testing.T) {
	for name, text := range files(t) {
		lines := 0
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "# ") {
				break
			}
			lines++
		}
		if lines < 1 || lines > 3 {
			t.Errorf("%s begins with %d lines of comment, want 1 to 3", name, lines)
		}
	}
}

// The page and the kustomization list the files that exist, in their order.
func TestSamplesAreListed(t *testing.T) {
	for page, row := range map[string]string{"README.md": `(?m)^\| \[[^]]+\]\(([^)]+)\) \| [^|]+ \|$`, "kustomization.yaml": `(?m)^  - (\S+)$`} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, m := range regexp.MustCompile(row).FindAllStringSubmatch(string(text), -1) {
			listed = append(listed, m[1])
		}
		exist, err := filepath.Glob("[0-9][0-9]-*.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(exist, listed); diff != "" {
			t.Errorf("%s lists other files than there are (-there +listed):\n%s", page, diff)
		}
	}
}
