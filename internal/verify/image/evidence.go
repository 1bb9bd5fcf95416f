package image

import (
	"context"
	"errors"
	"fmt"

	sgverify "github.com/sigstore/sigstore-go/pkg/verify"

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
	// maxBundle and maxEnvelope: signatures with log entries and timestamps stay
	// below 120 KiB; a bill of materials of a large image has a few MiB.
	maxBundle, maxEnvelope = 8 << 20, 8 << 20
	// maxMaterial of a bundle: certificates, log entries and timestamps. Real ones
	// have about 10 KiB; in memory it becomes some sixty times as much.
	maxMaterial = 64 << 10
	// maxProof is one log entry or timestamp, real ones have up to 7 KiB. A key in
	// one of this size costs a quarter of a second.
	maxProof = 16 << 10
	// maxRSA is the bits of a key in a certificate that a signature brings along,
	// as in TLS: what a check costs grows with their square.
	maxRSA = 8192
	// maxParts bounds the commas of a bundle or envelope: one log entry has about
	// 80, most of them between the hashes of its proof.
	maxParts = 4096
	// maxAnnotation of a legacy signature: chains and log entries have a few KiB.
	maxAnnotation = 64 << 10
)

// exhibit is a signature that is listed and not yet read.
type exhibit struct {
	// kind is the predicate type it claims; empty if it claims none. A claim can
	// only make us skip it.
	kind string
	// read returns a flaw if the bytes make no sense, and other errors if they
	// could not be had.
	read func(ctx context.Context) (*evidence, error)
}

// evidence is a signature that was read, in the one form that is judged.
type evidence struct {
	entity sgverify.SignedEntity
	// payload is what a legacy signature was made over; nil where a statement is
	// signed.
	payload []byte
	// asKey is the entity without its certificate, for authorities with keys; nil
	// if there is no certificate.
	asKey sgverify.SignedEntity
	// digest of the stored bytes; empty for a legacy signature.
	digest string
}

// outcome of holding one signature against one authority.
type outcome int

// Outcomes, from far to near; the zero value never passes.
const (
	byOther outcome = iota
	ofOtherType
	forOtherImage
	ruleBroken
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
