package repo

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// rule is one house rule: what it finds in a tree, and samples that it must catch.
type rule struct {
	name  string
	check func(*tree) []string
	bad   []sample
}

// sample is a tree with exactly one thing wrong.
type sample struct {
	files map[string]string
	// want is part of the one finding.
	want string
}

// rules is the visible list of all of them.
func rules() []rule {
	var all []rule
	all = append(all, importRules()...)
	all = append(all, sizeRules()...)
	all = append(all, docRules()...)
	all = append(all, wordRules()...)
	all = append(all, stateRules()...)
	all = append(all, apiRules()...)
	return append(all, fileRules()...)
}

func TestHouseRules(t *testing.T) {
	house, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, finding := range r.check(house) {
				t.Error(finding)
			}
		})
	}
}

// A rule that finds nothing anywhere is no rule: each must catch its samples.
func TestRulesCatchTheirSamples(t *testing.T) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if len(r.bad) == 0 {
				t.Error("the rule has no sample")
			}
			for _, s := range r.bad {
				findings := r.check(s.tree(t))
				if len(findings) != 1 || !strings.Contains(findings[0], s.want) {
					t.Errorf("findings %q, want one with %q", findings, s.want)
				}
			}
		})
	}
}

func (s sample) tree(t *testing.T) *tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for p, content := range s.files {
		fsys[p] = &fstest.MapFile{Data: []byte(content)}
	}
	out, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// one is a sample of a single file.
func one(path, content, want string) sample {
	return sample{files: map[string]string{path: content}, want: want}
}
