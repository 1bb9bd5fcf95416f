package catalog

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// TestMain adds -update, which rewrites transcripts: commit a rewrite only if
// you understand it.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite testdata")
	flag.Parse()
	os.Exit(m.Run())
}

// render writes what Load found, as the transcripts hold it.
func render(set Set, findings []v1alpha1.Finding) string {
	var out strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&out, "%s:%d %s %s\n  %s\n", f.File, f.Line, f.Reason, f.Object, f.Message)
	}
	for _, o := range set.Objects {
		fmt.Fprintf(&out, "%s/%s from %s:%d\n", o.Kind, o.Name, o.origin.file, o.origin.line("metadata.name"))
	}
	return out.String()
}

// Each transcript is a txtar archive: a paragraph that says what is shown, a
// line "path: …" if it is not the root, the source's files, and the file
// "want" with what Load says.
func TestLoad(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d transcripts, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tree, want, root := fstest.MapFS{}, -1, ""
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = i
					continue
				}
				tree[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			for _, line := range strings.Split(string(archive.Comment), "\n") {
				if p, ok := strings.CutPrefix(line, "path: "); ok {
					root = p
				}
			}
			got := render(Load(tree, root))
			if updating() {
				archive.Files[want].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[want].Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const good = `apiVersion: kubernaut.ai/v1alpha1
kind: Action
metadata:
  name: git-clone
spec:
  type: git/clone
  version: v1.0.0
  image: registry.example.com/git-clone@sha256:0000000000000000000000000000000000000000000000000000000000000000
`

func TestLoadBounds(t *testing.T) {
	big := "# " + strings.Repeat("x", 1000) + "\n"
	for _, c := range []struct {
		name string
		tree func() fstest.MapFS
	}{
		{"too many files", func() fstest.MapFS {
			tree := fstest.MapFS{}
			for i := range maxFiles + 1 {
				tree[fmt.Sprintf("a%d.yaml", i)] = &fstest.MapFile{Data: []byte(good)}
			}
			return tree
		}},
		{"too many bytes", func() fstest.MapFS {
			tree := fstest.MapFS{}
			for i := range 11 {
				tree[fmt.Sprintf("a%d.yaml", i)] = &fstest.MapFile{Data: []byte(strings.Repeat(big, 1000))}
			}
			return tree
		}},
		{"one file too large", func() fstest.MapFS {
			return fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(strings.Repeat(big, 1100))}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, findings := Load(c.tree(), "")
			if len(findings) == 0 || findings[0].Reason != v1alpha1.ReasonBuildFailed || len(set.Objects) > 0 {
				t.Errorf("%d objects, findings %v", len(set.Objects), findings)
			}
		})
	}
}

// A symbolic link out of the source is refused by the file system that a
// source opens; what Load adds is that nothing is published then.
func TestLoadRefusesLinkOutOfSource(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "a.yaml"), []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	inside := t.TempDir()
	if err := os.Symlink(filepath.Join(outside, "a.yaml"), filepath.Join(inside, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(inside, "kustomization.yaml"), []byte("resources: [a.yaml]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	set, findings := Load(root.FS(), "")
	if len(findings) != 1 || findings[0].Line != 1 || len(set.Objects) > 0 {
		t.Errorf("%d objects, findings %v", len(set.Objects), findings)
	}
}

func TestInto(t *testing.T) {
	set, findings := Load(fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(good)},
		"b.yaml": &fstest.MapFile{Data: []byte(strings.Replace(good, "name: git-clone", "name: other\n  namespace: elsewhere", 1))}}, "")
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	findings = set.Into("ops")
	if len(findings) != 1 || findings[0].File != "b.yaml" || findings[0].Line != 5 {
		t.Errorf("findings %v", findings)
	}
	if got := set.Objects[0].Manifest.GetNamespace(); got != "ops" {
		t.Errorf("namespace %q", got)
	}
}

func TestMissing(t *testing.T) {
	workflow := "apiVersion: kubernaut.ai/v1alpha1\nkind: Workflow\nmetadata:\n  name: w\nspec:\n  version: v1.0.0\n  steps:\n  - name: a\n    action: git-clone\n  - name: b\n    action: ghost\n  - name: c\n    action: known\n"
	set, findings := Load(fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(good + "---\n" + workflow)}}, "")
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	findings = set.Missing(func(name string) bool { return name == "known" })
	if len(findings) != 1 || findings[0].Line != 20 || findings[0].Reason != v1alpha1.ReasonInvalidReference {
		t.Errorf("findings %v", findings)
	}
}

// FuzzLoad: whatever a file holds, there are objects or findings, never both,
// and findings keep the API's bounds.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{good, "a: &a [*a]", "{", "kind: Workflow\nmetadata: {name: x}\n", "apiVersion: v1\nkind: List\nitems: [{}]\n", "- 1\n", "\x00", "a: !!binary x\n"} {
		f.Add(s, false)
	}
	f.Add("resources: [https://example.com/x, ../..]\n", true)
	f.Add("resources: [a.yaml]\npatches:\n- patch: |-\n    - op: remove\n      path: /spec\n  target: {kind: Action}\n", true)
	f.Fuzz(func(t *testing.T, text string, kustomization bool) {
		tree := fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(text)}}
		if kustomization {
			tree = fstest.MapFS{"kustomization.yaml": &fstest.MapFile{Data: []byte(text)}, "a.yaml": &fstest.MapFile{Data: []byte(good)}}
		}
		set, findings := Load(fs.FS(tree), "")
		if (len(set.Objects) == 0) != (len(findings) > 0) {
			t.Errorf("%d objects, findings %v", len(set.Objects), findings)
		}
		for _, f := range findings {
			if f.Reason == "" || f.Message == "" || len(f.Message) > maxMessage || f.Line < 0 {
				t.Errorf("finding %+v", f)
			}
		}
	})
}
