package repo

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Ref says which commit is wanted. The most exact field that is set wins:
// Commit, Name, Semver, Tag, Branch. An empty Ref is the remote's default
// branch. Branch besides Commit says where the commit is to be found.
type Ref struct {
	// Branch and Tag are short names.
	Branch, Tag string
	// Semver is a range; the highest tag in it is taken.
	Semver string
	// Commit is a full SHA-1.
	Commit string
	// Name is a full reference name, refs/….
	Name string
}

// resolved is a reference that the remote had when it was asked.
type resolved struct {
	// label is what a revision begins with; empty for a bare commit.
	label string
	name  plumbing.ReferenceName
	hash  plumbing.Hash
}

func (r resolved) revision() string {
	if r.label == "" {
		return "sha1:" + r.hash.String()
	}
	return r.label + "@sha1:" + r.hash.String()
}

func (r Ref) String() string {
	switch {
	case r.Commit != "":
		return "commit " + r.Commit
	case r.Name != "":
		return r.Name
	case r.Semver != "":
		return "tag in range " + r.Semver
	case r.Tag != "":
		return "tag " + r.Tag
	case r.Branch != "":
		return "branch " + r.Branch
	}
	return "default branch"
}

// ResolveRef asks the remote which revision a reference has now, in Flux's
// form ("main@sha1:…"). It reads the list of references and nothing else.
func ResolveRef(ctx context.Context, remote Remote, ref Ref) (string, error) {
	l, err := remote.link()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	got, err := l.resolve(ctx, ref)
	return got.revision(), err
}

func (l link) resolve(ctx context.Context, ref Ref) (resolved, error) {
	refs, err := l.list(ctx)
	if err != nil {
		return resolved{}, err
	}
	got, err := refs.find(ref)
	if err != nil {
		return resolved{}, refuse(v1alpha1.ReasonReferenceNotFound, "repository %s: %s", l.remote.URL, err)
	}
	return got, nil
}

// refs maps full names to commits, annotated tags followed to theirs.
type refs struct {
	hashes map[plumbing.ReferenceName]plumbing.Hash
	deflt  plumbing.ReferenceName
}

func (l link) list(ctx context.Context) (refs, error) {
	cert, key := l.cert()
	list, err := l.git(memory.NewStorage()).ListContext(ctx, &git.ListOptions{
		Auth: l.auth, CABundle: l.ca, ClientCert: cert, ClientKey: key, ProxyOptions: l.proxy(), PeelingOption: git.AppendPeeled,
	})
	if err != nil {
		return refs{}, l.explain("list references of", err)
	}
	out := refs{hashes: map[plumbing.ReferenceName]plumbing.Hash{}}
	peeled := map[plumbing.ReferenceName]plumbing.Hash{}
	for _, r := range list {
		name := r.Name()
		switch {
		case r.Type() == plumbing.SymbolicReference && name == plumbing.HEAD:
			out.deflt = r.Target()
		case strings.HasSuffix(name.String(), "^{}"):
			peeled[plumbing.ReferenceName(strings.TrimSuffix(name.String(), "^{}"))] = r.Hash()
		case r.Type() == plumbing.HashReference:
			out.hashes[name] = r.Hash()
		}
	}
	for name, hash := range peeled {
		out.hashes[name] = hash
	}
	return out, nil
}

func (r refs) find(ref Ref) (resolved, error) {
	switch {
	case ref.Commit != "":
		if !isSHA1(ref.Commit) {
			return resolved{}, fmt.Errorf("commit %q is not a full SHA-1 in lower case", ref.Commit)
		}
		return resolved{label: ref.Branch, hash: plumbing.NewHash(ref.Commit)}, nil
	case ref.Name != "":
		return r.named(plumbing.ReferenceName(ref.Name), ref.Name)
	case ref.Semver != "":
		return r.highest(ref.Semver)
	case ref.Tag != "":
		return r.named(plumbing.NewTagReferenceName(ref.Tag), ref.Tag)
	case ref.Branch != "":
		return r.named(plumbing.NewBranchReferenceName(ref.Branch), ref.Branch)
	case r.deflt != "":
		return r.named(r.deflt, r.deflt.Short())
	}
	return resolved{}, fmt.Errorf("it names no default branch: name a branch")
}

func (r refs) named(name plumbing.ReferenceName, label string) (resolved, error) {
	hash, ok := r.hashes[name]
	if !ok {
		return resolved{}, fmt.Errorf("has no %s", name)
	}
	return resolved{label: label, name: name, hash: hash}, nil
}

func (r refs) highest(pattern string) (resolved, error) {
	constraint, err := semver.NewConstraint(pattern)
	if err != nil {
		return resolved{}, fmt.Errorf("semver range %q cannot be read", pattern)
	}
	type candidate struct {
		version *semver.Version
		tag     string
	}
	var found []candidate
	for name := range r.hashes {
		if !name.IsTag() {
			continue
		}
		if v, err := semver.NewVersion(name.Short()); err == nil && constraint.Check(v) {
			found = append(found, candidate{v, name.Short()})
		}
	}
	if len(found) == 0 {
		return resolved{}, fmt.Errorf("has no tag in range %q", pattern)
	}
	// Tags that differ only in build metadata or a leading v are ordered by
	// name, so that the choice does not change from one look to the next.
	sort.Slice(found, func(i, j int) bool {
		if c := found[i].version.Compare(found[j].version); c != 0 {
			return c > 0
		}
		return found[i].tag > found[j].tag
	})
	return r.named(plumbing.NewTagReferenceName(found[0].tag), found[0].tag)
}

func isSHA1(s string) bool { return regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(s) }
