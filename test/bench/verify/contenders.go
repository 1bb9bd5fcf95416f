package main

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"

	"github.com/google/go-containerregistry/pkg/name"
	cosign2 "github.com/sigstore/cosign/v2/pkg/cosign"
	cosign3 "github.com/sigstore/cosign/v3/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	verifyimage "github.com/kubernaut/kubernaut/internal/verify/image"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/internal/verify/rule"
	"github.com/kubernaut/kubernaut/test/corpus"
)

// contender is started afresh for each cold measurement.
type contender struct {
	name  string
	start func(*corpus.Corpus, corpus.Kind) (judge, error)
}

// judge returns nil if the image may run; a judge remembers what it can.
type judge func(ctx context.Context, images ...string) error

func contenders() []contender {
	return []contender{{ownName, startOurs}, {"cosign v2.6.5", startCosign2}, {"cosign v3.1.3", startCosign3}, {"policy-controller v0.13.1", startPeer}}
}

func startOurs(c *corpus.Corpus, kind corpus.Kind) (judge, error) {
	object, err := json.Marshal(c.Policy(kind))
	if err != nil {
		return nil, err
	}
	trust, err := json.Marshal(c.TrustRoot)
	if err != nil {
		return nil, err
	}
	set := policy.Compile(policy.Inputs{Policies: [][]byte{object}, TrustRoots: [][]byte{trust}, Rules: rule.Compile})
	registry := image.New(image.Options{Insecure: []string{c.Host()}})
	policies := func(context.Context) (*policy.Set, error) { return set, nil }
	verifier := verify.Cached(verifyimage.New(policies, registry), verify.CacheOptions{})
	return func(ctx context.Context, images ...string) error {
		// The gate resolves all images of a run before it verifies the first.
		var all []verify.Image
		for _, one := range images {
			img, err := registry.Resolve(ctx, one, verify.Subject{})
			if err != nil {
				return err
			}
			all = append(all, img)
		}
		for _, img := range all {
			if _, err := verifier.Verify(ctx, img, verify.Subject{}); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// each makes a judge of many out of a judge of one.
func each(one func(ctx context.Context, ref name.Digest) error) judge {
	return func(ctx context.Context, images ...string) error {
		for _, text := range images {
			ref, err := name.NewDigest(text)
			if err != nil {
				return err
			}
			if err := one(ctx, ref); err != nil {
				return err
			}
		}
		return nil
	}
}

func loadKey(c *corpus.Corpus) (signature.Verifier, error) {
	public, err := cryptoutils.UnmarshalPEMToPublicKey([]byte(c.Key))
	if err != nil {
		return nil, err
	}
	return signature.LoadVerifier(public, crypto.SHA256)
}

// material of a key is empty: cosign wants it to be there all the same.
func material(c *corpus.Corpus, kind corpus.Kind) root.TrustedMaterial {
	if kind.Keyless {
		return c.Material
	}
	return root.TrustedMaterialCollection{}
}

// startCosign2 asks for bundles first and then for what there is, as those do
// who serve both formats with it.
func startCosign2(c *corpus.Corpus, kind corpus.Kind) (judge, error) {
	key, err := loadKey(c)
	if err != nil {
		return nil, err
	}
	subject, issuer := corpus.Signer()
	return each(func(ctx context.Context, ref name.Digest) error {
		o := &cosign2.CheckOpts{IgnoreTlog: true, IgnoreSCT: true, NewBundleFormat: true, TrustedMaterial: material(c, kind), ClaimVerifier: cosign2.IntotoSubjectClaimVerifier}
		if kind.Keyless {
			o.Identities, o.UseSignedTimestamps = []cosign2.Identity{{Issuer: issuer, Subject: subject}}, true
		} else {
			o.SigVerifier = key
		}
		bundles, _, err := cosign2.GetBundles(ctx, ref, o)
		if err == nil && len(bundles) > 0 {
			_, _, err = cosign2.VerifyImageAttestations(ctx, ref, o)
			return err
		}
		o.NewBundleFormat, o.ClaimVerifier = false, cosign2.SimpleClaimVerifier
		_, _, err = cosign2.VerifyImageSignatures(ctx, ref, o)
		return err
	}), nil
}

func startCosign3(c *corpus.Corpus, kind corpus.Kind) (judge, error) {
	key, err := loadKey(c)
	if err != nil {
		return nil, err
	}
	subject, issuer := corpus.Signer()
	return each(func(ctx context.Context, ref name.Digest) error {
		o := &cosign3.CheckOpts{IgnoreTlog: true, IgnoreSCT: true, NewBundleFormat: true, TrustedMaterial: material(c, kind), ClaimVerifier: cosign3.IntotoSubjectClaimVerifier}
		if kind.Keyless {
			o.Identities, o.UseSignedTimestamps = []cosign3.Identity{{Issuer: issuer, Subject: subject}}, true
		} else {
			o.SigVerifier = key
		}
		bundles, _, err := cosign3.GetBundles(ctx, ref, nil)
		if err == nil && len(bundles) > 0 {
			_, _, err = cosign3.VerifyImageAttestations(ctx, ref, o)
			return err
		}
		o.NewBundleFormat, o.ClaimVerifier = false, cosign3.SimpleClaimVerifier
		_, _, err = cosign3.VerifyImageSignatures(ctx, ref, o)
		return err
	}), nil
}

func startPeer(c *corpus.Corpus, kind corpus.Kind) (judge, error) {
	p, err := newPeer(context.Background(), c.TrustRoot)
	if err != nil {
		return nil, err
	}
	policies := []map[string]any{c.Policy(kind)}
	return func(ctx context.Context, images ...string) error {
		for _, one := range images {
			if err := p.judge(ctx, one, policies); err != nil {
				return errors.New("refused: " + err.Error())
			}
		}
		return nil
	}, nil
}
