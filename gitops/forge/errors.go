package forge

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// ErrNotFound means that the forge answered and has no such pull request.
var ErrNotFound = errors.New("no such pull request")

// longestWait bounds what a forge may ask for; GitHub's windows are an hour.
const longestWait = time.Hour

// Classify turns the answer of a forge's API into an error of the right class.
// What was tried is told in what; resp is nil when there was no answer.
func Classify(what string, resp *http.Response, err error, now time.Time) error {
	if resp == nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if until, ok := rateLimit(resp, now); ok {
		return run.WaitFor(v1alpha1.ReasonForgeUnavailable, until, "%s: the forge asks to come back at %s", what, until.UTC().Format(time.RFC3339))
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return run.Refuse(v1alpha1.ReasonAuthenticationFailed, "%s: the forge does not accept the credentials: put a valid token into the Secret", what)
	case http.StatusForbidden:
		return run.Refuse(v1alpha1.ReasonAuthenticationFailed, "%s: the token may not do this: give it the right to read and write pull requests of the repository", what)
	case http.StatusNotFound:
		return run.Refuse(v1alpha1.ReasonRepositoryNotFound, "%s: the forge has no such repository, branch or pull request, or the token cannot see it: check the URL and the token's rights", what)
	case http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusConflict:
		return run.Refuse(v1alpha1.ReasonForgeRefused, "%s: the forge refuses it: %.300s", what, err)
	}
	return fmt.Errorf("%s: the forge answers %s: %w", what, resp.Status, err)
}

// rateLimit reads until when a forge wants to be left alone.
func rateLimit(resp *http.Response, now time.Time) (time.Time, bool) {
	limited := resp.StatusCode == http.StatusTooManyRequests ||
		(resp.StatusCode == http.StatusForbidden && (resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-RateLimit-Remaining") == "0"))
	if !limited {
		return time.Time{}, false
	}
	wait := time.Minute
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		wait = time.Duration(s) * time.Second
	} else if at, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		wait = time.Unix(at, 0).Sub(now)
	}
	return now.Add(min(max(wait, time.Second), longestWait)), true
}
