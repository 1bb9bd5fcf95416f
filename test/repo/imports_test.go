package repo

import (
	_ "embed"
	"fmt"
	"go/token"
	"slices"
	"strings"
)

const modulePath = "github.com/kubernaut/kubernaut"

//go:embed imports.txt
var importsFile string

// matrix is imports.txt.
type matrix struct {
	layers    map[string]string   // prefix -> layer
	uses      map[string][]string // prefix -> what of its own layer it may import
	denied    map[string][]string // layer -> imports
	libraries map[string][]string // library -> its doors
	without   map[string][]string // program -> what it must not link
	built, by []string
}

func layerOrder() []string {
	return []string{"words", "pure", "seam", "door", "story", "main", "test"}
}

func readMatrix() matrix {
	m := matrix{layers: map[string]string{}, uses: map[string][]string{}, denied: map[string][]string{}, libraries: map[string][]string{}, without: map[string][]string{}}
	for _, line := range strings.Split(importsFile, "\n") {
		line, _, _ = strings.Cut(line, "#")
		w := strings.Fields(line)
		if len(w) < 2 {
			continue
		}
		switch w[0] {
		case "deny":
			m.denied[w[1]] = w[2:]
		case "library":
			m.libraries[w[1]] = w[2:]
		case "without":
			m.without[w[1]] = w[2:]
		case "built":
			m.built = append(m.built, w[1:]...)
		case "by":
			m.by = w[1:]
		default:
			m.layers[w[1]] = w[0]
			if len(w) > 3 && w[2] == "uses" {
				m.uses[w[1]] = w[3:]
			}
		}
	}
	return m
}

// layer finds the line of a package: the one with the longest prefix.
func (m matrix) layer(dir string) (layer, prefix string) {
	for p, l := range m.layers {
		if below(dir, p) && len(p) > len(prefix) {
			layer, prefix = l, p
		}
	}
	return layer, prefix
}

func importRules() []rule {
	return []rule{
		{"every package has a layer", placed, []sample{
			one("pkg/a/a.go", "package a", "pkg/a"),
		}},
		{"imports point down", layering, []sample{
			one("internal/run/a.go", "package run\nimport _ \""+modulePath+"/internal/plan\"", "words may not import pure"),
			one("internal/dag/a.go", "package dag\nimport _ \""+modulePath+"/internal/plan\"", "internal/dag does not use internal/plan"),
			one("controllers/a/a.go", "package a\nimport _ \""+modulePath+"/controllers/b\"", "siblings"),
			one("controllers/a/a.go", "package a\nimport _ \""+modulePath+"/internal/engine/job\"", "only cmd internal/cli test"),
			one("internal/plan/a.go", "package plan\nimport _ \"net/http\"", "pure may not import net/http"),
		}},
		{"big libraries have one door", doors, []sample{
			one("controllers/a/a.go", "package a\nimport _ \"github.com/go-git/go-git/v5/plumbing\"", "only gitops/repo"),
		}},
		{"pure code has no clock", clocks, []sample{
			one("internal/plan/a.go", "package plan\nimport \"time\"\nvar _ = time.Now()", "time.Now"),
		}},
	}
}

func placed(t *tree) []string {
	m := readMatrix()
	var out []string
	for dir := range t.packages(file.product) {
		if layer, _ := m.layer(dir); !slices.Contains(layerOrder(), layer) {
			out = append(out, fmt.Sprintf("%s: add it to test/repo/imports.txt", dir))
		}
	}
	return out
}

// imports calls visit for each import of product code.
func (t *tree) imports(visit func(f file, imported string) string) []string {
	var out []string
	for _, f := range t.files {
		if !f.product() {
			continue
		}
		for _, i := range f.ast.Imports {
			if finding := visit(f, strings.Trim(i.Path.Value, `"`)); finding != "" {
				out = append(out, t.at(i.Pos(), "%s", finding))
			}
		}
	}
	return out
}

func layering(t *tree) []string {
	m := readMatrix()
	return t.imports(func(f file, imported string) string {
		layer, _ := m.layer(f.dir())
		if ours, ok := strings.CutPrefix(imported, modulePath+"/"); ok {
			return m.judge(f.dir(), ours)
		}
		if slices.ContainsFunc(m.denied[layer], func(d string) bool { return d == imported || strings.Contains(d, ".") && below(imported, d) }) {
			return fmt.Sprintf("%s may not import %s", layer, imported)
		}
		return ""
	})
}

// judge says what is wrong with one of our packages importing another.
func (m matrix) judge(from, to string) string {
	layer, prefix := m.layer(from)
	other, otherPrefix := m.layer(to)
	mine, theirs := slices.Index(layerOrder(), layer), slices.Index(layerOrder(), other)
	switch {
	case slices.Contains(m.built, to) && !anyBelow(from, m.by...):
		return fmt.Sprintf("%s is built only in %s", to, "only "+strings.Join(m.by, " "))
	case theirs < mine, layer == "test", layer == "main" && below(from, to):
		return ""
	case theirs > mine:
		return fmt.Sprintf("%s may not import %s: %s", layer, other, to)
	case slices.ContainsFunc(m.uses[prefix], func(u string) bool { return below(to, u) }):
		return ""
	case prefix != otherPrefix:
		return fmt.Sprintf("%s does not use %s: say so in imports.txt, or better do without", prefix, to)
	case !below(to, from) && !below(from, to) && !composes(from, prefix):
		return fmt.Sprintf("%s and %s are siblings", from, to)
	}
	return ""
}

// composes says whether a package is the list of its siblings, one level below
// its line: controllers, actions, internal/cli.
func composes(from, prefix string) bool { return from == prefix }

func doors(t *tree) []string {
	m := readMatrix()
	return t.imports(func(f file, imported string) string {
		for library, allowed := range m.libraries {
			if strings.HasPrefix(imported, library) && !anyBelow(f.dir(), append(allowed, "test")...) {
				return fmt.Sprintf("%s: only %s may import it", imported, strings.Join(allowed, " "))
			}
		}
		return ""
	})
}

func clocks(t *tree) []string {
	m := readMatrix()
	var out []string
	for _, f := range t.files {
		layer, _ := m.layer(f.dir())
		if !f.product() || layer != "pure" && layer != "words" {
			continue
		}
		uses(f.ast, "time", func(pos token.Pos, name string) {
			if slices.Contains([]string{"Now", "Since", "Until", "After", "NewTimer", "NewTicker"}, name) {
				out = append(out, t.at(pos, "time.%s: take the time as a value", name))
			}
		})
	}
	return out
}
