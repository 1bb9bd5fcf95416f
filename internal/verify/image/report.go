package image

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// maxNotes keeps a message readable and a condition below its limit.
const maxNotes = 3

// finding is what one format held, told to people when an image is refused.
type finding struct {
	format policy.Format
	// listed counts what the registry says is there.
	listed int
	// signatures counts what is at least a signature, whoever made it.
	signatures int
	otherKeys  int
	notes      []string
	dropped    int
	// err is why the format could not be heard to the end.
	err error
}

// note keeps the first few different texts, as one line each: strangers wrote
// parts of them, and they end in status, events and terminals.
func (f *finding) note(text string) {
	const longest = 300
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	switch {
	case slices.Contains(f.notes, text):
	case len(f.notes) < maxNotes:
		f.notes = append(f.notes, text)
	default:
		f.dropped++
	}
}

// fault notes a flaw in stored bytes and keeps the first fault on the way.
func (f *finding) fault(err error) {
	if err == nil {
		return
	}
	if text, ok := asFlaw(err); ok {
		f.signatures++
		f.note(text)
		return
	}
	if f.err == nil {
		f.err = err
	}
}

// miss notes a signature that satisfied no policy.
func (f *finding) miss(r ruling, byKey bool) {
	if r.outcome != ofOtherType {
		f.signatures++
	}
	if r.outcome == byOther && r.text == "" && byKey {
		f.otherKeys++
	}
	if r.text != "" {
		f.note(r.text)
	}
}

func (f *finding) String() string {
	if f.listed == 0 && len(f.notes) == 0 && f.err == nil {
		return fmt.Sprintf("%s: nothing", f.format)
	}
	parts := []string{fmt.Sprintf("%s: %d listed", f.format, f.listed)}
	if f.otherKeys > 0 {
		parts = append(parts, fmt.Sprintf("%d made by another key", f.otherKeys))
	}
	parts = append(parts, f.notes...)
	if f.dropped > 0 {
		parts = append(parts, fmt.Sprintf("and %d more faults", f.dropped))
	}
	if f.err != nil {
		parts = append(parts, fmt.Sprintf("not readable now: %v", f.err))
	}
	return strings.Join(parts, ", ")
}

// result passes if each policy that enforces is satisfied and there is one: a
// policy that only warns vouches for nothing. Otherwise a fault on the way to the registry comes first: as long
// as something was not read, nobody can say that no signature is there.
func (j *judge) result() (verify.Result, error) {
	result := verify.Result{}
	var signers, open, warnings []string
	vouched := j.lenient
	for _, t := range j.trials {
		result.Policies = append(result.Policies, t.policy.Name)
		switch {
		case t.passed:
			vouched = vouched || !t.policy.Warn
			if !slices.Contains(signers, t.ruling.signer) {
				signers = append(signers, t.ruling.signer)
			}
			t.tell(&result)
		case t.later != nil && !t.policy.Warn:
			return verify.Result{}, fmt.Errorf("verify image %s by ClusterImagePolicy %q: %w", j.img, t.policy.Name, t.later)
		case t.policy.Warn:
			warnings = append(warnings, t.demand())
		default:
			open = append(open, t.demand())
		}
	}
	if len(open) == 0 && vouched {
		result.Signer = strings.Join(signers, ", ")
		result.Warnings = append(result.Warnings, j.aside(warnings)...)
		return result, nil
	}
	if len(open) == 0 {
		open = append(warnings, "no policy that names it enforces anything, and one that only warns vouches for nothing")
	}
	return verify.Result{}, j.refuse(strings.Join(open, "; "))
}

// aside is what people may want to know of an image that runs: what could not
// be read beside a good signature is nobody's verdict, and a policy that warns
// was missed.
func (j *judge) aside(missed []string) (warnings []string) {
	for _, f := range j.findings {
		if f.err != nil {
			warnings = append(warnings, fmt.Sprintf("signatures in format %s could not be read: %v", f.format, f.err))
		}
	}
	for _, m := range missed {
		warnings = append(warnings, fmt.Sprintf("%s, which only warns; found %s", m, j.found()))
	}
	return warnings
}

// tell fills in what the first signature that counted says of itself.
func (t *trial) tell(result *verify.Result) {
	r := t.ruling
	result.Warnings = append(result.Warnings, r.warnings...)
	if !r.notAfter.IsZero() && (result.NotAfter.IsZero() || r.notAfter.Before(result.NotAfter)) {
		result.NotAfter = r.notAfter
	}
	if result.Authority != "" || t.authority == "" {
		return
	}
	result.Format, result.Authority = string(t.format), t.authority
	result.Identity, result.Issuer, result.LogIndex, result.SignedAt = r.identity, r.issuer, r.logIndex, r.signedAt
}

func (j *judge) found() string {
	var all []string
	for _, f := range j.findings {
		all = append(all, f.String())
	}
	return strings.Join(all, "; ")
}

func (j *judge) refuse(open string) error {
	reason := run.Reason(v1alpha1.ReasonImageUnsigned)
	for _, f := range j.findings {
		if f.err != nil {
			return images.Explain(fmt.Errorf("look for signatures (%s): %w", f.format, f.err), j.img.String())
		}
		if f.signatures > 0 {
			reason = v1alpha1.ReasonSignatureInvalid
		}
	}
	return run.Refuse(reason, "image %s is not signed as demanded: %s; found %s; sign this digest as is asked for",
		j.img, open, j.found())
}

// demand says what the policy wants.
func (t *trial) demand() string {
	var all []string
	for _, d := range t.demands {
		all = append(all, d.String())
	}
	if t.broken != "" {
		return fmt.Sprintf("ClusterImagePolicy %q has a rule over all its authorities, which what they found breaks: %s", t.policy.Name, t.broken)
	}
	if len(all) == 0 {
		all = append(all, "nothing that a signature could be: "+staticMessage(t.policy))
	}
	return fmt.Sprintf("ClusterImagePolicy %q wants %s", t.policy.Name, strings.Join(all, " or "))
}
