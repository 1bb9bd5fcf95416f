package policy

import (
	"fmt"
	"regexp"
	"strings"
)

const (
	hub = "index.docker.io/"
	// maxGlob bounds a pattern; image names end at 255 characters as well.
	maxGlob = 512
	allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:/*.@"
)

// glob matches whole image names: "*" is any run without a slash, "**" any run.
type glob struct{ pattern *regexp.Regexp }

func compileGlob(text string) (glob, error) {
	if text == "" || len(text) > maxGlob {
		return glob{}, fmt.Errorf("glob must have 1 to %d characters", maxGlob)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(allowed, r) }); i >= 0 {
		return glob{}, fmt.Errorf("glob %q has a character that image names do not have, at position %d", text, i+1)
	}
	// Both are how people say "any image of Docker Hub", which has longer names.
	switch text {
	case "*":
		text = hub + "library/*"
	case "*/*":
		text = hub + "*/*"
	}
	parts := strings.Split(text, "**")
	for i, part := range parts {
		literals := strings.Split(part, "*")
		for j := range literals {
			literals[j] = regexp.QuoteMeta(literals[j])
		}
		parts[i] = strings.Join(literals, "[^/]*")
	}
	// Go's expressions take linear time, whatever the pattern.
	pattern, err := regexp.Compile(`\A` + strings.Join(parts, ".*") + `\z`)
	if err != nil {
		return glob{}, fmt.Errorf("compile glob %q: %w", text, err)
	}
	return glob{pattern: pattern}, nil
}

func (g glob) matches(name string) bool { return g.pattern.MatchString(name) }

// spellings returns the names a glob may match: the full one and, as Policy
// Controller does, the one that was given if it was short.
func spellings(repository, digest string) []string {
	given := repository + "@" + digest
	full := normal(repository) + "@" + digest
	if full == given {
		return []string{full}
	}
	return []string{full, given}
}

// normal adds the host and path that Docker Hub's images may leave out.
func normal(repository string) string {
	host, rest, found := strings.Cut(repository, "/")
	switch {
	case !found || host != "localhost" && !strings.ContainsAny(host, ".:"):
		rest = repository
	case host != "docker.io" && host+"/" != hub:
		return repository
	}
	if !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	return hub + rest
}
