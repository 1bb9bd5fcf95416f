package dag

import (
	"fmt"
	"slices"
	"strings"
)

// cycles reports one shortest cycle through the first step of each knot.
func (g *graph) cycles(left []int) []Finding {
	t := &tarjan{graph: g, low: make(map[int]int, len(left)), open: map[int]bool{}, knot: map[int]int{}}
	for _, i := range left {
		if t.low[i] == 0 {
			t.visit(i)
		}
	}
	var findings []Finding
	reported := map[int]bool{}
	for _, i := range left {
		knot := t.knot[i]
		if reported[knot] || t.sizes[knot] < 2 {
			continue
		}
		reported[knot] = true
		path := g.spell(g.round(i, t.knot))
		findings = append(findings, Finding{Kind: Cycle, Index: i, Step: g.steps[i].Name, Path: path,
			Message: fmt.Sprintf("steps run after each other: %s: remove one of these entries of runAfter", strings.Join(path, " → "))})
	}
	return findings
}

// tarjan finds the knots: sets of steps of which each comes before each.
type tarjan struct {
	*graph
	low   map[int]int // number of the visit, lowered to the earliest that can be reached
	stack []int
	open  map[int]bool
	knot  map[int]int // by step: number of its knot
	sizes []int       // by knot
}

func (t *tarjan) visit(i int) {
	number := len(t.low) + 1
	t.low[i] = number
	t.stack = append(t.stack, i)
	t.open[i] = true
	for _, j := range t.before[i] {
		if t.low[j] == 0 {
			t.visit(j)
		}
		if t.open[j] {
			t.low[i] = min(t.low[i], t.low[j])
		}
	}
	if t.low[i] < number {
		return
	}
	at := len(t.stack) - 1
	for t.stack[at] != i {
		at--
	}
	for _, j := range t.stack[at:] {
		t.open[j] = false
		t.knot[j] = len(t.sizes)
	}
	t.sizes = append(t.sizes, len(t.stack)-at)
	t.stack = t.stack[:at]
}

// round returns a shortest way from a step back to itself inside its knot.
func (g *graph) round(start int, knot map[int]int) []int {
	from := map[int]int{}
	queue := []int{start}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, next := range g.before[at] {
			if next == start {
				return walk(from, start, at)
			}
			if _, seen := from[next]; !seen && knot[next] == knot[start] {
				from[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// walk goes back from the last step to the start.
func walk(from map[int]int, start, last int) []int {
	path := []int{start}
	for at := last; at != start; at = from[at] {
		path = append(path, at)
	}
	path = append(path, start)
	slices.Reverse(path)
	return path
}

func (g *graph) spell(path []int) []string {
	names := make([]string, 0, len(path))
	for _, i := range path {
		names = append(names, g.steps[i].Name)
	}
	return names
}
