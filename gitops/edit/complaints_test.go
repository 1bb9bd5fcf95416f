package edit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// complaint is what users of editors of manifests have complained about: a
// file, what is asked of it, and the only difference that may come of it.
type complaint struct {
	complaint, content string
	changes            []Change
	old, changed       string
}

func complaints() []complaint {
	set := func(path string, value any) []Change { return []Change{{Path: path, Value: value}} }
	return []complaint{
		{"the comment on the same line is lost", "tag: v1 # keep\n", set("tag", "v2"), "v1", "v2"},
		{"the rest of a map in braces is cut off", "image: {name: app, tag: v1, pull: Always}\n", set("image.name", "web"), "app", "web"},
		{"quotes are dropped", "a: \"v1\"\nb: 'v1'\n", set("a", "v2"), `"v1"`, `"v2"`},
		{"single quotes become double ones", "a: \"v1\"\nb: 'v1'\n", set("b", "v2"), "'v1'", "'v2'"},
		{"Windows line ends become Unix ones", "a: 1\r\nb: v1\r\nc: 3\r\n", set("b", "v2"), "v1", "v2"},
		{"mixed line ends are made equal", "a: 1\r\nb: v1\nc: 3\r\n", set("b", "v2"), "v1", "v2"},
		{"a final newline is added", "a: v1", set("a", "v2"), "v1", "v2"},
		{"final empty lines are dropped", "a: v1\n\n\n", set("a", "v2"), "v1", "v2"},
		{"the byte order mark is dropped", "\ufeffa: v1\n", set("a", "v2"), "v1", "v2"},
		{"the header of a block is replaced and its text left behind", "a: |\n  one\n  two\nb: 1\n", set("a", "three\nfour\n"), "  one\n  two\n", "  three\n  four\n"},
		{"only the first document can be reached", "kind: A\nv: 1\n---\nkind: B\nv: 1\n", []Change{{Path: "v", Value: 2}}, "B\nv: 1", "B\nv: 2"},
		{"a colon in a value makes a map", "a: v1\n", set("a", "foo: bar"), "v1", `"foo: bar"`},
		{"a hash in a value makes a comment", "a: v1\n", set("a", "foo #bar"), "v1", `"foo #bar"`},
		{"yes becomes true", "a: v1\n", set("a", "yes"), "v1", `"yes"`},
		{"a date becomes a time", "a: v1\n", set("a", "2026-01-02"), "v1", `"2026-01-02"`},
		{"an octal number becomes another number", "a: v1\n", set("a", "0o17"), "v1", `"0o17"`},
		{"text that looks like a number becomes one", "a: v1\n", set("a", "1.10"), "v1", `"1.10"`},
		{"a commit such as 123e4 becomes a float", "a: v1\n", set("a", "123e4"), "v1", `"123e4"`},
		{"a newline in a value injects keys", "a: v1\nb: 1\n", set("a", "v2\nadmin: true"), "v1", `"v2\nadmin: true"`},
		{"a newline in a value of braces injects keys", "a: {b: v1}\n", set("a.b", "v2, admin: true}\n"), "v1", `"v2, admin: true}\n"`},
		{"special characters break the file", "a: v1\n", set("a", "@x*&!%`|>'\""), "v1", "\"@x*&!%`|>'\\\"\""},
		{"an anchor is removed with its value", "a: &tag v1\nb: 1\n", set("a", "v2"), "&tag v1", "&tag v2"},
		{"two updates on one line lose one", "a: {b: 1, c: 2} # d\n", append(set("a.b", 3), set("a.c", 4)...), "{b: 1, c: 2}", "{b: 3, c: 4}"},
		{"keys that do not exist cannot be set", "a:\n  b: 1\nc: 1\n", set("a.d.e", 2), "b: 1\n", "b: 1\n  d:\n    e: 2\n"},
		{"lists cannot be changed", "a:\n- one\n- two\n", []Change{{Op: Append, Path: "a", Value: "three"}}, "- two\n", "- two\n- three\n"},
		{"lists are replaced whole", "a:\n- one # 1\n- two # 2\n", set("a", []any{"one", "two", "three"}), "# 2\n", "# 2\n- three\n"},
		{"list items are found by position only", "c:\n- name: proxy\n  image: p\n- name: api\n  image: p\n", set("c[name=api].image", "q"), "api\n  image: p", "api\n  image: q"},
		{"keys with dots cannot be named", "m:\n  app.kubernetes.io/name: web\n", set(`m.app\.kubernetes\.io/name`, "api"), "web", "api"},
		{"comments are moved", "# a\na: 1 # one\n\n# b\nb:\n  # c\n  c: v1\n  # end\n", set("b.c", "v2"), "v1", "v2"},
		{"the gap before comments collapses", "a: v1       # one\nlonger: 2   # two\n", set("longer", 3), "2   #", "3   #"},
	}
}

func complaintsAboutLayout() []complaint {
	set := func(path string, value any) []Change { return []Change{{Path: path, Value: value}} }
	const script = "kind: ConfigMap\ndata:\n  run.sh: |\n    #!/bin/sh\n    echo \"a:  b\"   \n\n    exit 0\n  note: >-\n    one\n    two\ntag: v1\n"
	return []complaint{
		{"the file is indented anew", "a:\n    b:\n        - c: v1\n          d:   2\n", set("a.b[0].c", "v2"), "v1", "v2"},
		{"items of lists are indented anew", "a:\n- v1\nb:\n  - v1\n", set("b[0]", "v2"), "b:\n  - v1", "b:\n  - v2"},
		{"text in blocks becomes one quoted line", script, set("tag", "v2"), "tag: v1", "tag: v2"},
		{"long lines are folded", "a: " + strings.Repeat("long ", 60) + "end\nb: v1\n", set("b", "v2"), "v1", "v2"},
		{"the document marker is removed", "---\na: v1\n...\n", set("a", "v2"), "v1", "v2"},
		{"the version directive is removed", "%YAML 1.1\n---\na: v1\n", set("a", "v2"), "v1", "v2"},
		{"the whole file is written for one line", deployment, set("spec.replicas", 3), "replicas: 2", "replicas: 3"},
		{"empty lines are dropped", "a: 1\n\n\nb: v1\n\nc: 2\n", set("b", "v2"), "v1", "v2"},
		{"keys are sorted", "z: 1\na: v1\nm: 2\n", set("a", "v2"), "v1", "v2"},
		{"null is spelled out", "a:\nb: ~\nc: v1\n", set("c", "v2"), "v1", "v2"},
		{"numbers are written anew", "a: 1_000\nb: 0x1F\nc: 1e3\nd: 010\ne: v1\n", set("e", "v2"), "v1", "v2"},
		{"letters beyond ASCII are escaped", "a: \"é😀\"\nb: v1\n", set("b", "v2"), "v1", "v2"},
		{"the same field is changed in every object", "kind: A\nmemory: 1Gi\n---\nkind: B\nmemory: 1Gi\n", set("memory", "2Gi"), "B\nmemory: 1Gi", "B\nmemory: 2Gi"},
		{"space at the end of lines is cut", "a: 1  \nb: v1  \nc: 2  \n", set("b", "v2"), "v1", "v2"},
		{"aliases are written out", "a: &x {b: 1}\nc: *x\nd: v1\n", set("d", "v2"), "v1", "v2"},
		{"a merge key is written out", "a: &x {b: 1}\nc:\n  <<: *x\n  d: v1\n", set("c.d", "v2"), "v1", "v2"},
	}
}

func TestComplaints(t *testing.T) {
	for _, c := range append(complaints(), complaintsAboutLayout()...) {
		t.Run(c.complaint, func(t *testing.T) {
			sel := Selector{}
			if strings.Contains(c.content, "kind: B") {
				sel.Kind = "B"
			}
			out, err := Apply("f.yaml", []byte(c.content), sel, c.changes)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(c.content, c.old, c.changed, 1)
			if want == c.content || string(out.Content) != want {
				t.Errorf("difference to what is wanted\n%s", cmp.Diff(want, string(out.Content)))
			}
		})
	}
}

// What users complained about because it did something, and should not have.
func TestComplaintsThatAreRefused(t *testing.T) {
	const shared = "base: &b\n  tag: v1\nprod: *b\ntest:\n  <<: *b\n  own: 1\n"
	cases := []struct {
		complaint, content, path string
		reason                   run.Reason
	}{
		{"an index past the end crashes the program", "a: [1]\n", "a[1]", v1alpha1.ReasonEditTargetNotFound},
		{"a value behind an alias is changed for all", shared, "prod.tag", v1alpha1.ReasonEditTargetAliased},
		{"a value behind an anchor is changed for all", shared, "base.tag", v1alpha1.ReasonEditTargetAliased},
		{"a merged value is changed for all", shared, "test.tag", v1alpha1.ReasonEditTargetAliased},
		{"a template is broken", "a: {{ .Values.a }}\n", "a", v1alpha1.ReasonEditTemplated},
		{"the seal of an encrypted file is broken", "a: ENC[x]\nb: 1\nsops:\n  mac: ENC[y]\n", "b", v1alpha1.ReasonEditEncrypted},
		{"one of two fitting items is guessed", "a:\n- name: x\n- name: x\n", "a[name=x].b", v1alpha1.ReasonEditTargetAmbiguous},
		{"one of two fitting documents is guessed", "a: 1\n---\na: 1\n", "a", v1alpha1.ReasonEditTargetAmbiguous},
		{"one of two equal keys is guessed", "a: 1\na: 2\n", "a", v1alpha1.ReasonEditTargetAmbiguous},
		{"a map is overwritten by a value", "a:\n  b: 1\n", "a", v1alpha1.ReasonEditUnsupported},
		{"a misspelt item is made up", "a:\n- name: x\n", "a[name=y].b", v1alpha1.ReasonEditTargetNotFound},
		{"a broken file is written back", "a: [1\n", "a", v1alpha1.ReasonEditInvalid},
	}
	for _, c := range cases {
		t.Run(c.complaint, func(t *testing.T) {
			out, err := Apply("f.yaml", []byte(c.content), Selector{}, []Change{{Path: c.path, Value: "v2"}})
			if r, ok := run.AsRefusal(err); !ok || r.Reason != c.reason || out.Content != nil {
				t.Errorf("want %s, got %v with %q", c.reason, err, out.Content)
			}
		})
	}
}
