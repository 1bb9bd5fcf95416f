package repo

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// ErrNoChange means that a commit would change nothing.
var ErrNoChange = errors.New("no change to commit")

// ErrStaleBase means that the remote branch moved while it was written: clone
// afresh, change and push again.
var ErrStaleBase = errors.New("remote branch moved")

// errTooLarge stops a transfer at the size limit.
var errTooLarge = errors.New("size limit reached")

// explain turns what go-git says about a remote into one of the three error
// classes, without credentials and in bounded, printable text.
func (l link) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := run.AsRefusal(err); ok {
		return err
	}
	url := l.remote.URL
	switch {
	case errors.Is(err, errTooLarge):
		return refuse(v1alpha1.ReasonRepositoryTooLarge, "%s %s: repository is larger than the limit", doing, url)
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return refuse(v1alpha1.ReasonEmptySource, "%s %s: the repository is empty: push a first commit", doing, url)
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed),
		errors.Is(err, transport.ErrInvalidAuthMethod):
		return refuse(v1alpha1.ReasonAuthenticationFailed, "%s %s: the host refuses access (sent: %s): mend the credentials", doing, url, l.remote.Auth)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return refuse(v1alpha1.ReasonRepositoryNotFound, "%s %s: no such repository for these credentials (sent: %s)", doing, url, l.remote.Auth)
	case strings.Contains(err.Error(), "ssh: handshake failed"), strings.Contains(err.Error(), "knownhosts:"):
		return refuse(v1alpha1.ReasonAuthenticationFailed, "%s %s: ssh handshake: %s", doing, url, l.clean(err))
	case errors.Is(err, context.DeadlineExceeded):
		return &opError{doing + " " + url + ": took too long", err}
	}
	return &opError{doing + " " + url + ": " + l.clean(err), err}
}

func (l link) clean(err error) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, l.remote.Auth.scrub(err.Error()))
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// opError keeps the cause for errors.Is but prints only cleaned text.
type opError struct {
	text  string
	cause error
}

func (e *opError) Error() string        { return e.text }
func (e *opError) Is(target error) bool { return errors.Is(e.cause, target) }

func isUpToDate(err error) bool { return errors.Is(err, git.NoErrAlreadyUpToDate) }
