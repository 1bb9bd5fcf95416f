package image

import (
	"context"
	"crypto"
	"fmt"
	"slices"

	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// judge hears signatures one by one and notes which policies they satisfy.
type judge struct {
	img      verify.Image
	trials   []*trial
	findings []*finding
}

// trial is one policy on its way to being satisfied.
type trial struct {
	policy policy.Compiled
	keys   []trusted
	passed bool
	signer string
	format policy.Format
}

// trusted is a key that may satisfy a policy, in the formats of its authority.
type trusted struct {
	verifier    signature.Verifier
	fingerprint string
	format      policy.Format
}

func (t trusted) accepts(f policy.Format) bool { return t.format == policy.AnyFormat || t.format == f }

// newJudge refuses what no signature can change.
func newJudge(img verify.Image, matched []policy.Compiled) (*judge, error) {
	if len(matched) == 0 {
		return nil, run.Refuse(v1alpha1.ReasonNoMatchingPolicy,
			"image %s is named by no ClusterImagePolicy; add one whose spec.images has a glob for it", img)
	}
	j := &judge{img: img}
	for _, p := range matched {
		if p.Closed == "" {
			p.Closed = beyond(p)
		}
		if p.Closed != "" {
			return nil, run.Refuse(v1alpha1.ReasonPolicyUnusable,
				"image %s is refused, because ClusterImagePolicy %q names it and cannot be used: %s", img, p.Name, p.Closed)
		}
		t, err := newTrial(p)
		if err != nil {
			return nil, run.Refuse(v1alpha1.ReasonPolicyUnusable,
				"image %s is refused, because ClusterImagePolicy %q names it and has an unusable key: %v", img, p.Name, err)
		}
		if !t.passed && len(t.keys) == 0 {
			return nil, run.Refuse(v1alpha1.ReasonPolicyDenied,
				"image %s is refused by ClusterImagePolicy %q whatever its signatures: %s", img, p.Name, staticMessage(p))
		}
		j.trials = append(j.trials, t)
	}
	return j, nil
}

// beyond says what of a policy cannot be judged here.
func beyond(p policy.Compiled) string {
	if p.Warn {
		return "spec.mode: warn is not supported, only enforce; an unsigned image would run"
	}
	for _, a := range p.Authorities {
		if a.Keyless != nil || a.Log != nil || a.Stamp != nil || len(a.Attestations) > 0 || a.Source.Repository != "" || a.Source.TagPrefix != "" || len(a.Source.PullSecrets) > 0 {
			return "authority " + a.Name + " asks for keyless, ctlog, rfc3161timestamp, attestations or source, which are not supported yet"
		}
	}
	return ""
}

func newTrial(p policy.Compiled) (*trial, error) {
	t := &trial{policy: p}
	for _, a := range p.Authorities {
		if a.Static != nil && a.Static.Pass {
			t.passed, t.signer = true, fmt.Sprintf("nobody (policy %s lets it pass unsigned)", p.Name)
		}
		for _, key := range a.Keys {
			verifier, err := signature.LoadVerifier(key.Public, crypto.SHA256)
			if err != nil {
				return nil, fmt.Errorf("load key %s of %s: %w", key.Fingerprint, a.Name, err)
			}
			t.keys = append(t.keys, trusted{verifier: verifier, fingerprint: key.Fingerprint, format: a.Format})
		}
	}
	return t, nil
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

// wants reports whether a signature in this format could still help.
func (j *judge) wants(f policy.Format) bool {
	return slices.ContainsFunc(j.trials, func(t *trial) bool {
		return !t.passed && slices.ContainsFunc(t.keys, func(k trusted) bool { return k.accepts(f) })
	})
}

// hear reads exhibits until nothing more is needed.
func (j *judge) hear(ctx context.Context, f policy.Format, exhibits []exhibit, listErr error) {
	found := &finding{format: f, listed: len(exhibits)}
	j.findings = append(j.findings, found)
	found.fault(listErr)
	for i, read := range exhibits {
		if j.done() {
			return
		}
		if i == maxSignatures {
			found.note(fmt.Sprintf("only %d of them were looked at", maxSignatures))
			return
		}
		e, err := read(ctx)
		if err != nil {
			found.fault(err)
			continue
		}
		j.consider(found, e)
	}
}

// consider checks one signature with each key of each open policy. For those
// that stay open it keeps the nearest miss, for the report.
func (j *judge) consider(found *finding, e evidence) {
	missed, nearest, text := false, byOtherKey, ""
	for _, t := range j.trials {
		if t.passed {
			continue
		}
		got, why, by := t.check(found.format, e)
		if got == good {
			t.passed, t.signer, t.format = true, "key "+by, found.format
			continue
		}
		if !missed || got > nearest {
			missed, nearest, text = true, got, why
		}
	}
	if missed {
		found.miss(nearest, text)
	}
}

func (t *trial) check(f policy.Format, e evidence) (nearest outcome, text, by string) {
	for _, key := range t.keys {
		if !key.accepts(f) {
			continue
		}
		got, why := e.check(key.verifier)
		if got > nearest || text == "" {
			nearest, text, by = got, why, key.fingerprint
		}
		if got == good {
			break
		}
	}
	return nearest, text, by
}
