package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/trust"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// judge hears signatures one by one and notes which policies they satisfy.
type judge struct {
	img verify.Image
	// lenient lets an image run that only policies name which warn.
	lenient  bool
	trials   []*trial
	findings []*finding
}

// trial is one policy on its way to being satisfied.
type trial struct {
	policy  policy.Compiled
	demands []*demand
	passed  bool
	// later is why an authority could not be asked now; it matters only if no
	// other one is satisfied.
	later     error
	authority string
	format    policy.Format
	ruling    ruling
	// seen is what a rule over the whole policy will judge, and nil without one;
	// broken is what it said.
	seen   *seen
	broken string
}

// newJudge refuses what no signature can change.
func newJudge(ctx context.Context, roots *trust.Roots, img verify.Image, matched []policy.Compiled) (*judge, error) {
	if len(matched) == 0 {
		return nil, run.Refuse(v1alpha1.ReasonNoMatchingPolicy,
			"image %s is named by no ClusterImagePolicy; add one whose spec.images has a glob for it", img)
	}
	j := &judge{img: img}
	for _, p := range matched {
		if p.Closed != "" {
			return nil, unusable(img, p, p.Closed)
		}
		t, err := newTrial(ctx, roots, p)
		if err != nil {
			return nil, unusable(img, p, err.Error())
		}
		if !t.passed && t.later == nil && len(t.demands) == 0 && !p.Warn {
			return nil, run.Refuse(v1alpha1.ReasonPolicyDenied,
				"image %s is refused by ClusterImagePolicy %q whatever its signatures: %s", img, p.Name, cmp.Or(t.broken, staticMessage(p)))
		}
		j.trials = append(j.trials, t)
	}
	return j, nil
}

func unusable(img verify.Image, p policy.Compiled, why string) error {
	return run.Refuse(v1alpha1.ReasonPolicyUnusable,
		"image %s is refused, because ClusterImagePolicy %q names it and cannot be used: %s", img, p.Name, why)
}

func newTrial(ctx context.Context, roots *trust.Roots, p policy.Compiled) (*trial, error) {
	t := &trial{policy: p}
	if p.Rule != nil {
		t.seen = &seen{}
	}
	for _, a := range p.Authorities {
		if a.Static != nil {
			t.static(a)
			continue
		}
		d, err := newDemand(ctx, roots, a)
		var wrong *trust.Unusable
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("authority %s: %w", a.Name, err)
		}
		if err != nil {
			t.later = fmt.Errorf("authority %s: %w", a.Name, err)
			continue
		}
		d.all = p.Rule != nil
		t.demands = append(t.demands, d)
	}
	if len(t.demands) == 0 {
		t.weigh(ctx)
	}
	return t, nil
}

// static takes the answer that is fixed in the policy.
func (t *trial) static(a policy.Authority) {
	if !a.Static.Pass {
		return
	}
	t.ruling.signer = fmt.Sprintf("nobody (policy %s lets it pass unsigned)", t.policy.Name)
	if t.seen != nil {
		t.seen.at(a.Name).Static = true
		return
	}
	t.passed = true
}

func staticMessage(p policy.Compiled) string {
	for _, a := range p.Authorities {
		if a.Static != nil && a.Static.Message != "" {
			return a.Static.Message
		}
	}
	return "its authorities say static: fail"
}

func (j *judge) done() bool {
	return !slices.ContainsFunc(j.trials, func(t *trial) bool { return !t.passed })
}

// seek returns the demands that something from here could satisfy.
func (j *judge) seek(from source, at policy.Source) []*demand {
	var all []*demand
	for _, t := range j.trials {
		for _, d := range t.demands {
			if !t.passed && d.authority.Source.Equal(at) && d.accepts(from.format) && from.serves(d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// hear reads exhibits until nothing more is needed.
func (j *judge) hear(ctx context.Context, from source, at policy.Source, exhibits []exhibit, listErr error) {
	found := &finding{format: from.format, listed: len(exhibits)}
	j.findings = append(j.findings, found)
	found.fault(listErr)
	for i, one := range exhibits {
		wanted := j.seek(from, at)
		if len(wanted) == 0 {
			return
		}
		if i == maxSignatures {
			found.note(fmt.Sprintf("only %d of them were looked at", maxSignatures))
			return
		}
		if one.kind != "" && !slices.ContainsFunc(wanted, func(d *demand) bool { return d.asks(one.kind) }) {
			found.miss(otherType(one.kind), true)
			continue
		}
		e, err := one.read(ctx)
		if err != nil {
			found.fault(err)
			continue
		}
		j.consider(ctx, found, e, wanted)
	}
}

// consider holds one signature against each open demand. For those that stay
// open it keeps the nearest miss, for the report.
func (j *judge) consider(ctx context.Context, found *finding, e *evidence, wanted []*demand) {
	var nearest *ruling
	byKey := false
	for _, t := range j.trials {
		for _, d := range t.demands {
			if t.passed || !slices.Contains(wanted, d) {
				continue
			}
			got := d.check(ctx, e, j.img)
			t.later = cmp.Or(t.later, got.later)
			if t.take(d, found, got) {
				continue
			}
			if nearest == nil || got.outcome > nearest.outcome {
				nearest, byKey = &got, len(d.authority.Keys) > 0
			}
		}
	}
	if nearest != nil {
		found.miss(*nearest, byKey)
	}
}

// take notes a signature that counts, and reports whether this one does.
func (t *trial) take(d *demand, found *finding, got ruling) bool {
	if t.seen != nil {
		return t.seen.take(d, found, got)
	}
	if got.outcome != good {
		return false
	}
	t.passed, t.ruling, t.format, t.authority = true, got, found.format, d.authority.Name
	return true
}
