package edit

import (
	"strings"
	"testing"

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
		out, err := Apply("f.yaml", []byte(content), Selector{}, []Change{{Path: path, Value: value}})
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
		d, err := open("f.yaml", out.Content, Selector{})
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
	// Text over several lines is one value.
	if (len(a) > 1 && !strings.Contains(old, "|") && !strings.Contains(old, ">") && !strings.ContainsAny(a[0], "\"'")) || len(b) > depth+3 {
		t.Errorf("%d lines became %d:\n%q\n%q", len(a), len(b), old, changed)
	}
}

// Whatever the file, path and operation: a refusal, or a file that can be
// edited on, that ends where the simple way of doing it ends too.
func FuzzOperations(f *testing.F) {
	ops := []Op{Replace, Insert, Append, Delete}
	for _, content := range []string{deployment, "a: 1", "a: {b: [x, 'y'], c: }\r\n", "a:\n- b\n- c: |\n    t\n- - d\n", "a:\n  b: >-\n    one\n\n\n  # c\nd: 1\n",
		"a: {b: 1, # c\n c: [\n1,\n], }\n", "- a\n-\n  # c\n  b: 1\n  c: 2\n", "a: \"x\n y\"\nb: {}\n", "? a\n: b\n", "{\"a\": [1, {\"b\": null}]}\n", "a: # c\n\n  - b # d\n\n\n  # e\n  - c", "a: |+\n  b\n\n\nc: 1\n"} {
		for _, path := range []string{"/a", "/a/b", "/a/0", "/a/1/c", "/a/-", "/d", "/spec/replicas", "/0"} {
			for op := range ops {
				f.Add(content, path, uint8(op), uint8(len(path)))
			}
		}
	}
	values := []any{"x", "a: b\n# c\n", 1, nil, map[string]any{"k": []any{"v"}}, []any{map[string]any{"k": "v", "l": 1}, "x"}, map[string]any{}, []any{}}
	f.Fuzz(func(t *testing.T, content, path string, op, value uint8) {
		c := Change{Op: ops[int(op)%len(ops)], Path: path, Value: values[int(value)%len(values)]}
		out, err := Apply("f.yaml", []byte(content), Selector{}, []Change{c})
		if err != nil {
			if _, ok := run.AsRefusal(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if !out.Changed() && string(out.Content) != content {
			t.Fatal("content differs without an edit")
		}
		if c.Op == Insert {
			return
		}
		again, err := Apply("f.yaml", out.Content, Selector{}, []Change{c})
		if err == nil && again.Changed() {
			if !strings.Contains(path, "[") && c.Op == Delete { // the next item has moved to the place
				return
			}
			t.Fatalf("%s %s is not done after it was done:\n%q\n%q\n%q", c.Op, path, content, out.Content, again.Content)
		}
	})
}
