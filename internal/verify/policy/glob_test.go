package policy

import (
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	const at = "@" + digest
	for _, c := range []struct {
		glob, repository string
		want             bool
	}{
		{"registry.example.com/actions/**", "registry.example.com/actions/scale", true},
		{"registry.example.com/actions/*", "registry.example.com/actions/scale", true},
		{"registry.example.com/*", "registry.example.com/actions/scale", false},
		{"registry.example.com/**", "registry.example.com/actions/scale", true},
		{"**", "registry.example.com/actions/scale", true},
		{"***", "registry.example.com/actions/scale", true},
		// A digest is part of the name, so a name alone never matches.
		{"registry.example.com/actions/scale", "registry.example.com/actions/scale", false},
		{"registry.example.com/actions/scale:v1", "registry.example.com/actions/scale", false},
		{"registry.example.com/actions/scale@*", "registry.example.com/actions/scale", true},
		{"registry.example.com/actions/scale" + at, "registry.example.com/actions/scale", true},
		{"registry.example.com/actions/scale@sha256:*", "registry.example.com/actions/scale", true},
		// Nothing around the pattern, and a dot is a dot.
		{"example.com/**", "registry.example.com/actions/scale", false},
		{"registry.example.com/actions/scale*", "registry.example.com/actions/scale-evil", true},
		{"registry.example.com/actions/scale@*", "registry.example.com/actions/scale-evil", false},
		{"registryxexample.com/**", "registry.example.com/a", false},
		{"registry.example.com/**", "registryxexample.com/a", false},
		{"registry.example.com/**", "registry.example.com.evil.test/a", false},
		{"registry.example.com/**", "evil.test/registry.example.com/a", false},
		// Hosts are text.
		{"registry.example.com/**", "registry.example.com:443/a", false},
		{"registry.example.com:5000/**", "registry.example.com:5000/a", true},
		{"registry.example.com/**", "REGISTRY.example.com/a", false},
		{"registry.example.com/**", "registry.example.com./a", false},
		// Docker Hub has a long name.
		{"*", "busybox", true},
		{"*", "index.docker.io/library/busybox", true},
		{"*", "index.docker.io/user/app", false},
		{"*", "registry.example.com/busybox", false},
		{"*/*", "user/app", true},
		{"*/*", "registry.example.com/app", false},
		{"index.docker.io/library/*", "busybox", true},
		{"index.docker.io/library/*", "docker.io/busybox", true},
		{"docker.io/**", "busybox", false},
		{"docker.io/**", "docker.io/library/busybox", true},
		{"busybox@*", "busybox", true},
		{"busybox@*", "index.docker.io/library/busybox", false},
		{"localhost/**", "localhost/a", true},
		{"index.docker.io/**", "localhost/a", false},
	} {
		g, err := compileGlob(c.glob)
		if err != nil {
			t.Errorf("glob %q: %v", c.glob, err)
			continue
		}
		got := Compiled{globs: []glob{g}}.names(spellings(c.repository, digest))
		if got != c.want {
			t.Errorf("glob %q names %s: %v, want %v", c.glob, c.repository, got, c.want)
		}
	}
}

func TestGlobsThatAreRefused(t *testing.T) {
	for _, text := range []string{"", " ", "a b", "a?", "[a]", "a\n", "^a$", "a+", "(a)", "é", "a\x00", strings.Repeat("a", maxGlob+1)} {
		if _, err := compileGlob(text); err == nil {
			t.Errorf("glob %q was compiled", text)
		}
	}
}

// naive matches by trying every way; it is slow and hard to get wrong.
func naive(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case strings.HasPrefix(pattern, "**"):
		for i := 0; i <= len(text); i++ {
			if naive(pattern[2:], text[i:]) {
				return true
			}
		}
		return false
	case pattern[0] == '*':
		for i := 0; i <= len(text); i++ {
			if naive(pattern[1:], text[i:]) {
				return true
			}
			if i < len(text) && text[i] == '/' {
				return false
			}
		}
		return false
	default:
		return text != "" && pattern[0] == text[0] && naive(pattern[1:], text[1:])
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a/**/b*", "a/x/y/bc")
	f.Add("***", "a/b")
	f.Add("*a*a*", "aaaa/a")
	f.Add("x.y/*@**", "x.y/z@sha256:0")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 24 || pattern == "*" || pattern == "*/*" || strings.Contains(text, "\n") {
			return
		}
		g, err := compileGlob(pattern)
		if err != nil {
			return
		}
		if strings.Trim(text, allowed) != "" {
			return
		}
		if got, want := g.matches(text), naive(pattern, text); got != want {
			t.Errorf("glob %q matches %q: %v, want %v", pattern, text, got, want)
		}
	})
}
