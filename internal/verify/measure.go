package verify

import (
	"context"
	"errors"
	"time"

	"github.com/kubernaut/kubernaut/internal/run"
)

// Verdict is what came of one call of Verify, in few words.
type Verdict string

// Verdicts.
const (
	// Allowed: the image may run.
	Allowed Verdict = "allowed"
	// Refused: it may not, and asking again does not change that.
	Refused Verdict = "refused"
	// Unknown: registry, policies or time did not suffice for an answer.
	Unknown Verdict = "unknown"
	// Abandoned: nobody waits for the answer any more.
	Abandoned Verdict = "abandoned"
)

// NoFormat is the format of an attempt that found no signature, or needed none.
const NoFormat = "none"

// Attempt is one call of Verify.
type Attempt struct {
	Verdict Verdict
	// Format is "legacy", "bundle" or NoFormat.
	Format string
	// Took is how long the caller waited.
	Took time.Duration
}

// Measured tells of each call of Verify how it went.
func Measured(v Verifier, tell func(Attempt)) Verifier { return &measured{v, tell} }

type measured struct {
	next Verifier
	tell func(Attempt)
}

// Verify asks the next one and tells.
func (m *measured) Verify(ctx context.Context, img Image, who Subject) (Result, error) {
	began := time.Now()
	result, err := m.next.Verify(ctx, img, who)
	a := Attempt{Verdict: verdict(err), Format: NoFormat, Took: time.Since(began)}
	if result.Format == "legacy" || result.Format == "bundle" {
		a.Format = result.Format
	}
	m.tell(a)
	return result, err
}

func verdict(err error) Verdict {
	_, refused := run.AsRefusal(err)
	switch {
	case err == nil:
		return Allowed
	case refused:
		return Refused
	case errors.Is(err, context.Canceled):
		return Abandoned
	}
	return Unknown
}
