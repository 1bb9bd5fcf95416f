package repo

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

const (
	maxReadme  = 150
	maxHowTo   = 25
	maxTargets = 20
)

func fileRules() []rule {
	return []rule{
		{"README is short", func(t *tree) []string { return t.longer("README.md", maxReadme) }, []sample{
			one("README.md", strings.Repeat("line\n", maxReadme+1), "151 lines"),
		}},
		{"how-tos are short", howTos, []sample{
			one("docs/howto/x.md", strings.Repeat("line\n", maxHowTo+1), "26 lines"),
		}},
		{"Makefile is short", targets, []sample{
			one("Makefile", strings.Repeat("x:\n\techo a:\n", maxTargets+1), "21 targets"),
		}},
		{"links resolve", links, []sample{
			one("docs/a.md", "see [b](b.md#part) and [c](https://example.com/)", "docs/b.md"),
			one("README.md", "![b](/docs/c.md)", "docs/c.md"),
		}},
		{"dependencies have a reason", dependencies, []sample{
			{files: map[string]string{
				"go.mod":                         "require (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0\n\texample.com/c v1.0.0 // indirect\n)\n",
				"docs/decisions/dependencies.md": "| `example.com/a` | because | not b |\n",
			}, want: "example.com/b"},
			{files: map[string]string{
				"go.mod":                         "require example.com/a v1.0.0\n",
				"docs/decisions/dependencies.md": "| `example.com/a` | | |\n| `example.com/gone` | because | not b |\n",
			}, want: "example.com/gone"},
		}},
	}
}

func (t *tree) longer(p string, limit int) []string {
	if n := strings.Count(t.text[p], "\n"); n > limit {
		return []string{fmt.Sprintf("%s: %d lines, at most %d", p, n, limit)}
	}
	return nil
}

func howTos(t *tree) []string {
	var out []string
	for _, p := range t.paths(".md") {
		if below(p, "docs/howto") {
			out = append(out, t.longer(p, maxHowTo)...)
		}
	}
	return out
}

func targets(t *tree) []string {
	found := regexp.MustCompile(`(?m)^[a-z][-a-z0-9]*:([^=]|$)`).FindAllString(t.text["Makefile"], -1)
	if len(found) > maxTargets {
		return []string{fmt.Sprintf("Makefile: %d targets, at most %d", len(found), maxTargets)}
	}
	return nil
}

func links(t *tree) []string {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	var out []string
	for _, p := range t.paths(".md") {
		for _, m := range link.FindAllStringSubmatch(t.text[p], -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			at := path.Join(path.Dir(p), target)
			if strings.HasPrefix(target, "/") {
				at = path.Clean(target[1:])
			}
			if !t.exists(at) {
				out = append(out, fmt.Sprintf("%s: link to %s, which is not there", p, at))
			}
		}
	}
	return out
}

// exists says whether a path is a file or a folder with files.
func (t *tree) exists(p string) bool {
	for have := range t.text {
		if below(have, p) {
			return true
		}
	}
	return false
}

func dependencies(t *tree) []string {
	const record = "docs/decisions/dependencies.md"
	direct := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require )?\s*(\S+\.\S+/\S+) v\S+$`).FindAllStringSubmatch(t.text["go.mod"], -1) {
		direct[m[1]] = true
	}
	var out []string
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(t.text[record], -1) {
		listed[m[1]] = true
		if !direct[m[1]] {
			out = append(out, fmt.Sprintf("%s: %s is no direct dependency", record, m[1]))
		}
	}
	for module := range direct {
		if !listed[module] {
			out = append(out, fmt.Sprintf("%s: say what %s does for us and what the alternative was", record, module))
		}
	}
	return out
}
