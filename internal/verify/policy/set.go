package policy

import "crypto"

// Format names where and how a signature is stored.
type Format string

// Formats of signatures; AnyFormat accepts both.
const (
	AnyFormat Format = ""
	Legacy    Format = "legacy"
	Bundle    Format = "bundle"
)

// Set is the compiled state of all policies at one moment. It never changes.
type Set struct {
	hash     string
	policies []Compiled
}

// Compiled is one policy ready for use.
type Compiled struct {
	// Name of the ClusterImagePolicy.
	Name string
	// Closed says why nothing can satisfy the policy: it is unreadable or asks
	// for something that is not supported. Images it names are refused. Empty
	// for a usable policy.
	Closed string
	// Authorities of which one has to be satisfied; never empty if not Closed.
	Authorities []Authority

	globs []glob
	match []matcher
}

// Authority is one way to satisfy a policy: either keys or a fixed answer.
type Authority struct {
	Name string
	// Keys of which any may have signed.
	Keys []Key
	// Format that the signature must have.
	Format Format
	// Static is set if the answer does not depend on signatures.
	Static *Static
}

// Static is an answer that is fixed in the policy.
type Static struct {
	Pass bool
	// Message for people when it does not pass; may be empty.
	Message string
}

// Key is a public key for signatures over SHA-256.
type Key struct {
	Public crypto.PublicKey
	// Fingerprint is "sha256:" and 16 hexadecimal digits of the hash of the key
	// in DER form.
	Fingerprint string

	// full is never shortened, so that Set.Hash cannot be led to a collision.
	full [32]byte
}

// Object says for what an image is wanted; see the policies' field match.
type Object struct {
	Kind, Group, Version string
	Labels               map[string]string
}

// Problem is why a policy is closed.
type Problem struct {
	Policy, Message string
}

// Hash changes whenever a policy or a key changes.
func (s *Set) Hash() string { return s.hash }

// Match returns all policies that name the image; every one of them has to be
// satisfied, and none means that nothing vouches for the image.
func (s *Set) Match(repository, digest string, on Object) []Compiled {
	names := spellings(repository, digest)
	var matched []Compiled
	for _, p := range s.policies {
		if p.names(names) && p.concerns(on) {
			matched = append(matched, p)
		}
	}
	return matched
}

// Problems lists the closed policies.
func (s *Set) Problems() []Problem {
	var problems []Problem
	for _, p := range s.policies {
		if p.Closed != "" {
			problems = append(problems, Problem{Policy: p.Name, Message: p.Closed})
		}
	}
	return problems
}

// names reports whether one of the globs matches. A policy whose globs cannot
// be read has none and names every image: nobody knows which it was to guard.
func (c Compiled) names(spellings []string) bool {
	for _, g := range c.globs {
		for _, s := range spellings {
			if g.matches(s) {
				return true
			}
		}
	}
	return len(c.globs) == 0
}

func (c Compiled) concerns(on Object) bool {
	for _, m := range c.match {
		if m.concerns(on) {
			return true
		}
	}
	return len(c.match) == 0
}
