package rule

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

const statement = `{"predicateType": "https://slsa.dev/provenance/v1", "predicate": {"builder": {"id": "https://ci.example.com/builder"}, "level": 3}}`

func TestRules(t *testing.T) {
	for name, c := range map[string]struct {
		language, text string
		warnings       []string
		err            string
	}{
		"cue, fits":                 {"cue", `predicate: builder: id: =~"^https://ci\\.example\\.com/"`, nil, ""},
		"cue, other text":           {"cue", `predicate: builder: id: "https://other.example.com"`, nil, "predicate.builder.id"},
		"cue, out of bounds":        {"cue", "predicate: level: >=4", nil, "predicate.level"},
		"cue, missing":              {"cue", "predicate: buildType: string", nil, "predicate.buildType: incomplete value string"},
		"cue, own library":          {"cue", "import \"strings\"\npredicateType: strings.HasPrefix(\"https://\")", nil, ""},
		"rego v0, fits":             {"rego", "package sigstore\nisCompliant { input.predicate.level >= 3 }", nil, ""},
		"rego v0, does not":         {"rego", "package sigstore\nisCompliant { input.predicate.level >= 4 }", nil, "isCompliant is undefined"},
		"rego v0, default":          {"rego", "package sigstore\ndefault isCompliant = false\nisCompliant { input.predicate.level >= 4 }", nil, "isCompliant is false"},
		"rego v1, fits":             {"rego", "package sigstore\nisCompliant if input.predicate.level >= 3", nil, ""},
		"rego, object with warning": {"rego", "package sigstore\nisCompliant = {\"result\": true, \"warning\": \"level 3 ends in May\"} { true }", []string{"level 3 ends in May"}, ""},
		"rego, set with error":      {"rego", "package sigstore\nisCompliant[r] { r := {\"result\": false, \"error\": \"level too low\"} }", nil, "level too low"},
		"rego, set with result":     {"rego", "package sigstore\nisCompliant[r] { r := {\"result\": true} }", nil, ""},
		"rego, nonsense":            {"rego", "package sigstore\nisCompliant = 7 { true }", nil, "isCompliant is neither"},
		"rego, numbers are exact":   {"rego", "package sigstore\nisCompliant { input.predicate.level == 3 }", nil, ""},
		"rego, failing function":    {"rego", "package sigstore\nisCompliant { not to_number(input.predicateType) }", nil, "to_number"},
	} {
		t.Run(name, func(t *testing.T) {
			program, err := Compile(c.language, c.text)
			if err != nil {
				t.Fatal(err)
			}
			// Twice: a program is used for many documents.
			for range 2 {
				warnings, err := program.Evaluate(t.Context(), []byte(statement))
				if diff := cmp.Diff(c.warnings, warnings); diff != "" {
					t.Error(diff)
				}
				if said := fmt.Sprint(err); c.err == "" && err != nil || !strings.Contains(said, c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
			}
		})
	}
}

func TestRulesThatCannotBeUsed(t *testing.T) {
	for want, c := range map[string][2]string{
		"neither cue nor rego":        {"python", "pass"},
		"has 0 bytes":                 {"cue", ""},
		"has 70000 bytes":             {"rego", strings.Repeat("x", 70000)},
		"rule.cue:1":                  {"cue", "a: {"},
		"conflicting values":          {"cue", "a: 1, a: 2"},
		"rule.rego:2":                 {"rego", "package sigstore\nisCompliant {"},
		"data.other":                  {"rego", "package other\nisCompliant { true }"},
		"does not define isCompliant": {"rego", "package sigstore\nallow { true }"},
	} {
		if _, err := Compile(c[0], c[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", c[1][:min(len(c[1]), 40)], err, want)
		}
	}
}

// A rule must not be a way to reach from the controller to somewhere else.
func TestAttack17_RulesReachNothingOutside(t *testing.T) {
	for want, c := range map[string][2]string{
		"undefined function http.send":          {"rego", "package sigstore\nisCompliant { http.send({\"method\": \"get\", \"url\": \"http://169.254.169.254\"}) }"},
		"undefined function opa.runtime":        {"rego", "package sigstore\nisCompliant { opa.runtime().env.HOME }"},
		"undefined function net.lookup_ip_addr": {"rego", "package sigstore\nisCompliant { net.lookup_ip_addr(\"example.com\") }"},
		"undefined function time.now_ns":        {"rego", "package sigstore\nisCompliant { time.now_ns() > 0 }"},
		`import "tool/http"`:                    {"cue", "import \"tool/http\"\na: http.Get"},
		`import "example.com/rules"`:            {"cue", "import \"example.com/rules\"\na: rules.a"},
	} {
		if _, err := Compile(c[0], c[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", c[1], err, want)
		}
	}
}

// A rule that does not come to an end has judged nothing, and holds up neither
// who asks nor the machine.
func TestAttack17_EndlessRulesEnd(t *testing.T) {
	for language, text := range map[string]string{
		"rego": "package sigstore\nisCompliant { all := numbers.range(1, 100000); x := all[_]; y := all[_]; x * y == 0 }",
		"cue":  "import \"list\"\nn: int\nall: [for x in list.Range(0, n, 1) for y in list.Range(0, n, 1) {x * y}]",
	} {
		program, err := Compile(language, text)
		if err != nil {
			t.Fatal(err)
		}
		before := runtime.NumGoroutine()
		var asked sync.WaitGroup
		for range 2 * maxAtOnce {
			asked.Go(func() {
				start := time.Now()
				if _, err := program.Evaluate(t.Context(), []byte(`{"n": 2000}`)); !errors.Is(err, policy.ErrCutShort) {
					t.Errorf("%s: error %v", language, err)
				}
				if took := time.Since(start); took > 10*maxTime {
					t.Errorf("%s took %s", language, took)
				}
			})
		}
		asked.Wait()
		if n := runtime.NumGoroutine() - before; n > maxAtOnce {
			t.Errorf("%s: %d evaluations go on", language, n)
		}
	}
	if _, err := Compile("cue", "import \"list\"\nall: [for x in list.Range(0, 4000, 1) for y in list.Range(0, 4000, 1) {x * y}]"); !errors.Is(err, policy.ErrCutShort) {
		t.Errorf("a rule that takes long without a document: %v", err)
	}
}

// Images of one run are judged side by side, by one compiled rule.
func TestRulesAreForManyAtOnce(t *testing.T) {
	for language, text := range map[string]string{"cue": "predicate: level: >=3", "rego": "package sigstore\nisCompliant { input.predicate.level >= 3 }"} {
		program, err := Compile(language, text)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if _, err := program.Evaluate(t.Context(), []byte(statement)); err != nil {
					t.Errorf("%s: %v", language, err)
				}
			})
		}
		all.Wait()
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("cue", "a: int & >2", `{"a": 3}`)
	f.Add("rego", "package sigstore\nisCompliant { input.a }", `{"a": true}`)
	f.Add("rego", "package sigstore\nimport rego.v1\nisCompliant if input.a", `[1]`)
	f.Fuzz(func(t *testing.T, language, text, document string) {
		program, err := Compile(language, text)
		if err != nil {
			return
		}
		if _, err := program.Evaluate(t.Context(), []byte(document)); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %v", err)
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	for language, text := range map[string]string{
		"cue":  `predicate: builder: id: =~"^https://ci\\.example\\.com/"`,
		"rego": "package sigstore\nisCompliant { input.predicate.level >= 3 }",
	} {
		b.Run(language, func(b *testing.B) {
			program, err := Compile(language, text)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := program.Evaluate(b.Context(), []byte(statement)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
