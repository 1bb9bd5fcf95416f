package edit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

const deployment = `# the API of the shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api   # do not rename
  labels: {app: api, tier: "web"}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: sidecar
        image: 'sidecar:1'
      - name: api
        image: "api:1"  # pinned
        args:
        - --verbose
        resources:
          limits:
            memory: 512Mi   # raised in March

            # half a core
            cpu: 500m
      restartPolicy: Always
`

// one change to one document.
func set(t *testing.T, content, path string, value any) (string, []Edit) {
	t.Helper()
	out, err := Apply("f.yaml", []byte(content), Selector{}, []Change{{Path: path, Value: value}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out.Content), out.Edits
}

func TestValuesAreSplicedIn(t *testing.T) {
	const limits = "spec.template.spec.containers[name=api].resources.limits."
	cases := []struct {
		name, content, path string
		value               any
		old, changed        string // the only difference
	}{
		{"plain, with its comment", deployment, limits + "memory", "768Mi", "512Mi ", "768Mi "},
		{"by index", deployment, "spec.template.spec.containers[1].resources.limits.cpu", "1", "500m", `"1"`},
		{"number", deployment, "spec.replicas", 3, "replicas: 2", "replicas: 3"},
		{"text that looks like a number", "a: 2\n", "a", "3", "2", `"3"`},
		{"double quotes stay", deployment, "spec.template.spec.containers[name=api].image", "api:2", `"api:1"`, `"api:2"`},
		{"single quotes stay", deployment, "spec.template.spec.containers[name=sidecar].image", "it's", "'sidecar:1'", "'it''s'"},
		{"first key in {}", deployment, "metadata.labels.app", "shop", "{app: api,", "{app: shop,"},
		{"last key in {}", deployment, "metadata.labels.tier", "db", `"web"`, `"db"`},
		{"comma in {}", deployment, "metadata.labels.app", "a,b", "{app: api,", `{app: "a,b",`},
		{"list item", deployment, "spec.template.spec.containers[name=api].args[0]", "--quiet", "--verbose", "--quiet"},
		{"CRLF", "a: 1\r\nb: 2\r\n", "a", 5, "a: 1", "a: 5"},
		{"no final newline", "a: 1\nb: x", "b", "z", "b: x", "b: z"},
		{"byte order mark", "\ufeffa: 1\nb: 2\n", "a", 2, "a: 1", "a: 2"},
		{"wide characters before", "é: {ü: \"ß\", b: x}\n", "é.b", "z", "b: x", "b: z"},
		{"colon needs quotes", "a: x\n", "a", "foo: bar", "a: x", `a: "foo: bar"`},
		{"hash needs quotes", "a: x\n", "a", "foo #bar", "a: x", `a: "foo #bar"`},
		{"newline is escaped", "a: x\nb: 1\n", "a", "y\nc: 2", "a: x", `a: "y\nc: 2"`},
		{"yes is text", "a: x\n", "a", "yes", "a: x", `a: "yes"`},
		{"a date is text", "a: x\n", "a", "2026-01-02", "a: x", `a: "2026-01-02"`},
		{"octal is text", "a: x\n", "a", "0o17", "a: x", `a: "0o17"`},
		{"base 60 is text", "a: x\n", "a", "12:30", "a: x", `a: "12:30"`},
		{"empty is text", "a: x\n", "a", "", "a: x", `a: ""`},
		{"version stays plain", "a: 1.2.3\n", "a", "1.2.4", "1.2.3", "1.2.4"},
		{"image stays plain", "a: r:5000/x:1\n", "a", "r:5000/x:2", "x:1", "x:2"},
		{"empty value", "a:   # none yet\nb: 1\n", "a", "v", "a:   #", "a: v   #"},
		{"null", "a: ~\nb: 1\n", "a", 1.5, "~", "1.5"},
		{"unused anchor stays", "a: &x 1\n", "a", 2, "&x 1", "&x 2"},
		{"boolean", "a: false\n", "a", true, "false", "true"},
		{"large float", "a: 1\n", "a", 1234567.5, "a: 1", "a: 1234567.5"},
		{"escaped dots", "a.b/c: 1\n", `a\.b/c`, 2, ": 1", ": 2"},
		{"quoted key", "\"a b\": 1\n", "a b", 2, ": 1", ": 2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, edits := set(t, c.content, c.path, c.value)
			want := strings.Replace(c.content, c.old, c.changed, 1)
			if got != want || got == c.content {
				t.Errorf("got\n%s\ndifference to what is wanted\n%s", got, cmp.Diff(want, got))
			}
			if len(edits) != 1 || edits[0].Path != c.path || edits[0].Line == 0 {
				t.Errorf("edits %+v", edits)
			}
			if again, edits := set(t, got, c.path, c.value); again != got || len(edits) != 0 {
				t.Errorf("not idempotent: %+v\n%s", edits, again)
			}
		})
	}
}

func TestMissingKeysAreAddedBehindTheirSiblings(t *testing.T) {
	cases := []struct {
		name, content, path string
		value               any
		want                string
	}{
		{"end of map", "a:\n  b: 1\n\n# about c\nc: 2\n", "a.d", "x", "a:\n  b: 1\n  d: x\n\n# about c\nc: 2\n"},
		{"end of file", "a: 1\n", "b.c.d", 2, "a: 1\nb:\n  c:\n    d: 2\n"},
		{"no final newline", "a: 1", "b", 2, "a: 1\nb: 2"},
		{"CRLF", "a:\r\n    b: 1\r\nc: 1\r\n", "a.d.e", 2, "a:\r\n    b: 1\r\n    d:\r\n        e: 2\r\nc: 1\r\n"},
		{"after a compact list", "kind: A\na:\n- x\n\n- y\n---\nb: 1\n", "c", 1, "kind: A\na:\n- x\n\n- y\nc: 1\n---\nb: 1\n"},
		{"list item", "l:\n- name: a\n  x: 1\n- name: b\n", "l[name=a].v", "z", "l:\n- name: a\n  x: 1\n  v: z\n- name: b\n"},
		{"after block text", "a:\n  t: |\n    one\n    # two\n\n  \nb: 1\n", "a.c", 1, "a:\n  t: |\n    one\n    # two\n  c: 1\n\n  \nb: 1\n"},
		{"into nothing", "a:  # soon\nb: 1\n", "a.c", 1, "a:  # soon\n  c: 1\nb: 1\n"},
		{"into {}", "a: {}  # soon\nb: 1\n", "a.c.d", "512Mi", "a:  # soon\n  c:\n    d: 512Mi\nb: 1\n"},
		{"into null at the end", "b: 1\na: null", "a.c", 1, "b: 1\na:\n  c: 1"},
		{"map and list", "l:\n  - x\n", "m", map[string]any{"b": []any{"1", 2, map[string]any{"k": nil, "o": "v"}}, "a": map[string]any{}},
			"l:\n  - x\nm:\n  a: {}\n  b:\n    - \"1\"\n    - 2\n    - k: null\n      o: v\n"},
		{"key that needs quotes", "m:\n  a: 1\n", "m.yes", 1, "m:\n  a: 1\n  \"yes\": 1\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := Apply("f.yaml", []byte(c.content), firstDocument(c.content), []Change{{Path: c.path, Value: c.value}})
			if err != nil {
				t.Fatal(err)
			}
			if string(out.Content) != c.want {
				t.Errorf("got\n%s\nwant\n%s", out.Content, c.want)
			}
			again, err := Apply("f.yaml", out.Content, firstDocument(c.content), []Change{{Path: c.path, Value: c.value}})
			if err != nil || again.Changed() {
				t.Errorf("not idempotent: %+v, %v", again, err)
			}
		})
	}
}

// firstDocument selects by kind where there are two.
func firstDocument(content string) Selector {
	if strings.Contains(content, "kind: A") {
		return Selector{Kind: "A"}
	}
	return Selector{}
}

func TestRefusalsChangeNothing(t *testing.T) {
	base := "d: &x {v: 1}\ne: *x\nm:\n  <<: *x\n  own: 1\n"
	cases := []struct {
		name, content, path string
		value               any
		reason              run.Reason
	}{
		{"through an alias", base, "e.v", 2, v1alpha1.ReasonEditTargetAliased},
		{"the alias itself", base, "e", 2, v1alpha1.ReasonEditTargetAliased},
		{"what an alias uses", base, "d.v", 2, v1alpha1.ReasonEditTargetAliased},
		{"from a merge key", base, "m.v", 2, v1alpha1.ReasonEditTargetAliased},
		{"template", "a: {{ .Values.x }}\n", "a", 1, v1alpha1.ReasonEditTemplated},
		{"template that is YAML", "a: \"{{ .Values.x }}\"\nb: 1\n", "b", 2, v1alpha1.ReasonEditTemplated},
		{"encrypted", "a: ENC[x]\nsops:\n  mac: ENC[y]\n", "a", 1, v1alpha1.ReasonEditEncrypted},
		{"list by a value", "a:\n- b\n", "a", "c", v1alpha1.ReasonEditUnsupported},
		{"the end of a list", "a:\n- b\n", "a[-]", "c", v1alpha1.ReasonEditTargetNotFound},
		{"pointer past the end", "a:\n- b\n", "/a/1", "c", v1alpha1.ReasonEditTargetNotFound},
		{"pointer with a bare tilde", "a: 1\n", "/a~", "c", v1alpha1.ReasonEditInvalid},
		{"complex key", "? a\n: 1\n", "a", []any{}, v1alpha1.ReasonEditUnsupported},
		{"value that makes a template", "a: 1\n", "a", "{{ x }}", v1alpha1.ReasonEditTemplated},
		{"tagged", "a: !!str 1\n", "a", "y", v1alpha1.ReasonEditUnsupported},
		{"map", "a:\n  b: 1\n", "a", "x", v1alpha1.ReasonEditUnsupported},
		{"index past the end", "a:\n- b\n", "a[1]", "c", v1alpha1.ReasonEditTargetNotFound},
		{"no such item", "a:\n- name: b\n", "a[name=c].x", "c", v1alpha1.ReasonEditTargetNotFound},
		{"item in nothing", "b: 1\n", "a[name=c].x", "c", v1alpha1.ReasonEditTargetNotFound},
		{"two such items", "a:\n- name: b\n- name: b\n", "a[name=b].x", "c", v1alpha1.ReasonEditTargetAmbiguous},
		{"key twice", "a: 1\nb: 2\na: 3\n", "a", 4, v1alpha1.ReasonEditTargetAmbiguous},
		{"key of a scalar", "a: 1\n", "a.b", 4, v1alpha1.ReasonEditTargetNotFound},
		{"not YAML", "a: [\n", "a", 4, v1alpha1.ReasonEditInvalid},
		{"not UTF-8", "a: \xff\n", "a", 4, v1alpha1.ReasonEditUnsupported},
		{"old Mac line ends", "a: 1\rb: 2\r", "a", 4, v1alpha1.ReasonEditUnsupported},
		{"two documents", "a: 1\n---\na: 2\n", "a", 4, v1alpha1.ReasonEditTargetAmbiguous},
		{"nothing", "", "a", 4, v1alpha1.ReasonEditTargetNotFound},
		{"bad path", "a: 1\n", "a..b", 4, v1alpha1.ReasonEditInvalid},
		{"bad item", "a: 1\n", "a[x", 4, v1alpha1.ReasonEditInvalid},
		{"bad value", "a: 1\n", "a", "\xff", v1alpha1.ReasonEditInvalid},
		{"value that the kind forbids", deployment, "spec.replicas", "3", v1alpha1.ReasonEditSchemaViolated},
		{"quantity that is none", deployment, "spec.template.spec.containers[name=api].resources.limits.cpu", "half", v1alpha1.ReasonEditSchemaViolated},
		{"map in a list of text", deployment, "spec.template.spec.containers[name=api].args", []any{map[string]any{"a": 1}}, v1alpha1.ReasonEditSchemaViolated},
		{"strange value", "a: 1\n", "a", struct{}{}, v1alpha1.ReasonEditInvalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := Apply("f.yaml", []byte(c.content), Selector{}, []Change{{Path: c.path, Value: c.value}})
			r, ok := run.AsRefusal(err)
			if !ok || r.Reason != c.reason || out.Content != nil {
				t.Errorf("want refusal %s, got %v with %q", c.reason, err, out.Content)
			}
		})
	}
}

func TestSelectorFindsTheDocument(t *testing.T) {
	const two = "---\n# one\nkind: A\nmetadata: {name: x, namespace: n}\nv: 1\n---\nkind: A\nmetadata: {name: y}\nv: 1\n...\n---\n"
	out, err := Apply("f.yaml", []byte(two), Selector{Kind: "A", Name: "y"}, []Change{{Path: "v", Value: 2}, {Path: "w", Value: 3}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(two, "name: y}\nv: 1\n", "name: y}\nv: 2\nw: 3\n", 1)
	if string(out.Content) != want {
		t.Error(cmp.Diff(want, string(out.Content)))
	}
	if want := []Edit{{"v", "1", "2", 9}, {"w", "", "3", 10}}; !cmp.Equal(out.Edits, want) {
		t.Error(cmp.Diff(want, out.Edits))
	}
	for sel, reason := range map[Selector]run.Reason{
		{Kind: "A"}: v1alpha1.ReasonEditTargetAmbiguous, {}: v1alpha1.ReasonEditTargetAmbiguous,
		{Kind: "B"}: v1alpha1.ReasonEditTargetNotFound, {Name: "y", Namespace: "n"}: v1alpha1.ReasonEditTargetNotFound,
	} {
		_, err := Apply("f.yaml", []byte(two), sel, []Change{{Path: "v", Value: 2}})
		if r, ok := run.AsRefusal(err); !ok || r.Reason != reason {
			t.Errorf("%+v: want %s, got %v", sel, reason, err)
		}
	}
}

func TestTwoChangesOnOneLine(t *testing.T) {
	out, err := Apply("f.yaml", []byte("a: {b: 1, c: 2} # d\n"), Selector{}, []Change{{Path: "a.c", Value: "three"}, {Path: "a.b", Value: "one"}})
	if err != nil || string(out.Content) != "a: {b: one, c: three} # d\n" {
		t.Errorf("%q, %v", out.Content, err)
	}
}

func TestJSONStaysJSON(t *testing.T) {
	out, err := Apply("f.json", []byte("{\"a\": 1,\n \"b\": [true]}\n"), Selector{}, []Change{{Path: "a", Value: "x\u0001"}, {Path: "b[0]"}})
	if err != nil || string(out.Content) != "{\"a\": \"x\\u0001\",\n \"b\": [null]}\n" {
		t.Errorf("%q, %v", out.Content, err)
	}
}

func TestMapsInAChangeKeepSiblings(t *testing.T) {
	out, err := Apply("f.yaml", []byte("a:\n  b: 1\n  c: 2\n"), Selector{}, []Change{{Path: "a", Value: map[string]any{"c": 3, "d": 4}}})
	if err != nil || string(out.Content) != "a:\n  b: 1\n  c: 3\n  d: 4\n" {
		t.Errorf("%q, %v", out.Content, err)
	}
}
