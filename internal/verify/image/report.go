package image

import (
	"fmt"
	"slices"
	"strings"

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

// note keeps the first few different texts.
func (f *finding) note(text string) {
	const longest = 300
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
func (f *finding) miss(o outcome, text string) {
	if o != ofOtherType {
		f.signatures++
	}
	if o == byOtherKey {
		f.otherKeys++
	}
	if text != "" {
		f.note(text)
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

// result passes if all policies are satisfied. Otherwise a fault on the way to
// the registry comes first: as long as something was not read, nobody can say
// that no signature is there.
func (j *judge) result() (verify.Result, error) {
	result := verify.Result{}
	var signers, open []string
	for _, t := range j.trials {
		result.Policies = append(result.Policies, t.policy.Name)
		if !t.passed {
			open = append(open, t.demand())
			continue
		}
		if !slices.Contains(signers, t.signer) {
			signers = append(signers, t.signer)
		}
		if result.Format == "" {
			result.Format = string(t.format)
		}
	}
	if len(open) == 0 {
		result.Signer = strings.Join(signers, ", ")
		return result, nil
	}
	return verify.Result{}, j.refuse(strings.Join(open, "; "))
}

func (j *judge) refuse(open string) error {
	reason, found := run.Reason(v1alpha1.ReasonImageUnsigned), []string{}
	for _, f := range j.findings {
		found = append(found, f.String())
		if f.err != nil {
			return images.Explain(fmt.Errorf("look for signatures (%s): %w", f.format, f.err), j.img.String())
		}
		if f.signatures > 0 {
			reason = v1alpha1.ReasonSignatureInvalid
		}
	}
	return run.Refuse(reason, "image %s is not signed as demanded: %s; found %s; sign this digest with a key that is asked for",
		j.img, open, strings.Join(found, "; "))
}

// demand says what the policy wants.
func (t *trial) demand() string {
	var keys []string
	for _, k := range t.keys {
		text := k.fingerprint
		if k.format != policy.AnyFormat {
			text += fmt.Sprintf(" in format %s", k.format)
		}
		keys = append(keys, text)
	}
	return fmt.Sprintf("ClusterImagePolicy %q wants a signature by key %s", t.policy.Name, strings.Join(keys, " or "))
}
