package contract_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Whatever reason our actions give is one that they may give, but for the two by
// which a process says that it was told to end; the controller knows why.
func TestReasonsOfOurActions(t *testing.T) {
	named := constants(t)
	known := append(contract.Reasons(), v1alpha1.ReasonCancelled, v1alpha1.ReasonTimeout)
	var all strings.Builder
	for _, file := range append(sources(t, "../../actions"), sources(t, "../../gitops")...) {
		all.WriteString(read(t, file))
	}
	words := regexp.MustCompile(`v1alpha1\.(Reason\w+)`).FindAllStringSubmatch(all.String(), -1)
	for _, word := range words {
		if !slices.Contains(known, named[word[1]]) {
			t.Errorf("an action gives %s, which is not among contract.Reasons", word[1])
		}
	}
	if len(words) < 50 {
		t.Errorf("found %d reasons in the sources of the actions: the test looks in the wrong place", len(words))
	}
}

// People read the same list.
func TestReasonsAreDocumented(t *testing.T) {
	page := read(t, "../../docs/spec/contract.md")
	for _, reason := range contract.Reasons() {
		if !strings.Contains(page, "`"+reason+"`") {
			t.Errorf("docs/spec/contract.md does not name %s", reason)
		}
	}
}

func TestPreconditionExits(t *testing.T) {
	own := []contract.ExitCode{{Code: 2, Meaning: "retryable"}, {Code: 3, Meaning: "preconditionFailed"}, {Code: 66, Meaning: "terminal"}}
	for name, c := range map[string]struct {
		codes []contract.ExitCode
		want  []int
	}{"none listed": {nil, []int{66}}, "own": {own, []int{3}}, "own without": {own[:1], nil}} {
		got := contract.Contract{Spec: contract.Spec{ExitCodes: c.codes}}.PreconditionExits()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// constants are the reasons of the API by the names of their constants.
func constants(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(Reason\w+) += "(\w+)"`).FindAllStringSubmatch(read(t, "../../api/v1alpha1/conditions.go"), -1) {
		out[m[1]] = m[2]
	}
	return out
}

func sources(t *testing.T, root string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "../../actions/contract/") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
