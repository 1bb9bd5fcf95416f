// Package memory is a verifier without registry and policies, for tests and
// previews on the command line.
package memory

import (
	"context"
	"sync"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Verifier lets the digests pass that it was told. It is safe for concurrent use.
type Verifier struct {
	mu      sync.Mutex
	allowed map[string]verify.Result
	err     error
}

var _ verify.Keyed = (*Verifier)(nil)

// New allows the given digests, each with the result that Verify shall return.
func New(allowed map[string]verify.Result) *Verifier {
	v := &Verifier{allowed: map[string]verify.Result{}}
	for digest, result := range allowed {
		v.Allow(digest, result)
	}
	return v
}

// Allow lets one more digest pass.
func (v *Verifier) Allow(digest string, r verify.Result) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.allowed[digest] = r
}

// Fail makes every call return err, such as an outage, until it is nil again.
func (v *Verifier) Fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

// Verify refuses whatever was not allowed.
func (v *Verifier) Verify(_ context.Context, img verify.Image, _ verify.Subject) (verify.Result, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return verify.Result{}, v.err
	}
	if result, ok := v.allowed[img.Digest]; ok {
		return result, nil
	}
	return verify.Result{}, run.Refuse(v1alpha1.ReasonImageUnsigned, "image %s is not signed: it is none of the digests that were allowed", img)
}

// Key is the same for every call: what is allowed is the only policy.
func (v *Verifier) Key(context.Context, verify.Image, verify.Subject) (verify.Key, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return verify.Key{}, v.err
}
