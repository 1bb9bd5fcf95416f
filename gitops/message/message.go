// Package message writes the names and texts of a change: branch, commit, pull request.
package message

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	branchPrefix = "kubernaut/"
	maxBranch    = 100
	maxTitle     = 255
	hashLength   = 12
)

// Branch returns the one branch name of a cause: "kubernaut/", what people may
// read of slug, and a hash of the parts, which alone make it unique. Only
// a-z, 0-9, ".", "_", "/" and "-" occur, at most 100 characters.
func Branch(slug string, parts ...string) string {
	end := "-" + Cause(parts...)
	return branchPrefix + clip(sanitise(slug), maxBranch-len(branchPrefix)-len(end)) + end
}

// Cause returns a short key of the parts, the same for the same parts. It
// stands in the commit and in the pull request's metadata.
func Cause(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		// The length keeps ("ab", "c") and ("a", "bc") apart.
		_, _ = h.Write([]byte{byte(len(p) >> 24), byte(len(p) >> 16), byte(len(p) >> 8), byte(len(p))})
		_, _ = h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))[:hashLength]
}

func sanitise(slug string) string {
	var out strings.Builder
	last := byte('-')
	for i := range len(slug) {
		c := slug[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			c = '-'
		}
		if c != '-' || last != '-' {
			out.WriteByte(c)
		}
		last = c
	}
	if s := strings.Trim(out.String(), "-"); s != "" {
		return s
	}
	return "change"
}

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.TrimRight(s, "-")
}

// Trailer is a line "Key: Value" at the end of a commit message.
type Trailer struct{ Key, Value string }

// causeKey is the trailer by which our own commits are known.
const causeKey = "Kubernaut-Cause"

// Marker is the line that a commit of this cause carries.
func Marker(cause string) string { return causeKey + ": " + line(cause, 200) }

// CauseTrailer is the trailer that makes the Marker line.
func CauseTrailer(cause string) Trailer { return Trailer{causeKey, cause} }

// Commit joins subject, body and trailers; empty trailers are left out. Values
// are put on one line, so that none can add a trailer, and lines of the body
// that look like one of ours are indented. Subject and body close nothing and
// mention nobody when the commit is merged.
func Commit(subject, body string, trailers ...Trailer) string {
	var out strings.Builder
	out.WriteString(Title(subject) + "\n")
	if body = tame(text(body, 8<<10)); body != "" {
		out.WriteString("\n")
		for _, l := range strings.Split(body, "\n") {
			if strings.HasPrefix(strings.ToLower(l), "kubernaut-") {
				l = " " + l
			}
			out.WriteString(l + "\n")
		}
	}
	separator := "\n"
	for _, t := range trailers {
		if t.Value == "" {
			continue
		}
		out.WriteString(separator + sanitiseKey(t.Key) + ": " + line(t.Value, 200) + "\n")
		separator = ""
	}
	return out.String()
}

func sanitiseKey(key string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, key)
}

// Title makes any text one printable line of at most 255 characters that
// mentions nobody and refers to nothing.
func Title(title string) string {
	if t := []rune(tame(line(title, maxTitle))); len(t) > maxTitle {
		return string(t[:maxTitle-1]) + "…"
	} else if len(t) > 0 {
		return string(t)
	}
	return "Change by Kubernaut"
}

// line puts text on one line, without control characters and runs of spaces.
func line(s string, limit int) string {
	fields := strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return unicode.IsSpace(r) || isHidden(r) })
	out := strings.Join(fields, " ")
	if utf8.RuneCountInString(out) > limit {
		out = string([]rune(out)[:limit-1]) + "…"
	}
	return out
}

// text keeps lines but no other control characters, and at most limit bytes.
func text(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && isHidden(r) {
			return -1
		}
		return r
	}, strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "\n…"
	}
	return strings.Trim(s, "\n\t ")
}

// isHidden holds for what readers do not see: controls and the marks that
// change the direction of writing.
func isHidden(r rune) bool {
	return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029'
}
