package image

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image/access"
	"github.com/kubernaut/kubernaut/internal/run"
)

// ErrNotFound says that the registry answered and has no such manifest or blob.
var ErrNotFound = errors.New("not found in the registry")

// ErrTooLarge says that an answer was cut off at its limit. What is too large
// stays so; it is a fault of what was stored and not of the way to it.
var ErrTooLarge = errors.New("answer of the registry is larger than allowed")

// errUnauthorized says that the registry wants other credentials.
var errUnauthorized = errors.New("the registry refused the credentials")

// classify sorts an error of the registry library. Only a clear answer of the
// registry becomes ErrNotFound or errUnauthorized; all else may pass by itself.
func classify(err error) error {
	var denied *access.Denied
	if errors.As(err, &denied) && (denied.Status == http.StatusUnauthorized || denied.Status == http.StatusForbidden) {
		return fmt.Errorf("%w: %w", errUnauthorized, err)
	}
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %w", errUnauthorized, err)
	default:
		return err
	}
}

// Explain turns an error of this package into what the gate understands: a
// Refusal when the image does not exist or may not be read, and otherwise an
// error that names the image and is worth a retry.
func Explain(err error, image string) error {
	var refusal *run.Refusal
	switch {
	case errors.As(err, &refusal):
		return err
	case errors.Is(err, ErrNotFound):
		return run.Refuse(v1alpha1.ReasonImageNotFound,
			"image %s does not exist in its registry (%v); push it or mend the reference", image, err)
	case errors.Is(err, errUnauthorized):
		return run.Refuse(v1alpha1.ReasonAuthenticationFailed,
			"image %s may not be read (%v); add a pull secret for its registry to the service account", image, err)
	default:
		return fmt.Errorf("read image %s: %w", image, err)
	}
}
