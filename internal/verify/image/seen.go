package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// seen is what all authorities of a policy found together: what a rule over the
// whole policy judges. Encoded it is the document that Policy Controller makes.
type seen struct {
	Authorities map[string]*match `json:"authorityMatches,omitempty"`

	met []met
}

// match is what one authority found: signatures, or attestations by their names,
// or that it passes without.
type match struct {
	Signatures   []mark            `json:"signatures,omitempty"`
	Attestations map[string][]mark `json:"attestations,omitempty"`
	Static       bool              `json:"static,omitempty"`
}

// mark is one signature or attestation that counts.
type mark struct {
	// ID is a hash of the signature and its certificate.
	ID      string `json:"id,omitempty"`
	Subject string `json:"subject,omitempty"`
	Issuer  string `json:"issuer,omitempty"`

	WorkflowTrigger string `json:"githubWorkflowTrigger,omitempty"`
	WorkflowSHA     string `json:"githubWorkflowSha,omitempty"`
	WorkflowName    string `json:"githubWorkflowName,omitempty"`
	WorkflowRepo    string `json:"githubWorkflowRepo,omitempty"`
	WorkflowRef     string `json:"githubWorkflowRef,omitempty"`

	// PredicateType as the policy writes it, and Digest of the stored bytes, are
	// those of an attestation.
	PredicateType string `json:"predicateType,omitempty"`
	Digest        string `json:"digest,omitempty"`
}

// met is an authority that is satisfied, by the first that did.
type met struct {
	demand *demand
	format policy.Format
	ruling ruling
}

func (s *seen) at(authority string) *match {
	if s.Authorities == nil {
		s.Authorities = map[string]*match{}
	}
	if s.Authorities[authority] == nil {
		s.Authorities[authority] = &match{}
	}
	return s.Authorities[authority]
}

// take adds what counts for an authority, and reports whether something did.
func (s *seen) take(d *demand, found *finding, got ruling) bool {
	if got.outcome != good && len(got.fits) == 0 {
		return false
	}
	found.signatures++
	at := s.at(d.authority.Name)
	if len(d.authority.Attestations) == 0 {
		got.mark.Digest = ""
		at.Signatures = append(at.Signatures, got.mark)
	}
	for _, a := range got.fits {
		if at.Attestations == nil {
			at.Attestations = map[string][]mark{}
		}
		one := got.mark
		one.PredicateType = a.Written
		at.Attestations[a.Name] = append(at.Attestations[a.Name], one)
	}
	if got.outcome == good && !slices.ContainsFunc(s.met, func(m met) bool { return m.demand == d }) {
		s.met = append(s.met, met{d, found.format, got})
	}
	return true
}

func newMark(entity sgverify.SignedEntity, digest string) mark {
	m := mark{Digest: digest}
	hash := sha256.New()
	if content, err := entity.SignatureContent(); err == nil {
		hash.Write(content.Signature())
	}
	if by, err := entity.VerificationContent(); err == nil && by.Certificate() != nil {
		if text, err := cryptoutils.MarshalCertificateToPEM(by.Certificate()); err == nil {
			hash.Write(text)
		}
		if who, err := certificate.SummarizeCertificate(by.Certificate()); err == nil {
			m.Subject, m.Issuer = who.SubjectAlternativeName, who.Issuer
			m.WorkflowTrigger, m.WorkflowSHA, m.WorkflowName = who.GithubWorkflowTrigger, who.GithubWorkflowSHA, who.GithubWorkflowName
			m.WorkflowRepo, m.WorkflowRef = who.GithubWorkflowRepository, who.GithubWorkflowRef
		}
	}
	m.ID = hex.EncodeToString(hash.Sum(nil))
	return m
}

// weigh asks the rules over whole policies, once everything was heard. While
// something could not be read they are not asked: what is missing might be what
// they forbid.
func (j *judge) weigh(ctx context.Context) {
	if slices.ContainsFunc(j.findings, func(f *finding) bool { return f.err != nil }) {
		return
	}
	for _, t := range j.trials {
		if len(t.demands) > 0 { // the others were weighed before
			t.weigh(ctx)
		}
	}
}

// weigh asks the rule if at least one authority is satisfied, and all could be
// asked.
func (t *trial) weigh(ctx context.Context) {
	if t.seen == nil || t.later != nil {
		return
	}
	for _, d := range t.demands {
		// Of several attestations all have to be there.
		if len(d.open) > 0 {
			delete(t.seen.Authorities, d.authority.Name)
		}
	}
	if len(t.seen.Authorities) == 0 {
		return
	}
	document, err := json.Marshal(t.seen)
	if err != nil {
		t.broken = fmt.Sprintf("encode what they found: %v", err)
		return
	}
	switch warnings, err := t.policy.Rule.Evaluate(ctx, document); {
	case errors.Is(err, policy.ErrCutShort):
		t.later = fmt.Errorf("rule over all authorities: %w", err)
	case err != nil:
		t.broken = err.Error()
	default:
		t.passed = true
		t.summarize(warnings)
	}
}

// summarize tells of the first authority, and of all signers.
func (t *trial) summarize(warnings []string) {
	var signers []string
	for i, m := range t.seen.met {
		if i == 0 {
			t.ruling, t.format, t.authority = m.ruling, m.format, m.demand.authority.Name
		}
		if !slices.Contains(signers, m.ruling.signer) {
			signers = append(signers, m.ruling.signer)
		}
		if end := m.ruling.notAfter; !end.IsZero() && (t.ruling.notAfter.IsZero() || end.Before(t.ruling.notAfter)) {
			t.ruling.notAfter = end
		}
		if i > 0 {
			t.ruling.warnings = append(t.ruling.warnings, m.ruling.warnings...)
		}
	}
	if len(signers) > 0 {
		t.ruling.signer = strings.Join(signers, ", ")
	}
	t.ruling.warnings = append(t.ruling.warnings, warnings...)
}
