package message

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// alive finds what a forge acts on in a title or in the message of a commit.
func alive(s string) string {
	return regexp.MustCompile(`(?i)(^|[^0-9A-Za-z_])@[0-9A-Za-z_]|[#!][0-9]|\bgh-[0-9]|https?://`).FindString(s)
}

func TestTitleAndCommitActOnNothing(t *testing.T) {
	for in, want := range map[string]string{
		"fixes #1, closes!2 and GH-3":     "fixes #\u20601, closes!\u20602 and GH-\u20603",
		"@oncall (@team/x) @@you":         "@\u2060oncall (@\u2060team/x) @@\u2060you",
		"resolves HTTPS://f/o/r/issues/1": "resolves HTTPS:\u2060//f/o/r/issues/1",
		"set r/app@sha256:12":             "set r/app@sha256:12",
		"feat!: raise it":                 "feat!: raise it",
	} {
		if got := Title(in); got != want {
			t.Errorf("title %q, want %q", got, want)
		}
		if got := Commit("s", in); got != "s\n\n"+want+"\n" {
			t.Errorf("commit %q, want body %q", got, want)
		}
	}
}

func TestHiddenMarksOfADifferenceAreShown(t *testing.T) {
	p := example()
	p.Diff = "-a\n+a\u202e\u2066b\x1b[2J\r\n"
	if body := Body(p); !strings.Contains(body, "+a\uFFFD\uFFFDb\uFFFD[2J\uFFFD\n") {
		t.Error(body)
	}
}

func FuzzTitleAndCommit(f *testing.F) {
	for _, s := range []string{"fixes #1", "@@a @b", "gh-1", "https://x/1", strings.Repeat("@", 300), "@\u200ba", "#\u20601", "!!1", "@é@a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		title, commit := Title(s), Commit(s, s)
		if utf8.RuneCountInString(title) > maxTitle || strings.ContainsAny(title, "\n\r") {
			t.Errorf("title %q", title)
		}
		for _, l := range append(strings.Split(commit, "\n"), title) {
			if at := alive(l); at != "" {
				t.Errorf("%q is alive in %q", at, l)
			}
		}
	})
}
