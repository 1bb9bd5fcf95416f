package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() Scope {
	return Scope{
		Params: map[string]json.RawMessage{
			"name": json.RawMessage(`"web"`), "n": json.RawMessage(`3`), "big": json.RawMessage(`9007199254740993`),
			"on": json.RawMessage(`true`), "list": json.RawMessage(`[1,{"a":"$(params.name)"}]`), "none": json.RawMessage(`null`),
			"trick": json.RawMessage(`"$(params.name) $$( <&>"`), "quote": json.RawMessage(`"\"},{\""`), "bad": json.RawMessage(`{`),
		},
		Outputs:   map[string]map[string]json.RawMessage{"clone": {"commit": json.RawMessage(`"abc"`), "files": json.RawMessage(`["a"]`)}},
		Execution: map[string]string{"name": "run-1", "namespace": "ops", "uid": "u"},
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"nothing", ``, ``},
		{"no reference", `{"a":[1,2.50,"x",null,true]}`, `{"a":[1,2.50,"x",null,true]}`},
		{"whole string", `{"a":"$(params.name)"}`, `{"a":"web"}`},
		{"whole number keeps its type and digits", `{"a":"$(params.big)"}`, `{"a":9007199254740993}`},
		{"whole array is not read again", `["$(params.list)"]`, `[[1,{"a":"$(params.name)"}]]`},
		{"whole null", `["$(params.none)"]`, `[null]`},
		{"embedded", `{"a":"$(params.name)-$(params.n)-$(params.on)"}`, `{"a":"web-3-true"}`},
		{"inserted text is not read again", `["x$(params.trick)"]`, `["x$(params.name) $$( <&>"]`},
		{"inserted quotes stay inside", `["x$(params.quote)"]`, `["x\"},{\""]`},
		{"output", `["$(steps.clone.outputs.files)","at $(steps.clone.outputs.commit)"]`, `[["a"],"at abc"]`},
		{"execution", `["$(execution.namespace)/$(execution.name)/$(execution.uid)"]`, `["ops/run-1/u"]`},
		{"escape", `["$$(params.name) $$ $x $"]`, `["$(params.name) $$ $x $"]`},
		{"three dollars", `["$$$(params.name)"]`, `["$$(params.name)"]`},
		{"keys stay", `{"$(params.name)":"$(params.n)"}`, `{"$(params.name)":3}`},
		{"own HTML stays", `["<&>"]`, `["<&>"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Resolve(json.RawMessage(c.raw), sample())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	for _, c := range []struct{ name, raw, path string }{
		{"unknown parameter", `{"a":{"b":["x","$(params.ghost)"]}}`, "a.b[1]"},
		{"unknown output", `{"a":"$(steps.clone.outputs.ghost)"}`, "a"},
		{"unknown step", `{"a":"x$(steps.ghost.outputs.commit)"}`, "a"},
		{"array in text", `{"a":"x$(params.list)"}`, "a"},
		{"null in text", `{"a":"x$(params.none)"}`, "a"},
		{"value that is not JSON", `{"a":"$(params.bad)"}`, "a"},
		{"key that is no word", `{"a b":"$(x)"}`, `["a b"]`},
		{"document is a string", `"$(x)"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Resolve(json.RawMessage(c.raw), sample())
			var bad *Invalid
			if !errors.As(err, &bad) || got != nil {
				t.Fatalf("got %s, %v", got, err)
			}
			if bad.Path != c.path {
				t.Errorf("path %q, want %q", bad.Path, c.path)
			}
		})
	}
}

func TestResolveBoundsGrowth(t *testing.T) {
	scope := Scope{Params: map[string]json.RawMessage{"x": json.RawMessage(`"` + strings.Repeat("x", 60_000) + `"`)}}
	for _, raw := range []string{
		`["` + strings.Repeat("$(params.x)", 100) + `"]`,
		`[` + strings.TrimSuffix(strings.Repeat(`"$(params.x)",`, 100), ",") + `]`,
	} {
		if got, err := Resolve(json.RawMessage(raw), scope); err == nil {
			t.Errorf("made %d bytes", len(got))
		}
	}
}

func TestReferences(t *testing.T) {
	refs, err := References(json.RawMessage(`{"b":"$(params.n)","a":["$(steps.clone.outputs.commit) by $(execution.uid)","$$(params.x)"]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Ref{
		{Path: "a[0]", Kind: Output, Step: "clone", Name: "commit"},
		{Path: "a[0]", Kind: Execution, Name: "uid"},
		{Path: "b", Kind: Param, Name: "n", Whole: true},
	}
	if diff := cmp.Diff(want, refs); diff != "" {
		t.Error(diff)
	}
}

func TestReferencesNamesEveryBadOne(t *testing.T) {
	bad := []string{"$(", "$()", "$(params.)", "$(params.a.b)", "$(params.a b)", "$( params.a)", "$(steps.a.output.b)", "$(steps.a.outputs)",
		"$(execution.secret)", "$(env.HOME)", "$(params.a", "x $(params.$(params.a))", "$(params." + strings.Repeat("a", 64) + ")"}
	doc := map[string]string{}
	for i, s := range bad {
		doc[fmt.Sprintf("k%d", i)] = s
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	refs, err := References(raw)
	if err == nil || len(refs) > 0 {
		t.Fatalf("refs %v, error %v", refs, err)
	}
	for i, s := range bad {
		if !strings.Contains(err.Error(), fmt.Sprintf("k%d: ", i)) {
			t.Errorf("%q is not refused in %v", s, err)
		}
	}
}

func TestReferencesRefusesDocument(t *testing.T) {
	for _, raw := range []string{`{`, `{} {}`, `{"a":}`} {
		if _, err := References(json.RawMessage(raw)); err == nil {
			t.Errorf("%s is taken", raw)
		}
	}
}

// FuzzResolve: whatever References takes, Resolve makes into JSON once every
// reference has a value; and what has no $( is unchanged.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{`{"a":"$(params.n)"}`, `["$$($(params.name)$(steps.a.outputs.b)"]`, `"$$$(("`, `{"a":1e999,"b":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		refs, err := References(json.RawMessage(raw))
		if err != nil || raw == "" {
			return
		}
		scope := Scope{Params: map[string]json.RawMessage{}, Outputs: map[string]map[string]json.RawMessage{}, Execution: map[string]string{"name": "n", "namespace": "s", "uid": "u"}}
		for _, r := range refs {
			scope.Params[r.Name] = json.RawMessage(`"$(params.x)"`)
			if scope.Outputs[r.Step] == nil {
				scope.Outputs[r.Step] = map[string]json.RawMessage{}
			}
			scope.Outputs[r.Step][r.Name] = json.RawMessage(`"$$("`)
		}
		got, err := Resolve(json.RawMessage(raw), scope)
		if err != nil {
			if len(raw) < MaxBytes/20 {
				t.Fatal(err)
			}
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%q is not JSON", got)
		}
		if strings.ContainsAny(raw, `$\`) {
			return
		}
		again, err := Resolve(got, scope)
		if err != nil || string(again) != string(got) {
			t.Errorf("%q became %q (%v)", got, again, err)
		}
	})
}
