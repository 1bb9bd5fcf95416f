package repo

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

func wordRules() []rule {
	return []rule{
		{"names mean something", emptyNames, []sample{
			one("internal/util/a.go", "package util", "internal/util"),
			one("internal/a/helpers_test.go", "package a", "helpers_test.go"),
		}},
		{"nothing is left for later", leftovers, []sample{
			one("a/a.go", "package a\n// TO"+"DO: later", "a/a.go:2"),
			one("k/a.yaml", "a: 1\n# FIX"+"ME", "k/a.yaml:2"),
		}},
		{"no rule is switched off", suppressions, []sample{
			one("a/a.go", "package a\nvar _ = 1 //no"+"lint:all", "a/a.go:2"),
			one("a/a.go", "package a\n//lint:"+"ignore U1000 because", "a/a.go:2"),
		}},
		{"nothing sleeps", sleeps, []sample{
			one("a/a_test.go", "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }", "a/a_test.go:3"),
			one("a/a.go", "package a\nimport t \"time\"\nfunc f() { t.Sleep(1) }", "a/a.go:3"),
		}},
	}
}

// emptyNames finds folders and files that are named after nothing.
func emptyNames(t *tree) []string {
	empty := []string{"util", "utils", "common", "helper", "helpers", "shared", "misc", "base"}
	var out []string
	for _, f := range t.files {
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
		if slices.Contains(empty, f.ast.Name.Name) || slices.Contains(empty, stem) || slices.Contains(empty, path.Base(f.dir())) {
			out = append(out, fmt.Sprintf("%s: name it after what it holds", f.path))
		}
	}
	return out
}

func leftovers(t *tree) []string {
	return t.grep(regexp.MustCompile(`\b(TO`+`DO|FIX`+`ME|XX`+`X|HA`+`CK)\b`), "do it, or file it where work is planned")
}

func suppressions(t *tree) []string {
	return t.grep(regexp.MustCompile(`//\s*(no`+`lint|lint:`+`(file-)?ignore|#no`+`sec|exhaust`+`ive:)`), "mend the code instead")
}

// grep searches everything that people write but prose, which may speak of a word.
func (t *tree) grep(word *regexp.Regexp, advice string) []string {
	var out []string
	for _, p := range t.paths("") {
		if !regexp.MustCompile(`(\.(go|yaml|mod|txtar|txt|sh)|Makefile|/run)$`).MatchString(p) {
			continue
		}
		for i, line := range strings.Split(t.text[p], "\n") {
			if word.MatchString(line) {
				out = append(out, fmt.Sprintf("%s:%d: %q: %s", p, i+1, word.FindString(line), advice))
			}
		}
	}
	return out
}

func sleeps(t *tree) []string {
	var out []string
	for _, f := range t.files {
		uses(f.ast, "time", func(pos token.Pos, name string) {
			if name == "Sleep" {
				out = append(out, t.at(pos, "watch what you wait for instead of sleeping"))
			}
		})
	}
	return out
}

// stateRules keep code free of state and of influence that nobody sees.
func stateRules() []rule {
	return []rule{
		{"no init", inits, []sample{one("a/a.go", "package a\nfunc init() {}", "a/a.go:2")}},
		{"no mutable package variables", variables, []sample{
			one("a/a.go", "package a\nvar x int", "x is a package variable"),
			one("a/a.go", "package a\nvar cache = map[string]int{}", "cache is a package variable"),
		}},
		{"the environment is read at the edge", environment, []sample{
			one("internal/a/a.go", "package a\nimport \"os\"\nvar _ = os.Getenv(\"HOME\")", "os.Getenv"),
		}},
		{"goroutines are started at the edge", goroutines, []sample{
			one("controllers/a/a.go", "package a\nfunc f() { go f() }", "controllers/a/a.go:2"),
		}},
	}
}

func inits(t *tree) []string {
	var out []string
	t.functions(func(fn *ast.FuncDecl) {
		if fn.Name.Name == "init" && fn.Recv == nil {
			out = append(out, t.at(fn.Pos(), "say it where it is used instead of init"))
		}
	})
	return out
}

// variables finds package variables other than the four kinds that never
// change: error values, compiled regular expressions, embedded files, and
// assertions to the blank name.
func variables(t *tree) []string {
	var out []string
	for _, f := range t.files {
		for _, d := range f.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR || !f.product() {
				continue
			}
			for _, spec := range g.Specs {
				out = append(out, t.variable(g, spec.(*ast.ValueSpec))...)
			}
		}
	}
	return out
}

func (t *tree) variable(g *ast.GenDecl, s *ast.ValueSpec) []string {
	if s.Names[0].Name == "_" || embedded(g, s) || fixed(s) {
		return nil
	}
	return []string{t.at(s.Pos(), "%s is a package variable: pass it, or make it a constant or a function", s.Names[0].Name)}
}

func embedded(g *ast.GenDecl, s *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{g.Doc, s.Doc} {
		if doc != nil && strings.HasPrefix(doc.List[len(doc.List)-1].Text, "//go:embed ") {
			return true
		}
	}
	return false
}

func fixed(s *ast.ValueSpec) bool {
	for _, v := range s.Values {
		call, ok := v.(*ast.CallExpr)
		if !ok {
			return false
		}
		fn, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, _ := fn.X.(*ast.Ident)
		if pkg == nil || !slices.Contains([]string{"errors.New", "fmt.Errorf", "regexp.MustCompile"}, pkg.Name+"."+fn.Sel.Name) {
			return false
		}
	}
	return len(s.Values) > 0
}

func environment(t *tree) []string {
	readers := []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}
	var out []string
	for _, f := range t.files {
		if !f.product() || anyBelow(f.dir(), "cmd", "internal/cli/env", "test") {
			continue
		}
		uses(f.ast, "os", func(pos token.Pos, name string) {
			if slices.Contains(readers, name) {
				out = append(out, t.at(pos, "os.%s: take the value as a parameter", name))
			}
		})
	}
	return out
}

// goroutines may start in mains, doors (bounded ones, around calls of their
// library), actions' entry and the CLI, and nowhere below a controller's Setup.
func goroutines(t *tree) []string {
	var out []string
	m := readMatrix()
	for _, f := range t.files {
		layer, _ := m.layer(f.dir())
		if !f.product() || layer == "door" || layer == "main" || below(f.dir(), "internal/cli") || below(f.dir(), "test") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				out = append(out, t.at(g.Pos(), "no goroutine here: return, and be woken"))
			}
			return true
		})
	}
	return out
}
