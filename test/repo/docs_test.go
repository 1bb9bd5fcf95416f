package repo

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"sort"
	"strings"
)

func docRules() []rule {
	return []rule{
		{"packages say what they are", packageDocs, []sample{
			one("a/a.go", "package a", "no file says what the package is"),
			one("a/a.go", "// Something else.\npackage a", `begin the package's doc with "Package a "`),
			one("cmd/tool/main.go", "// Package main.\npackage main", `begin the package's doc with "Command tool "`),
			{files: map[string]string{"a/a.go": "// Package a is.\npackage a", "a/b.go": "// Package a is.\npackage a"}, want: "2 files"},
		}},
		{"exported things are documented", exportedDocs, []sample{
			one("a/a.go", "package a\nfunc F() {}", "F has no doc"),
			one("a/a.go", "package a\n// G is.\ntype G int\nfunc (g *G) M() {}", "M has no doc"),
			one("a/a.go", "package a\ntype T int", "T has no doc"),
			one("a/a.go", "package a\nconst C = 1", "C has no doc"),
			one("a/a.go", "package a\n// I is.\ntype I interface {\nM()\nN() // N is.\n}", "I.M has no doc"),
		}},
		{"controllers have the same files", controllerFiles, []sample{
			one("controllers/x/reconcile.go", "package x", "controllers/x has no controller.go"),
		}},
	}
}

func packageDocs(t *tree) []string {
	var out []string
	packages := t.packages(func(f file) bool { return f.module == "." && !f.test })
	for dir, files := range packages {
		name := "Package " + files[0].ast.Name.Name
		if files[0].ast.Name.Name == "main" {
			name = "Command " + path.Base(dir)
		}
		var docs []file
		for _, f := range files {
			if f.ast.Doc != nil && f.ast.Doc.Text() != "" {
				docs = append(docs, f)
			}
		}
		switch {
		case len(docs) == 0:
			out = append(out, fmt.Sprintf("%s: no file says what the package is", dir))
		case len(docs) > 1:
			out = append(out, fmt.Sprintf("%s: %d files say what the package is, one is enough", dir, len(docs)))
		case !strings.HasPrefix(docs[0].ast.Doc.Text(), name+" "):
			out = append(out, fmt.Sprintf("%s: begin the package's doc with %q", docs[0].path, name+" "))
		}
	}
	sort.Strings(out)
	return out
}

func exportedDocs(t *tree) []string {
	var out []string
	missing := func(pos token.Pos, name string) { out = append(out, t.at(pos, "%s has no doc", name)) }
	for _, f := range t.files {
		if !f.product() || f.ast.Name.Name == "main" {
			continue
		}
		for _, d := range f.ast.Decls {
			undocumented(d, missing)
		}
	}
	return out
}

func receiver(fn *ast.FuncDecl) string {
	e := fn.Recv.List[0].Type
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if generic, ok := e.(*ast.IndexExpr); ok {
		e = generic.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// undocumented reports the exported names of a declaration that neither the
// declaration nor their own line documents.
func undocumented(d ast.Decl, missing func(token.Pos, string)) {
	fn, ok := d.(*ast.FuncDecl)
	if !ok {
		undocumentedNames(d.(*ast.GenDecl), missing)
		return
	}
	seen := fn.Name.IsExported() && (fn.Recv == nil || ast.IsExported(receiver(fn)) && !wellKnown(fn))
	if seen && fn.Doc == nil {
		missing(fn.Pos(), fn.Name.Name)
	}
}

// wellKnown are the methods whose meaning the language fixes.
func wellKnown(fn *ast.FuncDecl) bool {
	return slices.Contains([]string{"Error", "String", "Unwrap"}, fn.Name.Name) && fn.Type.Params.NumFields() == 0
}

func undocumentedNames(d *ast.GenDecl, missing func(token.Pos, string)) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
				missing(s.Pos(), s.Name.Name)
			}
			undocumentedMethods(s, missing)
		case *ast.ValueSpec:
			if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
				missing(s.Pos(), s.Names[0].Name)
			}
		}
	}
}

// undocumentedMethods looks at interfaces; one with a single method says what
// that does in its own doc.
func undocumentedMethods(s *ast.TypeSpec, missing func(token.Pos, string)) {
	i, ok := s.Type.(*ast.InterfaceType)
	if !ok || !s.Name.IsExported() || i.Methods.NumFields() == 1 {
		return
	}
	for _, m := range i.Methods.List {
		if len(m.Names) > 0 && m.Doc == nil && m.Comment == nil {
			missing(m.Pos(), s.Name.Name+"."+m.Names[0].Name)
		}
	}
}

// Whoever knows one controller finds his way in all of them.
func controllerFiles(t *tree) []string {
	var out []string
	for dir := range t.packages(file.product) {
		if path.Dir(dir) != "controllers" {
			continue
		}
		for _, name := range []string{"controller.go", "reconcile.go"} {
			if _, ok := t.text[dir+"/"+name]; !ok {
				out = append(out, fmt.Sprintf("%s has no %s", dir, name))
			}
		}
	}
	sort.Strings(out)
	return out
}
