package repo

import (
	"fmt"
	"go/ast"
	"go/scanner"
	"go/token"
	"path"
	"strings"
)

// The limits of architecture §7.
const (
	maxFunction   = 60
	maxReconcile  = 50
	maxComplexity = 12
	maxNesting    = 3
	maxParams     = 5
	maxMethods    = 6
	maxFile       = 400
	maxTestFile   = 700
	maxFiles      = 12
	maxPackage    = 1500
)

func sizeRules() []rule {
	return []rule{
		{"functions are short", functionLines, []sample{
			one("a/a.go", "package a\nfunc f() {"+strings.Repeat("\n", maxFunction)+"}", "f has 61 lines"),
			one("a/a.go", "package a\nfunc (r R) Reconcile() {"+strings.Repeat("\n", maxReconcile)+"}", "Reconcile has 51 lines"),
		}},
		{"functions are simple", complexity, []sample{
			one("a/a.go", "package a\nfunc f(x bool) {"+strings.Repeat("if x {}\n", maxComplexity)+"}", "f has complexity 13"),
			one("a/a.go", "package a\nfunc f(x bool) bool { return x"+strings.Repeat(" && x", maxComplexity)+"}", "f has complexity 13"),
			one("a/a.go", "package a\nvar x bool\nfunc f() { func() {"+strings.Repeat("if x {}\n", maxComplexity)+"}() }", "f has complexity 13"),
		}},
		{"functions are flat", nesting, []sample{
			one("a/a.go", "package a\nfunc f(x bool) { if x { for { switch { case x: if x {} } } } }", "f nests 4 deep"),
		}},
		{"functions have few parameters", params, []sample{
			one("a/a.go", "package a\nfunc f(a, b, c int, d, e, g string) {}", "f has 6 parameters"),
		}},
		{"interfaces are small", methods, []sample{
			one("a/a.go", "package a\ntype I interface { A(); B(); C(); D(); E(); F(); G() }", "I has 7 methods"),
		}},
		{"files are short", fileLines, []sample{
			one("a/a.go", "package a"+strings.Repeat("\n", maxFile+1), "401 lines"),
			one("a/a_test.go", "package a"+strings.Repeat("\n", maxTestFile+1), "701 lines"),
		}},
		{"packages are small", packageSize, []sample{
			{files: manyFiles(13), want: "13 files"},
			one("a/a.go", "package a\n"+strings.Repeat("type (_ int)\n// no code\n\n", maxPackage), "1501 lines of code"),
		}},
	}
}

func manyFiles(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("a/a%d.go", i)] = "package a"
	}
	return out
}

// functions calls visit for each function that people wrote.
func (t *tree) functions(visit func(*ast.FuncDecl)) {
	for _, f := range t.files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !f.generated && fn.Body != nil {
				visit(fn)
			}
		}
	}
}

func functionLines(t *tree) []string {
	var out []string
	t.functions(func(fn *ast.FuncDecl) {
		limit := maxFunction
		if fn.Name.Name == "Reconcile" && fn.Recv != nil {
			limit = maxReconcile
		}
		lines := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1
		if lines > limit {
			out = append(out, t.at(fn.Pos(), "%s has %d lines, at most %d", fn.Name.Name, lines, limit))
		}
	})
	return out
}

func complexity(t *tree) []string {
	var out []string
	t.functions(func(fn *ast.FuncDecl) {
		for _, body := range bodies(fn) {
			if n := branches(body) + 1; n > maxComplexity {
				out = append(out, t.at(body.Pos(), "%s has complexity %d, at most %d", fn.Name.Name, n, maxComplexity))
			}
		}
	})
	return out
}

// bodies are those of a function and of the function literals in it: each is a
// function of its own.
func bodies(fn *ast.FuncDecl) []*ast.BlockStmt {
	out := []*ast.BlockStmt{fn.Body}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if literal, ok := n.(*ast.FuncLit); ok {
			out = append(out, literal.Body)
		}
		return true
	})
	return out
}

// branches counts the places where a function can go two ways.
func branches(body ast.Node) int {
	n := 0
	ast.Inspect(body, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			n += min(1, len(x.List)) // default is no branch of its own
		case *ast.CommClause:
			n++
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		case *ast.FuncLit:
			return false
		}
		return true
	})
	return n
}

func nesting(t *tree) []string {
	var out []string
	t.functions(func(fn *ast.FuncDecl) {
		v := &depth{}
		ast.Walk(v, fn.Body)
		if deepest := *v.reached(); deepest > maxNesting {
			out = append(out, t.at(fn.Pos(), "%s nests %d deep, at most %d", fn.Name.Name, deepest, maxNesting))
		}
	})
	return out
}

// depth visits a function and remembers the deepest block. A function literal
// begins again at nothing: it is a function of its own.
type depth struct {
	now     int
	deepest *int
}

func (d *depth) reached() *int {
	if d.deepest == nil {
		d.deepest = new(int)
	}
	return d.deepest
}

// Visit implements ast.Visitor.
func (d *depth) Visit(n ast.Node) ast.Visitor {
	deepest := d.reached()
	switch x := n.(type) {
	case *ast.FuncLit:
		return &depth{deepest: deepest}
	case *ast.IfStmt:
		d.inside(x.Init, x.Cond, x.Body)
		if _, chained := x.Else.(*ast.IfStmt); chained {
			ast.Walk(d, x.Else) // else if stays at the level of its if
		} else if x.Else != nil {
			d.inside(x.Else)
		}
		return nil
	case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		*deepest = max(*deepest, d.now+1)
		return &depth{now: d.now + 1, deepest: deepest}
	}
	return d
}

func (d *depth) inside(nodes ...ast.Node) {
	in := &depth{now: d.now + 1, deepest: d.deepest}
	*d.deepest = max(*d.deepest, in.now)
	for _, n := range nodes {
		if n != nil {
			ast.Walk(in, n)
		}
	}
}

func params(t *tree) []string {
	var out []string
	t.functions(func(fn *ast.FuncDecl) {
		if n := fn.Type.Params.NumFields(); n > maxParams {
			out = append(out, t.at(fn.Pos(), "%s has %d parameters, at most %d", fn.Name.Name, n, maxParams))
		}
	})
	return out
}

func methods(t *tree) []string {
	var out []string
	for _, f := range t.files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if i, ok := s.Type.(*ast.InterfaceType); ok && i.Methods.NumFields() > maxMethods {
				out = append(out, t.at(s.Pos(), "%s has %d methods, at most %d", s.Name.Name, i.Methods.NumFields(), maxMethods))
			}
			return true
		})
	}
	return out
}

func fileLines(t *tree) []string {
	var out []string
	for _, f := range t.files {
		limit := maxFile
		if f.test {
			limit = maxTestFile
		}
		if n := strings.Count(f.src, "\n"); n > limit && !f.generated {
			out = append(out, fmt.Sprintf("%s: %d lines, at most %d", f.path, n, limit))
		}
	}
	return out
}

func packageSize(t *tree) []string {
	var out []string
	packages := t.packages(func(f file) bool { return !f.test && !f.generated })
	for dir, files := range packages {
		lines := 0
		for _, f := range files {
			lines += codeLines(f.src)
		}
		if len(files) > maxFiles {
			out = append(out, fmt.Sprintf("%s: %d files, at most %d", dir, len(files), maxFiles))
		}
		if lines > maxPackage {
			out = append(out, fmt.Sprintf("%s: %d lines of code, at most %d", path.Clean(dir), lines, maxPackage))
		}
	}
	return out
}

// codeLines counts the lines that are neither blank nor comment.
func codeLines(src string) int {
	var s scanner.Scanner
	set := token.NewFileSet()
	f := set.AddFile("", -1, len(src))
	s.Init(f, []byte(src), nil, 0)
	lines := map[int]bool{}
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue
		}
		first := f.Line(pos)
		for i := range strings.Count(lit, "\n") + 1 {
			lines[first+i] = true
		}
	}
}
