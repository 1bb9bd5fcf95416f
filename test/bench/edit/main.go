// Command edit makes the same forty edits with our editor and three others, and
// counts what they did to the files.
package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/gitops/edit/notation"
	"github.com/kubernaut/kubernaut/gitops/edit/unified"
)

// repetitions of an edit, of which the median time counts.
const repetitions = 31

func main() {
	if err := compare(os.Stdout, slices.Contains(os.Args, "-v")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// score is what a contender did with all edits.
type score struct {
	name string
	// right results have the wanted data, same ones the wanted bytes too.
	// Wrong ones have other data or are no YAML. The others were not made.
	right, same, wrong, not int
	// lines removed and added, comments that are gone.
	lines, comments int
	time            time.Duration
}

func compare(w io.Writer, verbose bool) error {
	all := edits()
	least := 0
	for _, o := range all {
		if o.want() == o.file {
			return fmt.Errorf("%s: the wanted file is the old one", o.name)
		}
		least += touched(o.file, o.want())
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d edits; a person would touch %d lines.\n\n", len(all), least)
	fmt.Fprintln(t, "Editor\tRight\tof them as a person would\tWrong\tNot made\tLines touched\tComments lost\tTime of an edit")
	for _, c := range contenders() {
		s := measure(c, all, func(format string, args ...any) {
			if verbose {
				fmt.Fprintf(os.Stderr, format, args...)
			}
		})
		fmt.Fprintf(t, "%s\t%s\n", strings.Join(s.columns(), "\t"), s.time.Round(time.Microsecond))
	}
	return t.Flush()
}

// columns are the ones that every machine prints.
func (s score) columns() []string {
	out := []string{s.name}
	for _, n := range []int{s.right, s.same, s.wrong, s.not, s.lines, s.comments} {
		out = append(out, strconv.Itoa(n))
	}
	return out
}

func measure(c contender, all []one, say func(string, ...any)) score {
	s := score{name: c.name}
	for _, o := range all {
		got, err := c.make(o)
		if err != nil {
			s.not++
			say("%s: %s: not made: %v\n", c.name, o.name, err)
			continue
		}
		switch verdict := judge(o, got); {
		case verdict != "":
			s.wrong++
			say("%s: %s: %s\n%s\n", c.name, o.name, verdict, unified.Diff(o.name, []byte(o.file), []byte(got)))
		case got == o.want():
			s.same++
			fallthrough
		default:
			s.right++
		}
		s.lines += touched(o.file, got)
		s.comments += lost(o.want(), got)
		s.time += median(func() { _, _ = c.make(o) })
	}
	if made := s.right + s.wrong; made > 0 {
		s.time /= time.Duration(made)
	}
	return s
}

// judge says what is wrong with the data of a result.
func judge(o one, got string) string {
	want, err := documents(o.want())
	if err != nil {
		return "the wanted file is no YAML: " + err.Error()
	}
	has, err := documents(got)
	switch {
	case err != nil:
		return "it is no YAML: " + err.Error()
	case !reflect.DeepEqual(want, has):
		return "it has other data"
	}
	return ""
}

func documents(content string) ([]any, error) {
	docs, err := notation.Parse([]byte(content))
	var out []any
	for _, d := range docs {
		v, err := notation.Data(d.Content[0])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, err
}

// touched counts the lines that a difference removes and adds.
func touched(old, changed string) int {
	n := 0
	for i, line := range strings.Split(unified.Diff("f", []byte(old), []byte(changed)), "\n") {
		if i > 1 && (strings.HasPrefix(line, "-") || strings.HasPrefix(line, "+")) {
			n++
		}
	}
	return n
}

// lost counts the lines of comments in the wanted file that a result has not,
// wherever they stand.
func lost(want, got string) int {
	left := comments(got)
	n := 0
	for _, one := range comments(want) {
		if i := slices.Index(left, one); i >= 0 {
			left = slices.Delete(left, i, i+1)
		} else {
			n++
		}
	}
	return n
}

// comments are those that a parser sees; a file that is no YAML has none.
func comments(content string) []string {
	docs, err := notation.Parse([]byte(content))
	if err != nil {
		return nil
	}
	var out []string
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		for _, text := range []string{n.HeadComment, n.LineComment, n.FootComment} {
			for _, line := range strings.Split(text, "\n") {
				if line = strings.TrimSpace(line); line != "" {
					out = append(out, line)
				}
			}
		}
		for _, c := range n.Content {
			visit(c)
		}
	}
	for _, d := range docs {
		visit(d)
	}
	return out
}

func median(f func()) time.Duration {
	var all []time.Duration
	for range repetitions {
		start := time.Now()
		f()
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
