package kinds

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for _, x := range []struct{ word, want, problem string }{
		{"catalogs", "Catalog", ""},
		{"Catalog", "Catalog", ""},
		{"kwfe", "WorkflowExecution", ""},
		{"executions", "WorkflowExecution", ""},
		{"wrkflow", "", `did you mean "workflow"`},
		{"workflowss", "", `did you mean "workflows"`},
		{"polcies", "", `did you mean "policies"`},
		{"elephant", "", "want one of catalogs"},
		{"", "", "want one of catalogs"},
	} {
		k, err := Find(x.word)
		if x.problem == "" && (err != nil || k.Name != x.want) {
			t.Errorf("Find(%q) = %q, %v, want %q", x.word, k.Name, err, x.want)
		}
		if x.problem != "" && (err == nil || !strings.Contains(err.Error(), x.problem)) {
			t.Errorf("Find(%q) = %v, want %q in it", x.word, err, x.problem)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1},
		{"abc", "ac", 1}, {"ac", "abc", 1}, {"ab", "ba", 2}, {"kitten", "sitting", 3},
	} {
		if got := distance(x.a, x.b); got != x.want {
			t.Errorf("distance(%q, %q) = %d, want %d", x.a, x.b, got, x.want)
		}
	}
}

func TestKindsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range All() {
		if k.Object() == nil || k.List() == nil || len(k.Words) < 2 {
			t.Errorf("%s lacks something", k.Name)
		}
		k.Cell(k.Object())
		if status, _ := Ready(k.Object()); status != "-" && status != "Unknown" {
			t.Errorf("%s that nobody looked at is %q", k.Name, status)
		}
		for _, w := range k.Words {
			if seen[w] {
				t.Errorf("%q names two kinds", w)
			}
			seen[w] = true
		}
	}
}
