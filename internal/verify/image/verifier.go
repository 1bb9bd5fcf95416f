// Package image judges the signatures of container images against
// ClusterImagePolicy, in both formats that cosign writes.
package image

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/trust"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// version changes when this package judges differently, which makes cached
// answers void.
const version = "4"

// Policies returns the policies as they are now. It is asked for each image, so
// it should answer from memory; an error stops everything.
type Policies func(ctx context.Context) (*policy.Set, error)

// Verifier judges images. It is safe for concurrent use.
type Verifier struct {
	policies Policies
	registry *images.Registry
	roots    *trust.Roots
}

var _ verify.Keyed = (*Verifier)(nil)

// New returns a Verifier. Wrap it in verify.Cached where images come back.
func New(policies Policies, registry *images.Registry) *Verifier {
	return &Verifier{policies: policies, registry: registry, roots: trust.New(trust.Options{})}
}

// Key reads the policies and the pull secrets only.
func (v *Verifier) Key(ctx context.Context, img verify.Image, who verify.Subject) (verify.Key, error) {
	set, matched, err := v.match(ctx, img, who)
	if err != nil {
		return verify.Key{}, err
	}
	scope, err := v.registry.Scope(ctx, who)
	if err != nil {
		return verify.Key{}, fmt.Errorf("verify image %s: %w", img, err)
	}
	named, err := v.named(ctx, img, who, matched)
	if err != nil {
		return verify.Key{}, err
	}
	return verify.Key{PolicySet: set.Hash(), Policies: names(matched), Version: version, Scope: scope + named}, nil
}

// named is the scope of all Secrets that policies name, also for authorities that
// will not be asked: one that cannot be read closes its policy, whichever of its
// authorities would have been enough.
func (v *Verifier) named(ctx context.Context, img verify.Image, who verify.Subject, matched []policy.Compiled) (all string, err error) {
	for _, p := range matched {
		for _, a := range p.Authorities {
			if len(a.Source.PullSecrets) == 0 {
				continue
			}
			one, err := v.registry.ScopeOf(ctx, who, a.Source.PullSecrets...)
			if _, refused := run.AsRefusal(err); refused {
				return "", unusable(img, p, fmt.Sprintf("authority %s: signaturePullSecrets: %v", a.Name, err))
			}
			if err != nil {
				return "", fmt.Errorf("verify image %s by ClusterImagePolicy %q: %w", img, p.Name, err)
			}
			all += " " + one
		}
	}
	return all, nil
}

// Verify lets an image run that is signed as all policies naming it demand.
func (v *Verifier) Verify(ctx context.Context, img verify.Image, who verify.Subject) (verify.Result, error) {
	set, matched, err := v.match(ctx, img, who)
	if err != nil {
		return verify.Result{}, err
	}
	if _, err := v.named(ctx, img, who, matched); err != nil {
		return verify.Result{}, err
	}
	ctx, cancel := v.registry.Bound(ctx)
	defer cancel()
	j, err := newJudge(ctx, v.roots, img, matched)
	if err != nil {
		return verify.Result{}, err
	}
	j.lenient = set.Compat()
	if !j.done() {
		if err := v.hear(ctx, j, who); err != nil {
			return verify.Result{}, err
		}
		j.weigh(ctx)
	}
	result, err := j.result()
	if r, ok := run.AsRefusal(err); ok && r.Reason == v1alpha1.ReasonImageUnsigned {
		// What is not there has no signatures either, and other advice helps.
		if gone := v.registry.Look(ctx, img, who); gone != nil {
			return verify.Result{}, gone
		}
	}
	if err != nil {
		return verify.Result{}, err
	}
	result.PolicySet = set.Hash()
	return result, nil
}

// isDigest knows the one form that policies and caches compare as text.
func isDigest(s string) bool {
	hex, found := strings.CutPrefix(s, "sha256:")
	return found && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

func (v *Verifier) match(ctx context.Context, img verify.Image, who verify.Subject) (*policy.Set, []policy.Compiled, error) {
	if !isDigest(img.Digest) {
		return nil, nil, run.Refuse(v1alpha1.ReasonInvalid, "image %s has no sha256 digest; what a tag names can change", img)
	}
	repository, err := images.Canonical(img.Repository)
	if err != nil {
		return nil, nil, err
	}
	set, err := v.policies(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read policies for image %s: %w", img, err)
	}
	if set == nil {
		set = policy.Compile(policy.Inputs{})
	}
	on := policy.Object{Kind: who.Kind, Group: who.Group, Version: who.Version, Labels: who.Labels}
	return set, set.Match(repository, img.Digest, on), nil
}

func names(matched []policy.Compiled) []string {
	var all []string
	for _, p := range matched {
		all = append(all, p.Name)
	}
	return slices.Sorted(slices.Values(all))
}

// source is one way in which signatures are kept.
type source struct {
	format policy.Format
	list   func(ctx context.Context, repo *images.Repository, img verify.Image, at policy.Source) ([]exhibit, error)
	// serves reports whether what is kept here could be what is asked for.
	serves func(d *demand) bool
}

// sources begins with bundles: they are what is written today, and an image
// that has one costs no request for the older format.
func sources() []source {
	attested := func(d *demand) bool { return len(d.authority.Attestations) > 0 }
	return []source{
		// A tag prefix sets some signatures apart; bundles have no tags.
		{policy.Bundle, listBundles, func(d *demand) bool { return d.authority.Source.TagPrefix == "" }},
		{policy.Legacy, listLegacy, func(d *demand) bool { return !attested(d) }},
		{policy.Legacy, listAttestations, attested},
	}
}

// places are where the signatures of all authorities are.
func (j *judge) places() []policy.Source {
	var all []policy.Source
	for _, t := range j.trials {
		for _, d := range t.demands {
			if !slices.ContainsFunc(all, d.authority.Source.Equal) {
				all = append(all, d.authority.Source)
			}
		}
	}
	return all
}

// hear brings signatures before the judge until all policies are satisfied. A
// fault in one source never keeps the other from being heard, and is reported
// in any case.
func (v *Verifier) hear(ctx context.Context, j *judge, who verify.Subject) error {
	for _, at := range j.places() {
		repo, err := v.registry.Open(ctx, cmp.Or(at.Repository, j.img.Repository), who, at.PullSecrets...)
		if err != nil {
			return images.Explain(err, j.img.String())
		}
		for _, from := range sources() {
			if len(j.seek(from, at)) == 0 {
				continue
			}
			exhibits, err := from.list(ctx, repo, j.img, at)
			j.hear(ctx, from, at, exhibits, err)
		}
	}
	return nil
}
