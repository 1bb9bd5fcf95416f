package image

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kubernaut/kubernaut/internal/verify/image/trust"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// signer is one key, or all identities of one authority.
type signer struct {
	verifier *sgverify.Verifier
	who      []sgverify.PolicyOption
	// key is nil for identities.
	key  crypto.PublicKey
	name string
	// logs that count, by name in hexadecimal.
	logs map[string]*root.TransparencyLog
}

// newDemand reads roots of trust, for some of them from the network.
func newDemand(ctx context.Context, roots *trust.Roots, a policy.Authority) (*demand, error) {
	m, err := newMaterial(ctx, roots, a)
	if err != nil {
		return nil, err
	}
	d := &demand{authority: a, open: slices.Clone(a.Attestations)}
	for _, key := range a.Keys {
		verifier, err := signature.LoadVerifier(key.Public, key.Hash)
		if err != nil {
			return nil, &trust.Unusable{Err: fmt.Errorf("load key %s: %w", key.Fingerprint, err)}
		}
		own := *m
		own.key = root.NewExpiringKey(verifier, time.Time{}, time.Time{})
		s := signer{who: []sgverify.PolicyOption{sgverify.WithKey()}, key: key.Public, name: key.Fingerprint, logs: m.RekorLogs()}
		if s.verifier, err = sgverify.NewVerifier(&own, keyOptions(a)...); err != nil {
			return nil, fmt.Errorf("make verifier of key %s: %w", key.Fingerprint, err)
		}
		d.signers = append(d.signers, s)
	}
	if a.Keyless == nil {
		return d, nil
	}
	s := signer{logs: m.RekorLogs()}
	for _, id := range a.Keyless.Identities {
		one, err := sgverify.NewShortCertificateIdentity(id.Issuer, id.IssuerRegExp, id.Subject, id.SubjectRegExp)
		if err != nil {
			return nil, &trust.Unusable{Err: fmt.Errorf("read identity: %w", err)}
		}
		s.who = append(s.who, sgverify.WithCertificateIdentity(one))
	}
	if s.verifier, err = sgverify.NewVerifier(m, certificateOptions(a)...); err != nil {
		return nil, fmt.Errorf("make verifier of certificates: %w", err)
	}
	d.signers = append(d.signers, s)
	return d, nil
}

// keyOptions need no time: a key has no period of validity, and a policy that
// ends its trust removes it.
func keyOptions(a policy.Authority) []sgverify.VerifierOption {
	options := []sgverify.VerifierOption{sgverify.WithoutStatementPredicate()}
	if a.Log != nil {
		options = append(options, sgverify.WithTransparencyLog(1))
	}
	if a.Stamp != nil {
		return append(options, sgverify.WithSignedTimestamps(1))
	}
	return append(options, sgverify.WithNoObserverTimestamps())
}

// certificateOptions need a time that somebody else vouches for, since a
// certificate lives for minutes. All times that are offered have to fit.
func certificateOptions(a policy.Authority) []sgverify.VerifierOption {
	options := []sgverify.VerifierOption{sgverify.WithoutStatementPredicate()}
	if !a.Keyless.IgnoreSCT {
		options = append(options, sgverify.WithSignedCertificateTimestamps(1))
	}
	if a.Log != nil {
		options = append(options, sgverify.WithTransparencyLog(1), sgverify.WithObserverTimestamps(1))
	}
	if a.Stamp != nil {
		options = append(options, sgverify.WithSignedTimestamps(1))
	}
	if a.Log == nil && a.Stamp == nil {
		// Compiled in compat mode alone.
		options = append(options, sgverify.WithCurrentTime())
	}
	return options
}

// material puts together what an authority takes from several roots.
type material struct {
	root.BaseTrustedMaterial
	key                 root.TimeConstrainedVerifier
	people, logs, times root.TrustedMaterial
}

func newMaterial(ctx context.Context, roots *trust.Roots, a policy.Authority) (*material, error) {
	none := &root.BaseTrustedMaterial{}
	m := &material{people: none, logs: none, times: none}
	if a.Keyless != nil {
		got, err := roots.Material(ctx, a.Keyless.Root)
		if err != nil {
			return nil, err
		}
		m.people, m.times = got, got
	}
	if a.Log != nil {
		got, err := roots.Material(ctx, a.Log)
		if err != nil {
			return nil, err
		}
		m.logs = got
	}
	if a.Stamp != nil {
		got, err := roots.Material(ctx, a.Stamp)
		if err != nil {
			return nil, err
		}
		m.times = got
	}
	return m, nil
}

// PublicKeyVerifier answers for any hint: a hint is a claim.
func (m *material) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	if m.key == nil {
		return nil, errors.New("no key is trusted here")
	}
	return m.key, nil
}

// FulcioCertificateAuthorities issue certificates.
func (m *material) FulcioCertificateAuthorities() []root.CertificateAuthority {
	return m.people.FulcioCertificateAuthorities()
}

// CTLogs record certificates.
func (m *material) CTLogs() map[string]*root.TransparencyLog { return m.people.CTLogs() }

// RekorLogs record signatures.
func (m *material) RekorLogs() map[string]*root.TransparencyLog { return m.logs.RekorLogs() }

// TimestampingAuthorities countersign.
func (m *material) TimestampingAuthorities() []root.TimestampingAuthority {
	return m.times.TimestampingAuthorities()
}
