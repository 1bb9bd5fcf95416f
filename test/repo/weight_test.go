package repo

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// An action image holds one program and nothing else; what is linked into it
// is pulled by every node. Imports are counted to the end of the chain.
func TestProgramsStaySmall(t *testing.T) {
	m := readMatrix()
	if len(m.without) == 0 {
		t.Fatal("imports.txt names no program")
	}
	for program, heavy := range m.without {
		for _, dependency := range linked(t, program) {
			own := dependency == modulePath+"/"+program
			if !own && slices.ContainsFunc(heavy, func(h string) bool { return below(dependency, h) }) {
				t.Errorf("%s links %s", program, dependency)
			}
		}
	}
}

func linked(t *testing.T, program string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+program)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list dependencies of %s: %v", program, err)
	}
	return strings.Fields(string(out))
}
