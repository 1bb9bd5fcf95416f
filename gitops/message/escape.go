package message

import (
	"html"
	"regexp"
	"strings"
	"unicode"
)

// joiner is put behind characters that forges give a meaning; nobody sees it.
const joiner = "\u2060"

// inline makes untrusted text a harmless piece of a Markdown line: no markup,
// HTML, mention, reference or closing keyword survives, the words do.
func inline(s string, limit int) string {
	var out strings.Builder
	s = regexp.MustCompile(`(?i)\bgh-`).ReplaceAllString(line(s, limit), "${0}"+joiner) // "GH-1" is a reference too
	for _, r := range s {
		switch {
		case strings.ContainsRune("<>&", r):
			out.WriteString(html.EscapeString(string(r)))
		case strings.ContainsRune("@#!", r):
			// "@name", "#1" and "group!1" must not reach anybody or anything.
			out.WriteString("\\" + string(r) + joiner)
		case r == ':':
			out.WriteString(string(r) + joiner) // URLs and emoji
		case isMarkup(r):
			out.WriteString("\\" + string(r))
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// tame takes the meaning from what forges read even in titles and in messages
// of commits, where Markdown's escapes would be shown: nobody is mentioned and
// a merge closes nothing. The words stay as they are.
func tame(s string) string {
	// A digest, "app@sha256:", mentions nobody: only a sign that begins a word, or stands twice, does.
	s = regexp.MustCompile(`((?:^|[^0-9A-Za-z_@])@+|@@+)`).ReplaceAllString(s, "${1}"+joiner)
	s = regexp.MustCompile(`([#!])([0-9])`).ReplaceAllString(s, "${1}"+joiner+"${2}")
	return regexp.MustCompile(`(?i)(\bgh-|https?:)`).ReplaceAllString(s, "${1}"+joiner)
}

func isMarkup(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsPunct(r) || unicode.IsSymbol(r)) && !strings.ContainsRune("-./,", r)
}

// code shows text as code in a line. Quotes around it are longer than any
// inside, so that it cannot end early.
func code(s string, limit int) string {
	s = line(s, limit)
	if s == "" {
		return ""
	}
	quotes := strings.Repeat("`", longestRun(s, '`')+1)
	if len(quotes) > 1 {
		return quotes + " " + s + " " + quotes
	}
	return quotes + s + quotes
}

// cell is code in a table, which splits its cells before it reads code. Behind
// a backslash a bar cannot be escaped the same way for every reader, so it is
// shown as a broken one; the difference below has the true one.
func cell(s string, limit int) string {
	s = strings.ReplaceAll(code(s, limit), "\\|", "\\¦")
	return strings.ReplaceAll(s, "|", "\\|")
}

// fence shows text as a block that it cannot end: the fence is longer than
// any run of its character inside.
func fence(language, s string) string {
	marks := strings.Repeat("`", max(3, longestRun(s, '`')+1))
	return marks + language + "\n" + strings.TrimRight(s, "\n") + "\n" + marks + "\n"
}

func longestRun(s string, c byte) int {
	longest, now := 0, 0
	for i := range len(s) {
		if s[i] != c {
			now = 0
			continue
		}
		now++
		longest = max(longest, now)
	}
	return longest
}
