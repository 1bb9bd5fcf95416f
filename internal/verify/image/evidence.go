package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore/pkg/signature"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Limits of what one verification reads. Whoever may push to a repository can
// put anything there; these keep the work bounded and far above honest use.
const (
	// maxSignatures per format: each costs one or two requests and some of the
	// time of one call. Images that are signed on each of a hundred rebuilds
	// still pass, because the newest are read first.
	maxSignatures = 100
	// maxPayload of a legacy signature: real ones have about 250 bytes plus
	// annotations.
	maxPayload = 64 << 10
	// maxSignature in base64: an RSA-8192 signature has 1,368 characters.
	maxSignature = 8 << 10
	// maxBundle: real ones, with log entries and timestamps, stay below 120 KiB.
	maxBundle = 512 << 10
)

// exhibit is a signature that is listed and not yet read. It returns a flaw if
// the bytes make no sense, and other errors if they could not be had.
type exhibit func(ctx context.Context) (evidence, error)

// evidence is a signature that was read.
type evidence interface {
	// check is pure. The text says what was found, for people.
	check(key signature.Verifier) (outcome, string)
}

// outcome of checking one signature with one key.
type outcome int

// Outcomes, from far to near; the zero value never passes.
const (
	byOtherKey outcome = iota
	ofOtherType
	forOtherImage
	good
)

// flaw is a fault in stored bytes: the signature does not count, and asking the
// registry again would not change that.
type flaw struct{ text string }

func (f *flaw) Error() string { return f.text }

func flawed(format string, args ...any) error { return &flaw{text: fmt.Sprintf(format, args...)} }

// asFlaw tells faults in stored bytes from faults on the way to them.
func asFlaw(err error) (string, bool) {
	var f *flaw
	if errors.As(err, &f) {
		return f.text, true
	}
	if errors.Is(err, images.ErrNotFound) {
		return "listed, but not in the registry", true
	}
	if errors.Is(err, images.ErrTooLarge) {
		return err.Error(), true
	}
	if refusal, ok := run.AsRefusal(err); ok {
		return refusal.Message, true
	}
	return "", false
}

// guarded turns a panic of a parser into a flaw. The bytes come from strangers,
// the parsers from others, and one image must not end the whole controller.
func guarded[T any](parse func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = flawed("the parser gave up on it: %v", p)
		}
	}()
	return parse()
}
