package image

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// demand is what one authority asks of the signatures of one image.
type demand struct {
	authority policy.Authority
	signers   []signer
	// open attestations: those that were not found yet; warnings of the others.
	open     []policy.Attestation
	warnings []string
	// all is set where a rule wants to see everything that counts.
	all bool
}

// ruling is what came of holding one signature against one demand.
type ruling struct {
	outcome outcome
	// text says what was found, for people; empty for an unknown key.
	text string
	// signer and the rest tell of a good one.
	signer, identity, issuer string
	logIndex                 *int64
	signedAt, notAfter       time.Time
	warnings                 []string
	// later is why a rule has judged nothing, which another time may mend.
	later error
	// fits are the attestations that a statement is, and mark what rules over
	// several authorities see of it.
	fits []policy.Attestation
	mark mark
}

func (d *demand) accepts(f policy.Format) bool {
	return d.authority.Format == policy.AnyFormat || d.authority.Format == f
}

// asks reports whether a statement of this type could help.
func (d *demand) asks(predicateType string) bool {
	if len(d.authority.Attestations) == 0 {
		return predicateType == signPredicate
	}
	return slices.ContainsFunc(d.sought(), func(a policy.Attestation) bool { return a.PredicateType == predicateType })
}

// sought are the attestations that are still looked for.
func (d *demand) sought() []policy.Attestation {
	if d.all {
		return d.authority.Attestations
	}
	return d.open
}

// check holds a signature against each signer and returns the nearest ruling.
func (d *demand) check(ctx context.Context, e *evidence, img verify.Image) ruling {
	var nearest ruling
	for i, s := range d.signers {
		got := d.hold(ctx, s, e, img)
		if i == 0 || got.outcome > nearest.outcome {
			nearest = got
		}
	}
	return nearest
}

// hold never panics, whatever the bytes do to those who parse them.
func (d *demand) hold(ctx context.Context, s signer, e *evidence, img verify.Image) ruling {
	got, err := guarded(func() (ruling, error) { return d.rule(ctx, s, e, img), nil })
	if err != nil {
		return ruling{text: err.Error()}
	}
	return got
}

func (d *demand) rule(ctx context.Context, s signer, e *evidence, img verify.Image) ruling {
	entity := e.entity
	if s.key != nil && e.asKey != nil {
		content, err := e.entity.VerificationContent()
		if err != nil || cryptoutils.EqualKeys(content.Certificate().PublicKey, s.key) != nil {
			return ruling{text: "a signature that brings the certificate of another key"}
		}
		entity = e.asKey
	}
	var got ruling
	if e.payload != nil {
		got = d.claim(s, entity, e.payload, img)
	} else {
		got = d.statement(ctx, s, entity, img)
	}
	if d.all && (got.outcome == good || len(got.fits) > 0) {
		got.mark = newMark(entity, e.digest)
	}
	return got
}

func (s signer) verify(entity sgverify.SignedEntity, artifact sgverify.ArtifactPolicyOption) (*sgverify.VerificationResult, error) {
	return guarded(func() (*sgverify.VerificationResult, error) {
		return s.verifier.Verify(entity, sgverify.NewPolicy(artifact, s.who...))
	})
}

// claim judges a legacy signature: it looks at the payload only after the
// signature, since before that it is just text by somebody.
func (d *demand) claim(s signer, entity sgverify.SignedEntity, text []byte, img verify.Image) ruling {
	result, err := s.verify(entity, sgverify.WithArtifact(bytes.NewReader(text)))
	if err != nil {
		return d.missed(s, entity, err)
	}
	claim, err := guarded(func() (payload.Cosign, error) {
		claim := payload.Cosign{}
		return claim, claim.UnmarshalJSON(text)
	})
	if err != nil {
		return ruling{outcome: ofOtherType, text: fmt.Sprintf("what the key signed is no image signature: %v", err)}
	}
	if signed := claim.Image.DigestStr(); signed != img.Digest {
		return ruling{outcome: forOtherImage, text: fmt.Sprintf("a signature by this %s is for %s", s.kind(), signed)}
	}
	return d.told(s, entity, result)
}

func (s signer) kind() string {
	if s.key != nil {
		return "key"
	}
	return "identity"
}

// statement judges a bundle or an envelope. It asks first for what counts; only
// then, for the report, whether something else was signed.
func (d *demand) statement(ctx context.Context, s signer, entity sgverify.SignedEntity, img verify.Image) ruling {
	digest, err := hex.DecodeString(strings.TrimPrefix(img.Digest, "sha256:"))
	if err != nil {
		return ruling{text: fmt.Sprintf("digest %s is not hexadecimal", img.Digest)}
	}
	result, wrong := s.verify(entity, sgverify.WithArtifactDigest("sha256", digest))
	if wrong != nil {
		if result, err = s.verify(entity, sgverify.WithoutArtifactUnsafe()); err != nil {
			return d.missed(s, entity, err)
		}
	}
	if result.Statement == nil {
		return ruling{outcome: ofOtherType, text: fmt.Sprintf("a bundle by this %s signs bare bytes and holds no statement", s.kind())}
	}
	// What a version that nobody knows yet means by subject and predicate is open.
	if version := result.Statement.GetType(); version != statementV1 && version != statementV01 {
		return ruling{outcome: ofOtherType, text: fmt.Sprintf("a statement of the unknown type %q", version)}
	}
	kind := result.Statement.GetPredicateType()
	if !d.asks(kind) {
		return otherType(kind)
	}
	if wrong != nil {
		return ruling{outcome: forOtherImage, text: fmt.Sprintf("a signature by this %s is for %s", s.kind(), subjects(result))}
	}
	if len(d.authority.Attestations) == 0 {
		return d.told(s, entity, result)
	}
	return d.attested(ctx, s, entity, result)
}

func otherType(kind string) ruling {
	if kind == signPredicate {
		return ruling{outcome: ofOtherType, text: "a signature, which is no attestation"}
	}
	return ruling{outcome: ofOtherType, text: fmt.Sprintf("an attestation of type %s, which is no signature", kind)}
}

// attested ticks off the attestations that a statement is.
func (d *demand) attested(ctx context.Context, s signer, entity sgverify.SignedEntity, result *sgverify.VerificationResult) ruling {
	content, err := entity.SignatureContent()
	if err != nil {
		return ruling{outcome: ofOtherType, text: fmt.Sprintf("an attestation cannot be read: %v", err)}
	}
	document, err := content.EnvelopeContent().RawEnvelope().DecodeB64Payload()
	if err != nil {
		return ruling{outcome: ofOtherType, text: fmt.Sprintf("an attestation cannot be read: %v", err)}
	}
	missed := ruling{outcome: ruleBroken}
	for _, a := range d.sought() {
		if a.PredicateType != result.Statement.GetPredicateType() {
			continue
		}
		if a.Rule != nil {
			more, err := a.Rule.Evaluate(ctx, document)
			if errors.Is(err, policy.ErrCutShort) {
				missed.later = fmt.Errorf("authority %s: attestation %s: %w", d.authority.Name, a.Name, err)
			}
			if err != nil {
				missed.text = strings.TrimPrefix(fmt.Sprintf("%s, attestation %s breaks its rule: %v", missed.text, a.Name, err), ", ")
				continue
			}
			d.warnings = append(d.warnings, more...)
		}
		missed.fits = append(missed.fits, a)
	}
	d.open = slices.DeleteFunc(d.open, func(a policy.Attestation) bool {
		return slices.ContainsFunc(missed.fits, func(b policy.Attestation) bool { return a.Name == b.Name })
	})
	if len(d.open) > 0 || len(missed.fits) == 0 {
		return missed
	}
	told := d.told(s, entity, result)
	told.warnings, told.fits = d.warnings, missed.fits
	return told
}

// told gathers what the good signature says of itself.
func (d *demand) told(s signer, entity sgverify.SignedEntity, result *sgverify.VerificationResult) ruling {
	r := ruling{outcome: good, signer: "key " + s.name}
	if by := result.Signature.Certificate; by != nil {
		r.identity, r.issuer = by.SubjectAlternativeName, by.Issuer
		r.signer = fmt.Sprintf("%s of %s", r.identity, r.issuer)
	}
	for _, at := range result.VerifiedTimestamps {
		if at.Type == "CurrentTime" {
			r.notAfter = ends(entity)
			continue
		}
		if r.signedAt.IsZero() || at.Timestamp.Before(r.signedAt) {
			r.signedAt = at.Timestamp
		}
	}
	if d.authority.Log == nil {
		return r
	}
	entries, err := entity.TlogEntries()
	if err != nil {
		return r
	}
	for _, e := range entries {
		// Entries of other logs come unverified.
		if _, trusted := s.logs[hex.EncodeToString([]byte(e.LogKeyID()))]; trusted {
			index := e.LogIndex()
			r.logIndex = &index
		}
	}
	return r
}

// ends is when a certificate ends that is held against the present.
func ends(entity sgverify.SignedEntity) time.Time {
	content, err := entity.VerificationContent()
	if err != nil || content.Certificate() == nil {
		return time.Time{}
	}
	return content.Certificate().NotAfter
}

// missed says of a signature that does not verify whose it claims to be. Of one
// by an unknown key nothing can be said.
func (d *demand) missed(s signer, entity sgverify.SignedEntity, why error) ruling {
	by := "a key"
	content, err := entity.VerificationContent()
	if err != nil {
		return ruling{text: fmt.Sprintf("one whose signer cannot be read: %v", err)}
	}
	if content.Certificate() != nil {
		by = "a certificate without name"
		if summary, err := certificate.SummarizeCertificate(content.Certificate()); err == nil {
			by = fmt.Sprintf("%s of %s", summary.SubjectAlternativeName, summary.Issuer)
		}
	}
	if s.key != nil && by == "a key" && d.authority.Log == nil && d.authority.Stamp == nil {
		return ruling{}
	}
	if logged, err := entity.TlogEntries(); err == nil && len(logged) > 0 {
		by += fmt.Sprintf(" (entry %d of log %.8s)", logged[0].LogIndex(), logged[0].LogKeyID())
	}
	return ruling{text: fmt.Sprintf("one by %s: %v", by, why)}
}

func subjects(result *sgverify.VerificationResult) string {
	var all []string
	for _, s := range result.Statement.GetSubject() {
		for algorithm, digest := range s.GetDigest() {
			all = append(all, algorithm+":"+digest)
		}
	}
	if len(all) == 0 {
		return "no image"
	}
	return strings.Join(all, ", ")
}

// String says what the authority asks for.
func (d *demand) String() string {
	var who []string
	for _, s := range d.signers {
		if s.key != nil {
			who = append(who, "key "+s.name)
		}
	}
	if d.authority.Keyless != nil {
		for _, id := range d.authority.Keyless.Identities {
			who = append(who, fmt.Sprintf("%s of %s", id.Subject+id.SubjectRegExp, id.Issuer+id.IssuerRegExp))
		}
	}
	what := "a signature"
	if len(d.open) > 0 {
		what = "attestation " + d.open[0].Name + " of type " + d.open[0].PredicateType
	}
	text := fmt.Sprintf("%s by %s", what, strings.Join(who, " or "))
	if d.authority.Format != policy.AnyFormat {
		text += fmt.Sprintf(" in format %s", d.authority.Format)
	}
	return text
}
