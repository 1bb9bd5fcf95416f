package patch_test

import (
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/patch"
	"github.com/kubernaut/kubernaut/internal/run"
)

// The first cases are those of the standard's appendix A.
func TestJSONPatchesFiles(t *testing.T) {
	for name, c := range map[string]struct{ content, patch, want string }{
		"A.1 add a member":        {"foo: bar\n", `[{"op": "add", "path": "/baz", "value": "qux"}]`, "foo: bar\nbaz: qux\n"},
		"A.2 add an item":         {"foo: [bar, baz]\n", `[{"op": "add", "path": "/foo/1", "value": "qux"}]`, "foo: [bar, qux, baz]\n"},
		"A.3 remove a member":     {"baz: qux\nfoo: bar\n", `[{"op": "remove", "path": "/baz"}]`, "foo: bar\n"},
		"A.4 remove an item":      {"foo:\n- bar\n- qux\n- baz\n", `[{"op": "remove", "path": "/foo/1"}]`, "foo:\n- bar\n- baz\n"},
		"A.5 replace a value":     {"baz: qux # c\nfoo: bar\n", `[{"op": "replace", "path": "/baz", "value": "boo"}]`, "baz: boo # c\nfoo: bar\n"},
		"A.6 move a value":        {"foo:\n  bar: baz\n  waldo: fred\nqux:\n  corge: grault\n", `[{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]`, "foo:\n  bar: baz\nqux:\n  corge: grault\n  thud: fred\n"},
		"A.7 move an item":        {"foo: [all, grass, cows, eat]\n", `[{"op": "move", "from": "/foo/1", "path": "/foo/3"}]`, "foo: [all, cows, eat, grass]\n"},
		"A.8 test a value":        {"baz: qux\nfoo: [a, 2, c]\n", `[{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}]`, "baz: qux\nfoo: [a, 2, c]\n"},
		"A.10 add a nested one":   {"foo: bar\n", `[{"op": "add", "path": "/child", "value": {"grandchild": {}}}]`, "foo: bar\nchild:\n  grandchild: {}\n"},
		"A.11 ignore the unknown": {"foo: bar\n", `[{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}]`, "foo: bar\nbaz: qux\n"},
		"A.14 escapes":            {"/: 9\n\"~1\": 10\n", `[{"op": "test", "path": "/~01", "value": 10}, {"op": "replace", "path": "/~1", "value": 8}]`, "/: 8\n\"~1\": 10\n"},
		"A.16 add a list":         {"foo: [bar]\n", `[{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]`, "foo: [bar, [abc, def]]\n"},
		"add over a value":        {"foo:\n  bar: 1\n", `[{"op": "add", "path": "/foo", "value": 1}]`, "foo: 1\n"},
		"copy":                    {"a: {b: [1]}\n", `[{"op": "copy", "from": "/a/b", "path": "/c"}]`, "a: {b: [1]}\nc:\n- 1\n"},
	} {
		changes, err := patch.JSON([]byte(c.patch))
		if err != nil {
			t.Fatal(name, err)
		}
		out, err := edit.Apply("f.yaml", []byte(c.content), edit.Selector{}, changes)
		if err != nil || string(out.Content) != c.want {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", name, err, out.Content, c.want)
		}
	}
}

func TestJSONPatchesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		patch  string
		reason run.Reason
	}{
		"A.9 test of another value":    {`[{"op": "add", "path": "/b", "value": 1}, {"op": "test", "path": "/baz", "value": "bar"}]`, v1alpha1.ReasonEditTestFailed},
		"A.12 add below nothing":       {`[{"op": "add", "path": "/x/bat", "value": "qux"}]`, v1alpha1.ReasonEditTargetNotFound},
		"A.15 text is no number":       {`[{"op": "test", "path": "/ten", "value": "10"}]`, v1alpha1.ReasonEditTestFailed},
		"remove of nothing":            {`[{"op": "remove", "path": "/b"}]`, v1alpha1.ReasonEditTargetNotFound},
		"replace of nothing":           {`[{"op": "replace", "path": "/b", "value": 1}]`, v1alpha1.ReasonEditTargetNotFound},
		"index past the end":           {`[{"op": "add", "path": "/l/3", "value": 1}]`, v1alpha1.ReasonEditTargetNotFound},
		"index with a leading nought":  {`[{"op": "remove", "path": "/l/00"}]`, v1alpha1.ReasonEditTargetNotFound},
		"no list":                      {`{"op": "remove", "path": "/b"}`, v1alpha1.ReasonEditInvalid},
		"something behind":             {`[] []`, v1alpha1.ReasonEditInvalid},
		"unknown operation":            {`[{"op": "delete", "path": "/b"}]`, v1alpha1.ReasonEditInvalid},
		"no value":                     {`[{"op": "add", "path": "/b"}]`, v1alpha1.ReasonEditInvalid},
		"no path":                      {`[{"op": "remove"}]`, v1alpha1.ReasonEditInvalid},
		"no from":                      {`[{"op": "copy", "path": "/b"}]`, v1alpha1.ReasonEditInvalid},
		"the whole document":           {`[{"op": "remove", "path": ""}]`, v1alpha1.ReasonEditInvalid},
		"what the value cannot become": {`[{"op": "add", "path": "/baz/x", "value": 1}]`, v1alpha1.ReasonEditTargetNotFound},
	} {
		changes, err := patch.JSON([]byte(c.patch))
		if err == nil {
			_, err = edit.Apply("f.yaml", []byte("baz: qux\nten: 10\nl: [1, 2]\n"), edit.Selector{}, changes)
		}
		if r, ok := run.AsRefusal(err); !ok || r.Reason != c.reason {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
}
