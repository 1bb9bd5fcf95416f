package main

import (
	"os"
	"strings"
	"testing"
)

func TestOursDoesWhatAPersonWould(t *testing.T) {
	all := edits()
	if len(all) != 40 {
		t.Errorf("%d edits", len(all))
	}
	least := 0
	for _, o := range all {
		if o.want() == o.file {
			t.Errorf("%s wants nothing", o.name)
		}
		least += touched(o.file, o.want())
	}
	s := measure(contenders()[0], all, t.Logf)
	if s.same != 40 || s.lines != least || s.comments != 0 {
		t.Errorf("%+v, wanted %d lines", s, least)
	}
}

// The page that is published says what is measured here.
func TestThePublishedTableIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../../docs/edit-comparison.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contenders() {
		row := "| " + strings.Join(measure(c, edits(), t.Logf).columns(), " | ") + " | "
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/edit-comparison.md has no row %q", row)
		}
	}
}

// The judge must see what it is asked to count.
func TestTheJudge(t *testing.T) {
	o := one{file: "a: 1 # one\nb: 2\n", old: "1", changed: "3"}
	for got, want := range map[string]bool{"a: 3 # one\nb: 2\n": true, "b: 2\na: 3": true, "a: \"3\" # one\nb: 2\n": false, "a: 3\nb: 2\nc: 1\n": false, "a: [": false} {
		if (judge(o, got) == "") != want {
			t.Errorf("%q: %q", got, judge(o, got))
		}
	}
	if n := lost(o.want(), "a: 3\nb: 2\n"); n != 1 {
		t.Errorf("%d comments lost", n)
	}
	if n := lost(o.want(), "# one\na: 3\n"); n != 0 {
		t.Errorf("a comment that moved is lost %d times", n)
	}
	if n := touched("a\nb\n", "a\nc\nd\n"); n != 3 {
		t.Errorf("%d lines touched", n)
	}
}
