// Package unified writes the difference of two versions of a file as people and git apply read it.
package unified

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	diffContext = 3
	// maxTable bounds the work of a comparison; larger middles are shown as
	// removed and added whole.
	maxTable = 4 << 20
)

// Diff returns the unified difference of two versions of a file with three
// lines of context, empty if they are equal. A nil version means that the
// file is absent there.
func Diff(name string, old, new []byte) string {
	if bytes.Equal(old, new) && (old == nil) == (new == nil) {
		return ""
	}
	a, b := lines(old), lines(new)
	var out strings.Builder
	out.WriteString("--- " + side("a/", name, old) + "\n+++ " + side("b/", name, new) + "\n")
	for _, h := range hunks(compare(a, b)) {
		h.write(&out)
	}
	return out.String()
}

func side(prefix, name string, content []byte) string {
	if content == nil {
		return "/dev/null"
	}
	return prefix + name
}

// lines keeps line ends, so that a changed or missing one is a difference.
func lines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	l := strings.SplitAfter(string(b), "\n")
	if l[len(l)-1] == "" {
		l = l[:len(l)-1]
	}
	return l
}

// step is one line of a comparison: ' ' kept, '-' removed, '+' added.
type step struct {
	op   byte
	text string
}

func compare(a, b []string) []step {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	out := steps(nil, ' ', a[:start])
	out = middle(out, a[start:len(a)-end], b[start:len(b)-end])
	return steps(out, ' ', a[len(a)-end:])
}

func steps(out []step, op byte, texts []string) []step {
	for _, t := range texts {
		out = append(out, step{op, t})
	}
	return out
}

// middle appends the shortest edit script by the longest common subsequence.
func middle(out []step, a, b []string) []step {
	if len(a) == 0 || len(b) == 0 || len(a) > maxTable/len(b) {
		return steps(steps(out, '-', a), '+', b)
	}
	width := len(b) + 1
	length := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i*width+j] = length[(i+1)*width+j+1] + 1
			} else {
				length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, step{' ', a[i]})
			i, j = i+1, j+1
		case length[(i+1)*width+j] >= length[i*width+j+1]:
			out = append(out, step{'-', a[i]})
			i++
		default:
			out = append(out, step{'+', b[j]})
			j++
		}
	}
	return steps(steps(out, '-', a[i:]), '+', b[j:])
}

// hunk is a run of changes with its context.
type hunk struct {
	oldStart, newStart int
	steps              []step
}

func hunks(all []step) []hunk {
	var out []hunk
	oldLine, newLine := 0, 0
	last := -1 // index after the last step that stands in a hunk
	for i, s := range all {
		if s.op != ' ' {
			from := max(i-diffContext, max(last, 0))
			if last < 0 || from > last {
				back := i - from
				out = append(out, hunk{oldLine - back, newLine - back, nil})
			} else {
				from = last
			}
			to := min(i+1+diffContext, len(all))
			h := &out[len(out)-1]
			h.steps = append(h.steps, all[max(from, last):max(to, last)]...)
			last = max(to, last)
		}
		if s.op != '+' {
			oldLine++
		}
		if s.op != '-' {
			newLine++
		}
	}
	return out
}

func (h hunk) write(out *strings.Builder) {
	oldCount, newCount := 0, 0
	for _, s := range h.steps {
		if s.op != '+' {
			oldCount++
		}
		if s.op != '-' {
			newCount++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(h.oldStart, oldCount), span(h.newStart, newCount))
	for _, s := range h.steps {
		out.WriteByte(s.op)
		out.WriteString(s.text)
		if !strings.HasSuffix(s.text, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func span(start, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", start)
	case 1:
		return fmt.Sprintf("%d", start+1)
	}
	return fmt.Sprintf("%d,%d", start+1, count)
}
