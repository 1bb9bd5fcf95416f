package policy

import (
	"context"
	"crypto"
	"errors"
	"slices"
)

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
	compat   bool
	policies []Compiled
	roots    []Problem
}

// Compiled is one policy ready for use.
type Compiled struct {
	// Name of the ClusterImagePolicy.
	Name string
	// Closed says why nothing can satisfy the policy: it is unreadable or asks
	// for something that is not supported. Images it names are refused. Empty
	// for a usable policy.
	Closed string
	// Warn lets an image that misses this policy run with a warning, as long as
	// another policy, one that enforces, vouches for it.
	Warn bool
	// Authorities of which one has to be satisfied; never empty if not Closed.
	Authorities []Authority
	// Rule judges what all authorities found together; nil accepts what satisfies
	// one of them. Where it is set, no two authorities have the same name.
	Rule Program

	globs []glob
	match []matcher
}

// Authority is one way to satisfy a policy. Exactly one of Keys, Keyless and
// Static is set.
type Authority struct {
	Name string
	// Keys of which any may have signed.
	Keys []Key
	// Keyless names people and machines that may sign with certificates.
	Keyless *Keyless
	// Static is set if the answer does not depend on signatures.
	Static *Static
	// Format that the signature must have.
	Format Format
	// Source is where signatures are, if not beside the image.
	Source Source
	// Log is the root whose transparency logs must have recorded the signature;
	// nil asks for no log.
	Log *Root
	// Stamp is the root whose timestamp authorities must have countersigned;
	// nil asks for no such timestamp.
	Stamp *Root
	// Attestations that have to be there, all of them, instead of a signature;
	// none asks for a signature.
	Attestations []Attestation
}

// Keyless is trust in certificates that live for minutes.
type Keyless struct {
	// Identities of which one must be in the certificate; never empty.
	Identities []Identity
	// Root whose certificate authorities count, never nil.
	Root *Root
	// IgnoreSCT accepts a certificate that no certificate log has recorded.
	IgnoreSCT bool
}

// Identity of a signer. Of issuer and subject either the text or the expression
// is set; expressions match the whole text.
type Identity struct {
	Issuer, IssuerRegExp   string
	Subject, SubjectRegExp string
}

// Source is where signatures are stored.
type Source struct {
	// Repository instead of the image's own; empty means the image's own.
	Repository string
	// TagPrefix comes before the tags of the legacy format.
	TagPrefix string
	// PullSecrets are names of Secrets, in the namespace where the image would
	// run, with the logins that signatures are read with; none means the pull
	// secrets of the service account.
	PullSecrets []string
}

// Equal reports whether both are the same place, read with the same rights.
func (s Source) Equal(o Source) bool {
	return s.Repository == o.Repository && s.TagPrefix == o.TagPrefix && slices.Equal(s.PullSecrets, o.PullSecrets)
}

// Attestation is a signed statement about an image.
type Attestation struct {
	Name string
	// PredicateType is the URI in the statement, Written what the policy says for it.
	PredicateType, Written string
	// Rule judges the statement; nil accepts each of its type.
	Rule Program
}

// ErrCutShort says that a rule has judged nothing, for lack of time. It is worth
// a retry.
var ErrCutShort = errors.New("the rule was cut short")

// Program is a compiled rule in CUE or Rego.
type Program interface {
	// Evaluate is pure. An error says in one line which part of the document
	// breaks the rule, unless it is ErrCutShort; warnings are what the rule wants
	// people to know.
	Evaluate(ctx context.Context, document []byte) (warnings []string, err error)
}

// Static is an answer that is fixed in the policy.
type Static struct {
	Pass bool
	// Message for people when it does not pass; may be empty.
	Message string
}

// Key is a public key.
type Key struct {
	Public crypto.PublicKey
	// Hash that signatures are made over.
	Hash crypto.Hash
	// Fingerprint is "sha256:" and 16 hexadecimal digits of the hash of the key
	// in DER form.
	Fingerprint string
}

// Object says for what an image is wanted; see the policies' field match.
type Object struct {
	Kind, Group, Version string
	Labels               map[string]string
}

// Problem is why an object cannot be used, in one line.
type Problem struct {
	// Object is its kind and name, such as "ClusterImagePolicy/signed".
	Object, Message string
}

// Hash changes whenever a policy, or what it names, changes.
func (s *Set) Hash() string { return s.hash }

// Compat reports whether the set judges as Policy Controller does.
func (s *Set) Compat() bool { return s.compat }

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

// Problems lists the TrustRoots that cannot be used, named or not, and the
// closed policies.
func (s *Set) Problems() []Problem {
	problems := slices.Clone(s.roots)
	for _, p := range s.policies {
		if p.Closed != "" {
			problems = append(problems, Problem{Object: kind + "/" + p.Name, Message: p.Closed})
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
