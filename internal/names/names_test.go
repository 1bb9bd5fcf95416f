package names

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestNamesFitAndDiffer(t *testing.T) {
	long := strings.Repeat("a", 250)
	for _, name := range []string{
		Step("run", "clone"), Step(long, "clone"), Step(long, "commit"), Step("a.b", "c"),
		Workspace(long), Attempt("run", "clone", 2), Attempt(long, "clone", 21), PullRequest("http://git.example.com/Team/My_App.git", "12"),
	} {
		if errs := validation.IsDNS1035Label(strings.TrimLeft("x"+name, "-")); len(errs) > 0 {
			t.Errorf("%q is no label: %v", name, errs)
		}
		if len(name) > maxJob {
			t.Errorf("%q has %d bytes, want at most %d", name, len(name), maxJob)
		}
	}
	if Step(long, "clone") == Step(long, "commit") {
		t.Error("two steps of a long execution got one name")
	}
	if Step("run", "clone") != "run-clone" {
		t.Errorf("Step = %q, want run-clone", Step("run", "clone"))
	}
	if a, b := PullRequest("https://a.example/x/app", "1"), PullRequest("https://b.example/x/app", "1"); a == b {
		t.Errorf("two repositories share the name %q", a)
	}
}

func TestAttemptsHaveNamesOfTheirOwn(t *testing.T) {
	long := strings.Repeat("a", 250)
	seen := map[string]bool{}
	for _, name := range []string{
		Step("run", "a-2"), Attempt("run", "a", 1), Attempt("run", "a", 2), Attempt("run", "a", 3), Attempt(long, "a", 2), Attempt(long, "b", 2),
		Attempt("run", "a[0]", 1), Attempt("run", "a[1]", 1), Attempt("run", "a[0]", 2), Attempt("run", "a-0", 2), Attempt(long, "a[0]", 1), Attempt(long, "a[1]", 1),
	} {
		if seen[name] || len(name) > maxJob || strings.ContainsAny(name, "[]") {
			t.Errorf("%q is the name of two, or none", name)
		}
		seen[name] = true
	}
	if Attempt("run", "clone", 0) != "run-clone" || Attempt("run", "clone", 1) != "run-clone" {
		t.Error("the first attempt has not the name of the step")
	}
}
