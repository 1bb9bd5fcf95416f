// Package dag orders the steps of a workflow and says what is wrong with a graph that has no order.
package dag

import (
	"container/heap"
	"fmt"
	"strings"
)

// Step is a node and the names of the nodes that come before it.
type Step struct {
	Name     string
	RunAfter []string
}

// Kind of a Finding.
type Kind string

// Kinds of findings.
const (
	// Empty: there is no step at all.
	Empty Kind = "Empty"
	// Unnamed: a step has no name.
	Unnamed Kind = "Unnamed"
	// Duplicate: two steps have one name.
	Duplicate Kind = "Duplicate"
	// Unknown: a step runs after one that does not exist.
	Unknown Kind = "Unknown"
	// Self: a step runs after itself.
	Self Kind = "Self"
	// Cycle: steps run after each other.
	Cycle Kind = "Cycle"
)

// Finding is one reason why steps have no order.
type Finding struct {
	Kind Kind
	// Index of the step in what was checked; -1 when no step is meant.
	Index int
	// Step is that step's name.
	Step string
	// Path of a Cycle, each step running after the next; first and last are one.
	Path []string
	// Message for the person who has to mend it.
	Message string
}

// graph holds the edges between known, differently named steps.
type graph struct {
	steps  []Step
	index  map[string]int // of the first step with a name
	before [][]int        // by step: those it runs after
	after  [][]int        // by step: those that run after it
}

// Check returns the names of steps in an order in which they can run, of all
// orders the one nearest to that given, or everything that is wrong: findings
// by step, then one shortest cycle for each knot of steps that wait for each
// other. The order is nil if and only if there is a finding. It takes linear
// time but for a logarithm.
func Check(steps []Step) (order []string, findings []Finding) {
	if len(steps) == 0 {
		return nil, []Finding{{Kind: Empty, Index: -1, Message: "there is no step: add one"}}
	}
	g, findings := build(steps)
	sorted, left := g.sort()
	if len(left) > 0 {
		findings = append(findings, g.cycles(left)...)
	}
	if len(findings) > 0 {
		return nil, findings
	}
	for _, i := range sorted {
		order = append(order, steps[i].Name)
	}
	return order, nil
}

// Before returns the names of all steps that must have ended before the named
// one starts. It also answers for a graph with findings.
func Before(steps []Step, name string) map[string]bool {
	g, _ := build(steps)
	found := map[string]bool{}
	at, ok := g.index[name]
	if !ok {
		return found
	}
	queue := []int{at}
	for len(queue) > 0 {
		at, queue = queue[0], queue[1:]
		for _, i := range g.before[at] {
			if !found[steps[i].Name] {
				found[steps[i].Name] = true
				queue = append(queue, i)
			}
		}
	}
	return found
}

func build(steps []Step) (*graph, []Finding) {
	g := &graph{steps: steps, index: make(map[string]int, len(steps)), before: make([][]int, len(steps)), after: make([][]int, len(steps))}
	var findings []Finding
	for i, s := range steps {
		first, taken := g.index[s.Name]
		switch {
		case s.Name == "":
			findings = append(findings, Finding{Kind: Unnamed, Index: i, Message: fmt.Sprintf("step number %d has no name: give it one", i+1)})
		case taken:
			findings = append(findings, Finding{Kind: Duplicate, Index: i, Step: s.Name,
				Message: fmt.Sprintf("steps number %d and %d are both named %q: rename one", first+1, i+1, s.Name)})
		default:
			g.index[s.Name] = i
		}
	}
	for i := range steps {
		findings = append(findings, g.link(i)...)
	}
	return g, findings
}

// link adds the edges of one step; an edge named twice counts once.
func (g *graph) link(i int) []Finding {
	var findings []Finding
	s := g.steps[i]
	seen := make(map[string]bool, len(s.RunAfter))
	for _, name := range s.RunAfter {
		if seen[name] {
			continue
		}
		seen[name] = true
		j, known := g.index[name]
		switch {
		case name == s.Name:
			findings = append(findings, Finding{Kind: Self, Index: i, Step: s.Name,
				Message: fmt.Sprintf("step %q runs after itself: remove that entry of runAfter", s.Name)})
		case !known:
			findings = append(findings, Finding{Kind: Unknown, Index: i, Step: s.Name,
				Message: fmt.Sprintf("step %q runs after %q, which does not exist: name one of %s", s.Name, name, g.names())})
		default:
			g.before[i] = append(g.before[i], j)
			g.after[j] = append(g.after[j], i)
		}
	}
	return findings
}

// names lists the first steps for a message.
func (g *graph) names() string {
	const most = 8
	var names []string
	for i, s := range g.steps {
		if i == most {
			return strings.Join(names, ", ") + ", …"
		}
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// sort is Kahn's algorithm; left are the steps on or behind a cycle.
func (g *graph) sort() (sorted, left []int) {
	open := make([]int, len(g.steps))
	ready := &queue{}
	for i := range g.steps {
		open[i] = len(g.before[i])
		if open[i] == 0 {
			heap.Push(ready, i)
		}
	}
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		sorted = append(sorted, i)
		for _, next := range g.after[i] {
			if open[next]--; open[next] == 0 {
				heap.Push(ready, next)
			}
		}
	}
	for i, n := range open {
		if n > 0 {
			left = append(left, i)
		}
	}
	return sorted, left
}

// queue is a heap of step numbers, so that the order is nearest to that given.
type queue []int

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i] < q[j] }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(int)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
