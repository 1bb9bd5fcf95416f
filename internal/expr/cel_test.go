package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func shape() Shape {
	return Shape{
		Params: map[string]string{"count": "integer", "ratio": "number", "name": "string", "on": "boolean", "list": "array", "object": "object",
			"max-age": "duration", "memory": "quantity", "some": ""},
		Outputs: map[string]map[string]string{"git-clone": {"changed": "boolean", "commit": "string"}, "scan": {"found": "integer"}, "free": nil, "quiet": {}},
		Target:  true,
	}
}

func scope() Scope {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	return Scope{
		Params: map[string]json.RawMessage{"count": raw(`9007199254740993`), "ratio": raw(`1`), "name": raw(`"web"`), "on": raw(`true`),
			"list": raw(`[1,"b",{"c":2.5},9007199254740993]`), "object": raw(`{"a":{"b-c":1},"z":null}`), "max-age": raw(`"1h30m"`), "memory": raw(`"512Mi"`), "some": raw(`3`)},
		Outputs:   map[string]map[string]json.RawMessage{"git-clone": {"changed": raw(`true`), "commit": raw(`"abc"`)}, "free": {"x": raw(`null`)}},
		Execution: map[string]string{"name": "run-1", "namespace": "ops", "uid": "u"},
		Target:    map[string]string{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "", "name": "web"},
		Steps:     map[string]Outcome{"git-clone": {Phase: "Succeeded"}, "scan": {Phase: "Skipped", Reason: "ConditionFalse"}},
	}
}

func mustCompile(t testing.TB, source string) *Condition {
	t.Helper()
	c, err := Compile(source, shape())
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return c
}

func TestConditionHolds(t *testing.T) {
	for source, want := range map[string]bool{
		`true`:                               true,
		`params.on`:                          true,
		`params["on"]`:                       true,
		`params.count == 9007199254740993`:   true,
		`params.count == 9007199254740992`:   false,
		`params.ratio == 1.0`:                true,
		`params.ratio < 2`:                   true,
		`params.name == "web"`:               true,
		`params["max-age"] > duration("1h")`: true,
		`params.memory == "512Mi"`:           true,
		`params.some == 3`:                   true,
		`params.list[0] == 1 && params.list[1] == "b" && params.list[2].c == 2.5 && params.list[3] == 9007199254740993`: true,
		`"b" in params.list`:                                            true,
		`params.list.exists(x, x == "b")`:                               true,
		`params.list.all(x, x in params.list)`:                          true,
		`params.object.a["b-c"] == 1`:                                   true,
		`params.object["a"]["b-c"] == 1`:                                true,
		`has(params.object.a)`:                                          true,
		`has(params.object["a"]["b-c"])`:                                true,
		`has(params.object.b)`:                                          false,
		`params.object.z == null`:                                       true,
		`params.name.matches("^w.b$")`:                                  true,
		`steps["git-clone"].outputs.changed`:                            true,
		`steps["git-clone"]["outputs"]["commit"] == "abc"`:              true,
		`steps["git-clone"].phase == "Succeeded"`:                       true,
		`steps["git-clone"].reason == ""`:                               true,
		`steps.scan["phase"] == "Skipped"`:                              true,
		`steps.scan.reason == "ConditionFalse"`:                         true,
		`has(steps.scan.outputs.found)`:                                 false,
		`has(steps["scan"].outputs["found"])`:                           false,
		`has(steps.free.outputs.x)`:                                     true,
		`has(steps.free.outputs.y)`:                                     false,
		`has(steps.free.phase)`:                                         false,
		`steps.free.outputs.x == null`:                                  true,
		`has(steps.scan.outputs.found) && steps.scan.outputs.found > 1`: false,
		`steps.scan.outputs.found > 1 || params.on`:                     true,
		`target.apiVersion == "apps/v1" && target.kind == "Deployment" && target.namespace == "" && target.name == "web"`: true,
		`execution.namespace + "/" + execution.name + "/" + execution.uid == "ops/run-1/u"`:                               true,
		`[{"count": params.count}].all(x, x.count > 1)`:                                                                   true,
		`timestamp("2020-01-01T00:30:00Z").getHours() == 0`:                                                               true,
	} {
		got, err := mustCompile(t, source).Holds(scope())
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", source, got, err)
		}
	}
}

func TestConditionFails(t *testing.T) {
	for source, want := range map[string]string{
		`steps.scan.outputs.found > 1`:                         `column 1: steps.scan.outputs.found has no value`,
		`params.on && steps.free.outputs["a-b"]`:               `column 14: steps.free.outputs["a-b"] has no value`,
		`params.on &&` + "\n" + `steps.free.phase == "Failed"`: `line 2, column 1: steps.free.phase has no value`,
		`params.some`:                            `the condition is of type integer: want boolean`,
		`params.some == 3 ? params.some : false`: `the condition is of type integer: want boolean`,
		`params.some < "a"`:                      `column 13: the operation does not take values of these types`,
		`params.object.q == 1`:                   `column 14: the object has no key "q"`,
		`params.count / 0 == 1`:                  `column 14: division by zero`,
		`params.list[9] == 1`:                    `column 12: index out of bounds: 9`,
	} {
		got, err := mustCompile(t, source).Holds(scope())
		if err == nil || err.Error() != want || got {
			t.Errorf("%s\n got %v, %v\nwant %s", source, got, err, want)
		}
	}
}

// A value of another type than its shape says is an error even where another
// part of the condition decides.
func TestConditionRefusesValues(t *testing.T) {
	for _, c := range []struct{ source, name, value, want string }{
		{`params.count > 1`, "count", `"x"`, `params.count: found "x", want integer`},
		{`params.count > 1`, "count", `1.5`, `params.count: found 1.5, want integer`},
		{`params.count > 1`, "count", `9223372036854775808`, `params.count: found 9223372036854775808, want integer`},
		{`params.count > 1`, "count", `1e99`, `params.count: found 1e99, want integer`},
		{`params.count > 1`, "count", `null`, `column 1: params.count has no value`},
		{`params.ratio > 1`, "ratio", `1e999`, `params.ratio: found 1e999, want number`},
		{`params.ratio > 1`, "ratio", `true`, `params.ratio: found true, want number`},
		{`params["max-age"] > duration("1s")`, "max-age", `"soon"`, `params["max-age"]: found "soon", want duration`},
		{`params["max-age"] > duration("1s")`, "max-age", `5`, `params["max-age"]: found 5, want duration`},
		{`true || params.on`, "on", `"true"`, `params.on: found "true", want boolean`},
		{`params.name == ""`, "name", `{}`, `params.name: found {}, want string`},
		{`params.list == []`, "list", `{}`, `params.list: found {}, want array`},
		{`params.object == {}`, "object", `[]`, `params.object: found [], want object`},
		{`params.name == ""`, "name", `"` + strings.Repeat("x", maxRead) + `"`, `params.name makes the condition read more than 65536 bytes: test an output that is made for it`},
		{`params.name == ""`, "name", `{`, `params.name: read JSON: unexpected EOF`},
	} {
		s := scope()
		s.Params[c.name] = json.RawMessage(c.value)
		if _, err := mustCompile(t, c.source).Holds(s); err == nil || err.Error() != c.want {
			t.Errorf("%s with %s\n got %v\nwant %s", c.source, clip(c.value), err, c.want)
		}
	}
	for _, exact := range []string{`2.0`, `2e0`} {
		s := scope()
		s.Params["count"] = json.RawMessage(exact)
		if ok, err := mustCompile(t, `params.count == 2`).Holds(s); err != nil || !ok {
			t.Errorf("%s: %v, %v", exact, ok, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	params := `params.count, params.list, params["max-age"], params.memory, params.name, params.object, params.on, params.ratio, params.some`
	for source, want := range map[string]string{
		``:                                     `found an empty condition: want an expression such as params.count > 1`,
		" \n":                                  `found an empty condition: want an expression such as params.count > 1`,
		strings.Repeat(" ", 1025):              `found a condition of 1025 bytes, at most 1024 are taken: compute it in a step and test its output`,
		`1 +`:                                  `column 4: not an expression: it ends too early`,
		`params.on params.on`:                  `column 11: not an expression: mismatched input 'params'`,
		`params.replica == 1`:                  `column 1: unknown parameter "replica": want one of ` + params,
		"true ||\n\tparams.replica == 1":       `line 2, column 2: unknown parameter "replica": want one of ` + params,
		`has(params.replica)`:                  `column 5: unknown parameter "replica": want one of ` + params,
		`params`:                               `column 1: params is no value by itself: want params.NAME or params["NAME"]`,
		`params == {}`:                         `column 1: params is no value by itself: want params.NAME or params["NAME"]`,
		`params[params.name]`:                  `column 1: params is no value by itself: want params.NAME or params["NAME"]`,
		`steps.all(s, true)`:                   `column 1: steps is no value by itself: want steps.STEP.outputs.NAME, steps.STEP.phase or steps.STEP.reason`,
		`steps.clone.outputs.x`:                `column 1: unknown earlier step "clone": want one of steps.free, steps["git-clone"], steps.quiet, steps.scan`,
		`steps["git-clone"].outputs.x`:         `column 1: unknown output "x" of step "git-clone": want one of steps["git-clone"].outputs.changed, steps["git-clone"].outputs.commit`,
		`steps.quiet.outputs.x`:                `column 1: unknown output "x" of step "quiet": there is none`,
		`steps.scan`:                           `column 1: found steps.scan: want steps.scan.outputs.NAME, steps.scan.phase or steps.scan.reason`,
		`steps.scan.outputs == {}`:             `column 1: found steps.scan.outputs: want steps.scan.outputs.NAME, steps.scan.phase or steps.scan.reason`,
		`steps.scan.output.found == 1`:         `column 1: found steps.scan.output.found: want steps.scan.outputs.NAME, steps.scan.phase or steps.scan.reason`,
		`target.uid == ""`:                     `column 1: unknown field of the target "uid": want one of target.apiVersion, target.kind, target.namespace, target.name`,
		`execution.kind == ""`:                 `column 1: unknown field of the execution "kind": want one of execution.name, execution.namespace, execution.uid`,
		`item == 1`:                            `column 1: unknown name "item": want one of params, steps, target, execution, or a function of the language`,
		`now() == 1`:                           `column 4: unknown name "now": want one of params, steps, target, execution, or a function of the language`,
		`params.name.replace("", "x") == ""`:   `column 20: unknown name "replace": want one of params, steps, target, execution, or a function of the language`,
		`params.count == "x"`:                  `column 14: "==" does not take (integer, string)`,
		`params.ratio == "x"`:                  `column 14: "==" does not take (number, string)`,
		`params.count + params.on == 1`:        `column 14: "+" does not take (integer, boolean)`,
		`params["max-age"] > 5`:                `column 19: ">" does not take (duration, integer)`,
		`!params.list`:                         `column 1: "!" does not take (array)`,
		`params.list["x"] == 1`:                `column 12: "[]" does not take (array, string)`,
		`params.object[1] == 1`:                `column 14: "[]" does not take (object, integer)`,
		`params.name.startsWith(1)`:            `column 23: "startsWith" does not take string.(integer)`,
		`params.count.x == 1`:                  `column 13: type integer has no fields`,
		`params.name.all(c, true)`:             `column 1: type string has no entries to loop over: want array or object`,
		`params.list.all(params, true)`:        `column 16: "params" cannot be the name of an element: call it x`,
		`params.count`:                         `the condition is of type integer: want boolean`,
		`params.object`:                        `the condition is of type object: want boolean`,
		`"true"`:                               `the condition is of type string: want boolean`,
		`has(params)`:                          `column 5: has() takes a name of the form x.NAME`,
		`params.name.matches("(")`:             `column 21: found text that is no regular expression`,
		`params["max-age"] > duration("soon")`: `column 30: found text that is no duration: want one such as "90s"`,
		`timestamp("now") == timestamp("now")`: `column 11: found text that is no time: want one such as "2006-01-02T15:04:05Z"` + "\n" + `column 31: found text that is no time: want one such as "2006-01-02T15:04:05Z"`,
		`timestamp("2020-01-01T00:00:00Z").getHours("Asia/Tokyo") == 9`: `column 43: getHours takes no time zone here: times are in UTC`,
		`google.protobuf.Int32Value{value: 1} == 1`:                     `column 27: messages are not taken: want values, lists and maps`,
		strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300):    `the condition is nested too deeply`,
		`params.a == 1 || steps.b.phase == ""`:                          `column 1: unknown parameter "a": want one of ` + params + "\n" + `column 18: unknown earlier step "b": want one of steps.free, steps["git-clone"], steps.quiet, steps.scan`,
	} {
		c, err := Compile(source, shape())
		var bad *Invalid
		if !errors.As(err, &bad) || c != nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", source, err, want)
		}
	}
}

func TestCompileHoldsAgainstTheShape(t *testing.T) {
	for _, c := range []struct {
		source string
		shape  Shape
		want   string
	}{
		{`target.kind == "Pod"`, Shape{}, `column 1: found target.kind: the workflow declares no target`},
		{`has(target.kind)`, Shape{}, `column 5: found target.kind: the workflow declares no target`},
		{`params.a == 1`, Shape{}, `column 1: unknown parameter "a": there is none`},
		{`steps.a.phase == ""`, Shape{}, `column 1: unknown earlier step "a": there is none`},
		{`params.z`, Shape{Params: many(14)}, `column 1: unknown parameter "z": want one of params.p00, params.p01, params.p02, params.p03, params.p04, params.p05, params.p06, params.p07, params.p08, params.p09, params.p10, params.p11 or 2 more`},
	} {
		if _, err := Compile(c.source, c.shape); err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.source, err, c.want)
		}
	}
}

func many(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("p%02d", i)] = "string"
	}
	return out
}

func TestConditionRefs(t *testing.T) {
	c := mustCompile(t, `has(steps.scan.outputs.found) && steps.scan.outputs.found > params.count && steps["git-clone"].phase == "Failed"
		&& params["on"] && target.kind == execution.name && params.list.all(x, params.on) && steps.free.outputs["a-b"] == 1`)
	want := []Ref{
		{Kind: Execution, Name: "name"}, {Kind: Param, Name: "count"}, {Kind: Param, Name: "list"}, {Kind: Param, Name: "on"},
		{Kind: StepRef, Step: "git-clone", Name: "phase"}, {Kind: Output, Step: "free", Name: "a-b"}, {Kind: Output, Step: "scan", Name: "found"}, {Kind: Target, Name: "kind"},
	}
	if diff := cmp.Diff(want, c.Refs()); diff != "" {
		t.Error(diff)
	}
	if got := c.Refs()[5].InCondition(); got != `steps.free.outputs["a-b"]` {
		t.Error(got)
	}
	c.Refs()[0].Name = "changed"
	if c.Refs()[0].Name != "name" {
		t.Error("the caller can change the condition")
	}
}

// bombs are small to write and large to run.
func bombs() []string {
	ten, nested := "[0,1,2,3,4,5,6,7,8,9]", "true"
	for i := range 20 {
		nested = fmt.Sprintf("%s.all(v%d, %s)", ten, i, nested)
	}
	return []string{
		nested,
		`params.list.all(x, params.list.all(y, params.list.all(z, x == y || y == z || true)))`,
		`params.list.map(x, params.list.filter(y, true).size() + params.list.filter(y, y == x).size()).size() > 0`,
		`params.some.all(x, params.some.exists(y, x == y))`,
	}
}

func TestCompileRefusesBombs(t *testing.T) {
	for _, source := range bombs() {
		if _, err := Compile(source, shape()); err == nil || !strings.HasPrefix(err.Error(), "too costly: the condition may cost ") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// twins are comparisons of what a loop put into many places.
func twins() []string {
	return []string{
		`[[[0]]` + strings.Repeat(`.map(x, [x, x])`, 50) + `].all(x, x == x)`,
		`[params.list]` + strings.Repeat(`.map(x, {"a": x, "b": x})`, 30) + `.all(x, x == x)`,
		`[params.list]` + strings.Repeat(`.map(x, [0, 0, 0].map(y, x))`, 30) + `.all(x, x == x)`,
		`[params.list]` + strings.Repeat(`.map(x, x + x)`, 50) + `.all(x, x == x)`,
		`[params.some]` + strings.Repeat(`.map(x, dyn(x) + dyn(x))`, 30) + `.all(x, x == x)`,
		`[params.list]` + strings.Repeat(`.map(x, [x + x][0])`, 30) + `.all(x, x == x)`,
		`params.list.map(x, params.list) == []`,
		`params.list.map(x, [string(x), "b"]) == []`,
		`params.list.map(x, x == 1 ? x : params.list) == []`,
	}
}

func TestCompileRefusesTwins(t *testing.T) {
	for _, source := range twins() {
		if _, err := Compile(source, shape()); err == nil || !strings.Contains(err.Error(), "a list or object made in a loop takes text, numbers and booleans, or one part of the element: found type ") {
			t.Errorf("%s: %v", source, err)
		}
	}
	for _, source := range []string{
		`params.list.filter(x, x == 1).size() == 1`,
		`params.list.map(x, x) == params.list`,
		`params.list.map(x, x.a["b"][0]) == [1, [2], {"a": [3]}, params.list]`,
	} {
		mustCompile(t, source)
	}
}

// What passes the estimate, since a list may be larger than assumed, is ended.
func TestConditionEndsBombs(t *testing.T) {
	numbers := make([]int, 12_000)
	list, err := json.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	s := Scope{Params: map[string]json.RawMessage{"list": list, "some": list, "name": json.RawMessage(`"` + strings.Repeat("a", 30_000) + `"`)}}
	for _, source := range []string{
		`params.list.all(x, x >= 0)`,
		`params.list.all(x, params.list == params.list)`,
		`params.list.all(x, x in params.list)`,
		`params.list.all(x, 0 in params.list)`,
		`params.list.all(x, size(params.name) > 1)`,
		`params.list.all(x, params.name.contains("b") || params.name.matches("^a*$"))`,
		`params.list.map(x, params.name + params.name).size() > 0`,
		`["aa"]` + strings.Repeat(`.map(x, x + x)`, 60) + ` == []`,
		`[[params.list, params.list]].all(x, params.list.all(y, x == x))`,
	} {
		c := mustCompile(t, source)
		_, err := c.Holds(s)
		want := "the condition takes too long: it went beyond the cost of 50000 that one evaluation may have"
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// The same values give the same answer, in any order, from many goroutines,
// and stay as they are.
func TestConditionIsPure(t *testing.T) {
	var keys []string
	for i := range 30 {
		keys = append(keys, fmt.Sprintf(`"k%02d":%d`, i, i))
	}
	s := scope()
	s.Params["object"] = json.RawMessage("{" + strings.Join(keys, ",") + "}")
	before, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{
		`params.object.map(k, k)[0] == "k00"`,
		`{"b": 1, "a": 2, "c": 3}.map(k, k) == ["a", "b", "c"]`,
		`params.some == 3 && params.object.filter(k, params.object[k] > 2)[0] == "k03"`,
	} {
		c := mustCompile(t, source)
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				for range 10 {
					if got, err := c.Holds(s); err != nil || !got {
						t.Errorf("%s: %v, %v", source, got, err)
					}
				}
			})
		}
		wait.Wait()
	}
	after, err := json.Marshal(s)
	if err != nil || string(after) != string(before) {
		t.Errorf("the values changed: %s", after)
	}
}

// FuzzCompile: whatever a person writes, Compile neither panics nor answers
// with anything but an *Invalid; and what it takes names only what is known and
// answers twice the same.
func FuzzCompile(f *testing.F) {
	for _, source := range append(append(bombs(), twins()...), `params["max-age"] > duration("5m")`, `has(steps["git-clone"].outputs["changed"])`, `steps.free.outputs.x.y[0]["z"] == 1`,
		`params.list.exists_one(x, x == 1) ? params.on : !params.on`, `{"a": params.some}.a == b"\xff"`, `.params.on`, `params.list[params.count]`, "\x00", "'\\x'", `a{b: params}`) {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		c, err := Compile(source, shape())
		var bad *Invalid
		if err != nil {
			if !errors.As(err, &bad) || bad.Message == "" {
				t.Fatalf("%q: %v", source, err)
			}
			return
		}
		for _, r := range c.Refs() {
			if _, known := shape().Outputs[r.Step]; r.Step != "" && !known {
				t.Errorf("%q names %s", source, r.InCondition())
			}
		}
		first, firstErr := c.Holds(scope())
		second, secondErr := c.Holds(scope())
		if first != second || fmt.Sprint(firstErr) != fmt.Sprint(secondErr) {
			t.Errorf("%q: %v, %v, then %v, %v", source, first, firstErr, second, secondErr)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	known := shape()
	for b.Loop() {
		if _, err := Compile(`params.count > 1 && steps["git-clone"].outputs.changed && steps["git-clone"].phase == "Succeeded"`, known); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHolds(b *testing.B) {
	c, values := mustCompile(b, `params.count > 1 && steps["git-clone"].outputs.changed && steps["git-clone"].phase == "Succeeded"`), scope()
	for b.Loop() {
		if _, err := c.Holds(values); err != nil {
			b.Fatal(err)
		}
	}
}
