package edit

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

type operation struct {
	name, content string
	change        Change
	want          string
}

func writing() []operation {
	return []operation{
		{"literal text stays a block", "a: |  # c\n    one\n    two\nb: 1\n", Change{Path: "a", Value: "1\n\n2\n"}, "a: |  # c\n    1\n\n    2\nb: 1\n"},
		{"its end stays exact", "a: |\n  one\nb: 1\n", Change{Path: "a", Value: "x\ny"}, "a: |-\n  x\n  y\nb: 1\n"},
		{"folded text stays folded", "a: >-\n  one\n  two\nb: 1\n", Change{Path: "a", Value: "three"}, "a: >-\n  three\nb: 1\n"},
		{"folded text of lines becomes literal", "a: >\n  one\n", Change{Path: "a", Value: "x\ny\n"}, "a: |\n  x\n  y\n"},
		{"block text in a list", "l:\n- |\n  one\n- b\n", Change{Path: "l[0]", Value: "x\ny\n"}, "l:\n- |\n  x\n  y\n- b\n"},
		{"a number over block text", "a: |\n  one\nb: 1\n", Change{Path: "a", Value: 5}, "a: 5\nb: 1\n"},
		{"text over two lines", "a: x\n  y\nb: 1\n", Change{Path: "a", Value: "z"}, "a: z\nb: 1\n"},
		{"quoted text over two lines", "a: \"x\n  y\"  # c\nb: 1\n", Change{Path: "a", Value: "z"}, "a: \"z\"  # c\nb: 1\n"},
		{"new text of lines is a block", "a: 1\n", Change{Path: "b", Value: "x: 1\n\ny: 2\n"}, "a: 1\nb: |\n  x: 1\n\n  y: 2\n"},
		{"key in {}", "a: {b: 1} # c\n", Change{Path: "a.c", Value: "x y"}, "a: {b: 1, c: x y} # c\n"},
		{"map in {}", "a: {b: 1}\n", Change{Path: "a.c.d", Value: []any{1, "2"}}, "a: {b: 1, c: {d: [1, \"2\"]}}\n"},
		{"key in {} of several lines", "a: {\n  b: 1, # c\n  d: 2\n}\n", Change{Path: "a.e", Value: 3}, "a: {\n  b: 1, # c\n  d: 2,\n  e: 3\n}\n"},
		{"key in {} in {}", "a: {b: {}}\n", Change{Path: "a.b.c", Value: 1}, "a: {b: {c: 1}}\n"},
		{"key in null in {}", "a: {b: }\n", Change{Path: "a.b.c", Value: 1}, "a: {b: {c: 1} }\n"},
		{"document that is {}", "# none\n{}\n", Change{Path: "a.b", Value: 1}, "# none\na:\n  b: 1\n"},
		{"list by a list", "a:\n# first\n- b # c\n- d\n- e\n", Change{Path: "a", Value: []any{"b", "x", "e", "f"}}, "a:\n# first\n- b # c\n- x\n- e\n- f\n"},
		{"shorter list", "a:\n  - b\n  # to d\n  - d\n  - e # c\n", Change{Path: "a", Value: []any{"e"}}, "a:\n  # to d\n  - e # c\n"},
		{"list in []", "a: [b, d, e]\n", Change{Path: "a", Value: []any{"b", "e"}}, "a: [b, e]\n"},
		{"empty list", "a:\n- b\n- c\nd: 1\n", Change{Path: "a", Value: []any{}}, "a: []\nd: 1\n"},
	}
}

func deleting() []operation {
	return []operation{
		{"delete a key", "a: 1\n# of b\nb: 2 # two\nc: 3\n", Change{Op: Delete, Path: "b"}, "a: 1\n# of b\nc: 3\n"},
		{"delete a map", "a:\n  b: 1\n  # in a\n\nc: 3\n", Change{Op: Delete, Path: "a"}, "\nc: 3\n"},
		{"delete a list at its key's column", "a:\n- 1\n- 2\nc: 3\n", Change{Op: Delete, Path: "a"}, "c: 3\n"},
		{"delete the last key without newline", "a: 1\nb: 2", Change{Op: Delete, Path: "b"}, "a: 1"},
		{"delete the only key", "a: # c\n  # why\n  b: 1\nd: 1\n", Change{Op: Delete, Path: "a.b"}, "a: {} # c\n  # why\nd: 1\n"},
		{"delete the only item", "a:\n- b: 1\n  c: 2\nd: 1\n", Change{Op: Delete, Path: "a[0]"}, "a: []\nd: 1\n"},
		{"delete the first key of an item", "a:\n- b: 1\n  c: 2\n", Change{Op: Delete, Path: "a[0].b"}, "a:\n- c: 2\n"},
		{"delete the only key of an item", "a:\n- b: 1\n- c\n", Change{Op: Delete, Path: "a[0].b"}, "a:\n- {}\n- c\n"},
		{"delete an item by name", "a:\n- name: x\n  v: 1\n# about y\n- name: y\n  v: 2\n", Change{Op: Delete, Path: "a[name=x]"}, "a:\n# about y\n- name: y\n  v: 2\n"},
		{"delete text", "a: |\n  # text\n\n  x\nb: 1\n", Change{Op: Delete, Path: "a"}, "b: 1\n"},
		{"a comment of nobody's stays", "a: 1\n   # deep\nb: 1\n", Change{Op: Delete, Path: "a"}, "   # deep\nb: 1\n"},
		{"delete first in {}", "a: {b: 1, c: 2}\n", Change{Op: Delete, Path: "a.b"}, "a: {c: 2}\n"},
		{"delete last in {}", "a: {b: 1, c: 2}\n", Change{Op: Delete, Path: "a.c"}, "a: {b: 1}\n"},
		{"delete only in {}", "a: {b: 1}\n", Change{Op: Delete, Path: "a.b"}, "a: {}\n"},
		{"delete in []", "a: [1, 2, 3]\n", Change{Op: Delete, Path: "a[1]"}, "a: [1, 3]\n"},
		{"delete what is not there", "a: 1\n", Change{Op: Delete, Path: "b.c"}, "a: 1\n"},
		{"delete an item that is not there", "a:\n- name: x\n", Change{Op: Delete, Path: "a[name=y].b"}, "a:\n- name: x\n"},
	}
}

func inserting() []operation {
	return []operation{
		{"append", "a:\n  - b # c\n\n# d\nd: 1\n", Change{Op: Append, Path: "a", Value: "x"}, "a:\n  - b # c\n  - x\n\n# d\nd: 1\n"},
		{"append a map", "a:\n- b: 1\n  c:\n  - 1\nd: 1\n", Change{Op: Append, Path: "a", Value: map[string]any{"b": 2, "c": []any{"x"}}}, "a:\n- b: 1\n  c:\n  - 1\n- b: 2\n  c:\n  - x\nd: 1\n"},
		{"append what is there", "a: [b]\n", Change{Op: Append, Path: "a", Value: "b"}, "a: [b]\n"},
		{"append to []", "a: [b]\n", Change{Op: Append, Path: "a", Value: "c"}, "a: [b, c]\n"},
		{"append to the empty list", "a: [] # none\n", Change{Op: Append, Path: "a", Value: "c"}, "a: # none\n- c\n"},
		{"append to no list", "a:\n  b: 1\n", Change{Op: Append, Path: "a.c", Value: "c"}, "a:\n  b: 1\n  c:\n  - c\n"},
		{"append a list", "a:\n- b\n", Change{Op: Append, Path: "a", Value: []any{1}}, "a:\n- b\n- [1]\n"},

		{"insert first", "a:\n- b\n", Change{Op: Insert, Path: "a[0]", Value: "x"}, "a:\n- x\n- b\n"},
		{"insert between", "a:\n- b\n# of c\n- c\n", Change{Op: Insert, Path: "a[1]", Value: "x"}, "a:\n- b\n- x\n# of c\n- c\n"},
		{"insert at the end", "a:\n- b\n", Change{Op: Insert, Path: "a[-]", Value: "b"}, "a:\n- b\n- b\n"},
		{"insert by pointer", "a: [b]\n", Change{Op: Insert, Path: "/a/0", Value: 1}, "a: [1, b]\n"},
		{"insert a key", "a:\n  b: 1\n", Change{Op: Insert, Path: "/a/c~1d", Value: 1}, "a:\n  b: 1\n  c/d: 1\n"},

		{"replace a map by a value", "a: # c\n  b: 1\nd: 1\n", Change{Op: Replace, Path: "a", Value: 5}, "a: 5 # c\nd: 1\n"},
		{"replace a value by a map", "a: 5 # c\nd: 1\n", Change{Op: Replace, Path: "a", Value: map[string]any{"b": 1}}, "a: # c\n  b: 1\nd: 1\n"},
		{"replace by an exact map", "a:\n  b: 1 # c\n  d: 2\n  e: 3\n", Change{Op: Replace, Path: "a", Value: map[string]any{"b": 1, "e": 4, "f": 5}}, "a:\n  b: 1 # c\n  e: 4\n  f: 5\n"},
		{"replace an item", "a:\n- b\n- c: 1\n  d: 2\n", Change{Op: Replace, Path: "a[1]", Value: "x"}, "a:\n- b\n- x\n"},
		{"replace an item by a map", "a:\n- b # c\n- d\n", Change{Op: Replace, Path: "a[1]", Value: map[string]any{"x": 1, "z": 2}}, "a:\n- b # c\n- x: 1\n  z: 2\n"},
		{"replace in {}", "a: {b: [1], c: 2}\n", Change{Op: Replace, Path: "a.b", Value: map[string]any{"x": 1}}, "a: {b: {x: 1}, c: 2}\n"},
		{"test that holds", "a: 0x10\n", Change{Op: Test, Path: "a", Value: 16}, "a: 0x10\n"},
		{"copy", "a:\n  b: [1, x]\n", Change{Op: Copy, From: "a.b", Path: "c"}, "a:\n  b: [1, x]\nc:\n- 1\n- x\n"},
		{"move", "a:\n- b\n- c\n- d\n", Change{Op: Move, From: "/a/0", Path: "/a/2"}, "a:\n- c\n- d\n- b\n"},
	}
}

func TestOperations(t *testing.T) {
	for _, c := range slices.Concat(writing(), deleting(), inserting()) {
		t.Run(c.name, func(t *testing.T) {
			for _, file := range []struct{ content, want string }{{c.content, c.want}, {crlf(c.content), crlf(c.want)}} {
				out, err := Apply("f.yaml", []byte(file.content), Selector{}, []Change{c.change})
				if err != nil {
					t.Fatal(err)
				}
				if string(out.Content) != file.want {
					t.Errorf("got\n%q\nwant\n%q", out.Content, file.want)
				}
				if out.Changed() != (file.content != file.want) {
					t.Errorf("edits %+v", out.Edits)
				}
			}
		})
	}
}

func crlf(text string) string {
	out := ""
	for _, c := range text {
		if c == '\n' {
			out += "\r"
		}
		out += string(c)
	}
	return out
}

func TestOperationsRefuse(t *testing.T) {
	cases := []struct {
		name, content string
		change        Change
		reason        run.Reason
	}{
		{"test fails", "a: 1\n", Change{Op: Test, Path: "a", Value: "1"}, v1alpha1.ReasonEditTestFailed},
		{"test of nothing", "a: 1\n", Change{Op: Test, Path: "b"}, v1alpha1.ReasonEditTargetNotFound},
		{"replace of nothing", "a: 1\n", Change{Op: Replace, Path: "b", Must: true}, v1alpha1.ReasonEditTargetNotFound},
		{"delete of nothing", "a: 1\n", Change{Op: Delete, Path: "b", Must: true}, v1alpha1.ReasonEditTargetNotFound},
		{"delete of no item", "a: [1]\n", Change{Op: Delete, Path: "/a/1", Must: true}, v1alpha1.ReasonEditTargetNotFound},
		{"insert into nothing", "a: 1\n", Change{Op: Insert, Path: "/b/c", Must: true}, v1alpha1.ReasonEditTargetNotFound},
		{"insert past the end", "a: [1]\n", Change{Op: Insert, Path: "/a/2"}, v1alpha1.ReasonEditTargetNotFound},
		{"insert at no index", "a: [1]\n", Change{Op: Insert, Path: "/a/x"}, v1alpha1.ReasonEditTargetNotFound},
		{"append to a map", "a: {b: 1}\n", Change{Op: Append, Path: "a", Value: 1}, v1alpha1.ReasonEditTargetNotFound},
		{"delete what an alias needs", "a:\n  b: &x 1\nc: *x\n", Change{Op: Delete, Path: "a"}, v1alpha1.ReasonEditUnsupported},
		{"delete with a comment in {}", "a: {b: 1, # c\n  d: 2}\n", Change{Op: Delete, Path: "a.b"}, v1alpha1.ReasonEditUnsupported},
		{"move into itself", "a:\n  b: 1\n", Change{Op: Move, From: "a", Path: "a.b"}, v1alpha1.ReasonEditInvalid},
		{"copy of nothing", "a: 1\n", Change{Op: Copy, From: "b", Path: "c"}, v1alpha1.ReasonEditTargetNotFound},
		{"unknown operation", "a: 1\n", Change{Op: "add", Path: "c"}, v1alpha1.ReasonEditInvalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := Apply("f.yaml", []byte(c.content), Selector{}, []Change{{Path: "z", Value: 1}, c.change})
			r, ok := run.AsRefusal(err)
			if !ok || r.Reason != c.reason || out.Content != nil {
				t.Errorf("want refusal %s, got %v with %q", c.reason, err, out.Content)
			}
		})
	}
}

// What takes more memory or time than an action has is refused.
func TestLimits(t *testing.T) {
	line := "key: value\n"
	large := "kind: A\nl:\n" + strings.Repeat("- "+line, (maxFile-100)/len("- "+line))
	var many []Change
	for i := range 100 {
		many = append(many, Change{Path: "l[" + strconv.Itoa(i) + "].key", Value: i})
	}
	for name, c := range map[string]struct {
		content string
		changes []Change
	}{
		"large file":                    {large + strings.Repeat("# more\n", 100), []Change{{Path: "kind", Value: "B"}}},
		"file that becomes large":       {large, []Change{{Path: "kind", Value: strings.Repeat("x", 200)}}},
		"many changes of a large file":  {large, []Change{{Op: Replace, Path: "l", Value: []any{1, 2}}}},
		"more changes than are allowed": {"a: 1\n", slices.Repeat(many, 11)},
	} {
		out, err := Apply("f.yaml", []byte(c.content), Selector{}, c.changes)
		if r, ok := run.AsRefusal(err); !ok || (r.Reason != v1alpha1.ReasonEditUnsupported && r.Reason != v1alpha1.ReasonEditInvalid) || out.Content != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJSONIsEditedTooInLines(t *testing.T) {
	const file = "{\n  \"a\": {\n    \"b\": 1\n  },\n  \"l\": [1, 2]\n}\n"
	out, err := Apply("f.json", []byte(file), Selector{}, []Change{
		{Path: "a.c", Value: map[string]any{"d": []any{"x"}}}, {Op: Delete, Path: "l[0]"}, {Op: Append, Path: "l", Value: true}, {Path: "n", Value: nil}})
	want := "{\n  \"a\": {\n    \"b\": 1,\n    \"c\": {\"d\": [\"x\"]}\n  },\n  \"l\": [2, true],\n  \"n\": null\n}\n"
	if err != nil || string(out.Content) != want {
		t.Errorf("%v\n%s", err, out.Content)
	}
}

// Lines are those of the result, however many changes come after.
func TestLinesOfEditsMoveWithTheFile(t *testing.T) {
	out, err := Apply("f.yaml", []byte("a: 1\nb:\n- x\n- y\nc: 3\n"), Selector{}, []Change{
		{Path: "c", Value: 4}, {Op: Delete, Path: "b[0]"}, {Op: Insert, Path: "b[0]", Value: map[string]any{"m": 1, "o": 2}}, {Path: "a", Value: 2}, {Path: "d.e", Value: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "a: 2\nb:\n- m: 1\n  o: 2\n- y\nc: 4\nd:\n  e: 5\n"; string(out.Content) != want {
		t.Fatal(cmp.Diff(want, string(out.Content)))
	}
	want := []Edit{{"c", "3", "4", 6}, {"b[0]", "x", "", 5}, {"b[0]", "", `{"m":1,"o":2}`, 3}, {"a", "1", "2", 1}, {"d.e", "", "5", 7}}
	if diff := cmp.Diff(want, out.Edits); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkApply(b *testing.B) {
	changes := []Change{{Path: "spec.template.spec.containers[name=api].resources.limits.memory", Value: "768Mi"}, {Path: "spec.replicas", Value: 3}}
	for b.Loop() {
		if _, err := Apply("f.yaml", []byte(deployment), Selector{Kind: "Deployment"}, changes); err != nil {
			b.Fatal(err)
		}
	}
}
