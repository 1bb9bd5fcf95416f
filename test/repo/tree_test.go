package repo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strings"
)

// tree is everything in the repository that a rule may look at, read once.
type tree struct {
	text  map[string]string // every text file by path
	fset  *token.FileSet
	files []file
}

// file is one Go file.
type file struct {
	path string
	// module is the folder of its go.mod: "." for the product.
	module string
	src    string
	ast    *ast.File
	// test says whether it is a _test.go file, generated whether a tool wrote it.
	test, generated bool
}

// dir is the folder of the file: the package, as seen from the repository.
func (f file) dir() string { return path.Dir(f.path) }

// product says whether the file is part of what users run.
func (f file) product() bool { return f.module == "." && !f.test && !f.generated }

// ignored are the folders that .gitignore names, and Git's own.
func ignored(name string) bool { return name == ".git" || name == "bin" || name == "dist" }

// load reads a tree. Samples of the rules come as small file systems too.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{text: map[string]string{}, fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && ignored(p):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		data, err := fs.ReadFile(fsys, p)
		t.text[p] = string(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range t.paths(".go") {
		if err := t.parse(p); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tree) parse(p string) error {
	if strings.Contains(p, "/testdata/") {
		return nil
	}
	parsed, err := parser.ParseFile(t.fset, p, t.text[p], parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse %s: %w", p, err)
	}
	t.files = append(t.files, file{
		path: p, module: t.module(p), src: t.text[p], ast: parsed,
		test: strings.HasSuffix(p, "_test.go"), generated: strings.HasPrefix(path.Base(p), "zz_"),
	})
	return nil
}

// module finds the nearest folder above p that has a go.mod.
func (t *tree) module(p string) string {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if _, ok := t.text[dir+"/go.mod"]; ok {
			return dir
		}
	}
	return "."
}

// paths lists the files with a suffix, in order.
func (t *tree) paths(suffix string) []string {
	var out []string
	for p := range t.text {
		if strings.HasSuffix(p, suffix) {
			out = append(out, p)
		}
	}
	sort.Strings(out)
	return out
}

// at writes a finding with its place.
func (t *tree) at(pos token.Pos, format string, args ...any) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, fmt.Sprintf(format, args...))
}

// packages groups files by folder, leaving out those that keep says no to.
func (t *tree) packages(keep func(file) bool) map[string][]file {
	out := map[string][]file{}
	for _, f := range t.files {
		if keep(f) {
			out[f.dir()] = append(out[f.dir()], f)
		}
	}
	return out
}

// below says whether path p is prefix or inside it.
func below(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }

func anyBelow(p string, prefixes ...string) bool {
	for _, prefix := range prefixes {
		if below(p, prefix) {
			return true
		}
	}
	return false
}

// importsOf maps the local name of each import to its path.
func importsOf(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, i := range f.Imports {
		p := strings.Trim(i.Path.Value, `"`)
		name := path.Base(p)
		if i.Name != nil {
			name = i.Name.Name
		}
		out[name] = p
	}
	return out
}

// uses calls found for every mention of package.name in the file.
func uses(f *ast.File, pkg string, found func(pos token.Pos, name string)) {
	imports := importsOf(f)
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := s.X.(*ast.Ident); ok && imports[id.Name] == pkg {
			found(s.Pos(), s.Sel.Name)
		}
		return true
	})
}
