package dag

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parse reads "a; b<a; c<a,b".
func parse(text string) []Step {
	var steps []Step
	for _, part := range strings.Split(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, after, _ := strings.Cut(strings.TrimSpace(part), "<")
		s := Step{Name: name}
		if after != "" {
			s.RunAfter = strings.Split(after, ",")
		}
		steps = append(steps, s)
	}
	return steps
}

func render(order []string, findings []Finding) string {
	if len(findings) == 0 {
		return strings.Join(order, " ")
	}
	var lines []string
	for _, f := range findings {
		line := fmt.Sprintf("%s %d %s", f.Kind, f.Index, f.Step)
		if f.Path != nil {
			line += ": " + strings.Join(f.Path, " → ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, steps, want string }{
		{"one", "a", "a"},
		{"chain in other order", "c<b; b<a; a", "a b c"},
		{"nearest to the given order", "z; y; x<z", "z y x"},
		{"diamond", "d<b,c; b<a; c<a; a", "a b c d"},
		{"an edge twice is one", "b<a,a; a", "a b"},
		{"empty", "", "Empty -1 "},
		{"unknown", "a<ghost; b", "Unknown 0 a"},
		{"self", "a<a", "Self 0 a"},
		{"duplicate", "a; b; a", "Duplicate 2 a"},
		{"two in a cycle", "a<b; b<a", "Cycle 0 a: a → b → a"},
		{"behind a cycle is not on it", "x<a; a<b; b<c; c<a", "Cycle 1 a: a → b → c → a"},
		{"shortest way round", "a<b,c; b<c; c<a", "Cycle 0 a: a → c → a"},
		{"two knots, one behind the other", "a<b; b<a; c<a,d; d<c", "Cycle 0 a: a → b → a\nCycle 2 c: c → d → c"},
		{"everything at once", "a<a,ghost; b<c; c<b; b", "Duplicate 3 b\nSelf 0 a\nUnknown 0 a\nCycle 1 b: b → c → b"},
		{"no name", "<a; a", "Unnamed 0 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			order, findings := Check(parse(c.steps))
			if diff := cmp.Diff(c.want, render(order, findings)); diff != "" {
				t.Error(diff)
			}
			if (order == nil) != (len(findings) > 0) {
				t.Errorf("order %v with findings %v", order, findings)
			}
			for _, f := range findings {
				if f.Message == "" {
					t.Errorf("finding %v has no message", f)
				}
			}
		})
	}
}

func TestBefore(t *testing.T) {
	steps := parse("a; b<a; c<b; d; e<e,c")
	for name, want := range map[string]string{"a": "", "c": "a b", "d": "", "e": "a b c", "ghost": ""} {
		var got []string
		for n := range Before(steps, name) {
			got = append(got, n)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("before %s: %v, want %s", name, got, want)
		}
	}
	if got := Before(parse("a<b; b<a"), "a"); !got["a"] || !got["b"] {
		t.Errorf("before a step on a cycle: %v", got)
	}
}

// random makes a graph in which about one edge in five may close a cycle.
func random(r *rand.Rand) []Step {
	n := 1 + r.IntN(9)
	steps := make([]Step, n)
	for i := range steps {
		steps[i].Name = fmt.Sprintf("s%d", i)
		for range r.IntN(3) {
			j := r.IntN(n)
			if j > i && r.IntN(5) > 0 {
				continue
			}
			steps[i].RunAfter = append(steps[i].RunAfter, fmt.Sprintf("s%d", j))
		}
	}
	return steps
}

// slowOrder repeats "take the first step whose dependencies are all taken".
func slowOrder(steps []Step) []string {
	var order []string
	for len(order) < len(steps) {
		i := slices.IndexFunc(steps, func(s Step) bool {
			return !slices.Contains(order, s.Name) && !slices.ContainsFunc(s.RunAfter, func(a string) bool { return !slices.Contains(order, a) })
		})
		if i < 0 {
			return nil
		}
		order = append(order, steps[i].Name)
	}
	return order
}

func TestCheckAgainstDumbOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	cyclic := 0
	for range 50_000 {
		steps := random(r)
		order, findings := Check(steps)
		if diff := cmp.Diff(slowOrder(steps), order); diff != "" {
			t.Fatalf("%v: %s", steps, diff)
		}
		if order == nil {
			cyclic++
			checkPaths(t, steps, findings)
		}
	}
	if cyclic < 1000 {
		t.Errorf("only %d graphs had a cycle", cyclic)
	}
}

// checkPaths holds every reported path against the edges.
func checkPaths(t *testing.T, steps []Step, findings []Finding) {
	t.Helper()
	if len(findings) == 0 {
		t.Fatalf("%v: neither order nor finding", steps)
	}
	for _, f := range findings {
		for i := 0; i+1 < len(f.Path); i++ {
			at := slices.IndexFunc(steps, func(s Step) bool { return s.Name == f.Path[i] })
			if !slices.Contains(steps[at].RunAfter, f.Path[i+1]) {
				t.Fatalf("%v: no edge %s → %s in %v", steps, f.Path[i], f.Path[i+1], f.Path)
			}
		}
		if f.Kind == Cycle && (len(f.Path) < 3 || f.Path[0] != f.Path[len(f.Path)-1]) {
			t.Fatalf("%v: %v is no cycle", steps, f.Path)
		}
	}
}

func large(n int, cycle bool) []Step {
	steps := make([]Step, n)
	for i := range steps {
		steps[i].Name = fmt.Sprintf("s%d", i)
		for _, back := range []int{1, 7, 100} {
			if i >= back {
				steps[i].RunAfter = append(steps[i].RunAfter, fmt.Sprintf("s%d", i-back))
			}
		}
	}
	if cycle {
		steps[0].RunAfter = []string{fmt.Sprintf("s%d", n-1)}
	}
	return steps
}

// A graph of 10,000 steps takes less than 50 ms.
func BenchmarkCheck10000(b *testing.B) {
	for _, cycle := range []bool{false, true} {
		b.Run(fmt.Sprintf("cycle=%v", cycle), func(b *testing.B) {
			steps := large(10_000, cycle)
			for b.Loop() {
				Check(steps)
			}
			if per := b.Elapsed() / time.Duration(b.N); per > 50*time.Millisecond {
				b.Errorf("%v for one check", per)
			}
		})
	}
}

func TestCheckDeepCycle(t *testing.T) {
	_, findings := Check(large(100_000, true))
	if len(findings) != 1 || findings[0].Kind != Cycle {
		t.Errorf("findings: %d", len(findings))
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("a; b<a")
	f.Add("a<b; b<a; a<a,ghost;;<")
	f.Fuzz(func(t *testing.T, text string) {
		steps := parse(text)
		order, findings := Check(steps)
		if len(findings) == 0 && len(order) != len(steps) {
			t.Errorf("%d of %d steps ordered", len(order), len(steps))
		}
		if len(findings) > 0 && order != nil {
			t.Errorf("an order with findings %v", findings)
		}
	})
}
