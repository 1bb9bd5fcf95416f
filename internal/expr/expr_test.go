package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
		Target:    map[string]string{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "", "name": "web"},
		Item:      json.RawMessage(`{"name":"a","replicas":2,"none":null}`),
		Index:     3,
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
		{"target", `["$(target.apiVersion) $(target.kind) $(target.name)","$(target.namespace)"]`, `["apps/v1 Deployment web",""]`},
		{"item", `["$(item)","$(item.name)-$(index)","$(item.replicas)","$(index)","$(item.none)"]`, `[{"name":"a","replicas":2,"none":null},"a-3",2,3,null]`},
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
		{"unknown field of the item", `{"a":"$(item.ghost)"}`, "a"},
		{"item in text", `{"a":"x$(item)"}`, "a"},
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

func TestReferencesToTargetAndItem(t *testing.T) {
	refs, err := References(json.RawMessage(`["$(target.kind)","$(item)","$(item.max-age)","at $(index)"]`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Ref{
		{Path: "[0]", Kind: Target, Name: "kind", Whole: true},
		{Path: "[1]", Kind: Item, Whole: true},
		{Path: "[2]", Kind: Item, Name: "max-age", Whole: true},
		{Path: "[3]", Kind: Index},
	}
	if diff := cmp.Diff(want, refs); diff != "" {
		t.Error(diff)
	}
	for i, text := range []string{"$(target.kind)", "$(item)", "$(item.max-age)", "$(index)"} {
		if refs[i].String() != text {
			t.Errorf("%s is written %s", text, refs[i])
		}
	}
}

func TestResolveOutsideOfTargetAndFanOut(t *testing.T) {
	for _, ref := range []string{"$(target.kind)", "$(item)", "$(item.name)", "$(index)"} {
		raw, err := json.Marshal(map[string]string{"a": ref})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Resolve(raw, Scope{}); err == nil || err.Error() != "a: "+ref+" has no value" {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if _, err := Resolve(json.RawMessage(`{"a":"$(item.name)"}`), Scope{Item: json.RawMessage(`"text"`)}); err == nil {
		t.Error("text has a field")
	}
}

func TestReferencesSayWhatIsWanted(t *testing.T) {
	_, err := References(json.RawMessage(`{"a":"$(env.HOME)"}`))
	want := `a: found "$(env.HOME)": want $(params.NAME), $(steps.STEP.outputs.NAME), $(execution.name|namespace|uid), $(target.apiVersion|kind|namespace|name) or, with forEach, $(item), $(item.KEY) or $(index); write $$( for a literal $(`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestReferencesNamesEveryBadOne(t *testing.T) {
	bad := []string{"$(", "$()", "$(params.)", "$(params.a.b)", "$(params.a b)", "$( params.a)", "$(steps.a.output.b)", "$(steps.a.outputs)",
		"$(execution.secret)", "$(env.HOME)", "$(target)", "$(target.uid)", "$(target.name.x)", "$(item.)", "$(item.a.b)", "$(index.a)", "$(step.a)", "$(params)", "$(steps)", "$(execution)", "$(params.a", "x $(params.$(params.a))", "$(params." + strings.Repeat("a", 64) + ")"}
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

// everything gives each reference a value that a reader could take for another
// reference. A whole item has the fields that are asked of it, so it stands in
// no text.
func everything(refs []Ref) Scope {
	scope := Scope{Params: map[string]json.RawMessage{}, Outputs: map[string]map[string]json.RawMessage{}, Execution: map[string]string{"name": "n", "namespace": "s", "uid": "u"},
		Target: map[string]string{"apiVersion": "v1", "kind": "k", "namespace": "", "name": "n"}}
	item := map[string]string{}
	for _, r := range refs {
		item[r.Name] = "$$("
		scope.Params[r.Name] = json.RawMessage(`"$(params.x)"`)
		if scope.Outputs[r.Step] == nil {
			scope.Outputs[r.Step] = map[string]json.RawMessage{}
		}
		scope.Outputs[r.Step][r.Name] = json.RawMessage(`"$$("`)
	}
	scope.Item, _ = json.Marshal(item)
	return scope
}

// FuzzResolve: whatever References takes, Resolve makes into JSON once every
// reference has a value; and what has no $( is unchanged.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{`{"a":"$(params.n)"}`, `["$$($(params.name)$(steps.a.outputs.b)"]`, `"$$$(("`, `["$(item)","$(item.a)$(index)$(target.kind)"]`, `{"a":1e999,"b":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		refs, err := References(json.RawMessage(raw))
		if err != nil || raw == "" || slices.ContainsFunc(refs, func(r Ref) bool { return r.Kind == Item && r.Name == "" && !r.Whole }) {
			return
		}
		scope := everything(refs)
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
