package edit

import (
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/internal/run"
)

// Whatever the file, path and value: either a refusal, or a result in which
// the value reads back and all lines but those of the edit are the old ones.
func FuzzApply(f *testing.F) {
	for _, content := range []string{deployment, "a: 1", "a: {b: [x, 'y']}\r\n", "a:\n- b\n- c: |\n    t\n", "a: &x\n  b: *x\n", "? a\n: b\n", "\ufeff---\na: \"\"\n...\n",
		"a:\n  b: >-\n    one\n\n\n  # c\nd: 1\n", "a: 'it''s'\nb: \"\\x41\"\n", "[a, b]\n", "a:\n  - - b\n", "%YAML 1.1\n---\na: yes\n", "a:\n\tb: 1\n", "a: é\nb: 日本\n", "#\n", "a: b: c"} {
		for _, path := range []string{"a", "b", "a.b", "a[0]", "a[name=x].y", "spec.replicas", "spec.x.y"} {
			f.Add(content, path, "v: #'\"\n")
			f.Add(content, path, "512Mi")
		}
	}
	f.Fuzz(func(t *testing.T, content, path, value string) {
		out, err := Apply("f.yaml", []byte(content), Selector{}, []Change{{path, value}})
		if err != nil {
			if _, ok := run.AsRefusal(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if !out.Changed() {
			if string(out.Content) != content {
				t.Fatal("content differs without an edit")
			}
			return
		}
		p, err := parsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := editor{file: "f.yaml"}.open(out.Content)
		if err != nil {
			t.Fatalf("result cannot be edited again: %v\n%q", err, out.Content)
		}
		at, err := d.locate(p)
		if err != nil || len(at.missing) > 0 || at.value.Value != value || at.value.ShortTag() != "!!str" {
			t.Fatalf("reads back as %+v, %v", at.value, err)
		}
		onlyTheEditDiffers(t, content, string(out.Content), len(p.segments))
	})
}

func onlyTheEditDiffers(t *testing.T, old, changed string, depth int) {
	t.Helper()
	a, b := strings.SplitAfter(old, "\n"), strings.SplitAfter(changed, "\n")
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) > 1 || len(b) > depth+1 {
		t.Errorf("%d lines became %d:\n%q\n%q", len(a), len(b), old, changed)
	}
}

func FuzzPatch(f *testing.F) {
	f.Add("a: {b: [{name: x, c: 1}]}")
	f.Add("{\"a.b\": [1, \"2\"], \"[\": {}}")
	f.Fuzz(func(t *testing.T, text string) {
		changes, err := Patch([]byte(text))
		if err != nil {
			if _, ok := run.AsRefusal(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		for _, c := range changes {
			if _, err := parsePath(c.Path); err != nil && len(c.Path) < maxPath && strings.Count(c.Path, ".") < maxDepth/2 {
				t.Fatalf("patch makes a path that is not one: %v", err)
			}
		}
	})
}

// What isPlain lets stand without quotes must be that text to the parser.
func FuzzPlainTextIsText(f *testing.F) {
	for _, s := range []string{"a", "yes", "0x1", "1:2", "- a", "a: b", "~", "<<", "=", "2026-01-01", ".5", "1_0", "NaN", ".inf", "a #", "@a", "%a", "\u00a0", "a\u2028b", "null", "?0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, flow := range []bool{false, true} {
			written, err := scalar(s, style{flow: flow})
			if err != nil {
				return
			}
			doc := "k: " + written + "\n"
			if flow {
				doc = "k: [" + written + "]\n"
			}
			docs, err := parse([]byte(doc))
			if err != nil {
				return // the proof refuses it
			}
			n := docs[0].Content[0].Content[1]
			if flow {
				if n.Kind != yaml.SequenceNode || len(n.Content) != 1 {
					t.Fatalf("%q is not one item", doc)
				}
				n = n.Content[0]
			}
			if n.Value != s || n.ShortTag() != "!!str" {
				t.Fatalf("%q reads as %s %q", doc, n.Tag, n.Value)
			}
		}
	})
}
