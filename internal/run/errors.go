package run

import (
	"errors"
	"fmt"
	"time"
)

// Reason is a machine-readable CamelCase word; every value is a constant in
// api/v1alpha1.
type Reason string

// Refusal is an error that repeating cannot mend: a person has to act. The
// message says what was tried, on which object, what was found and what to do.
type Refusal struct {
	Reason  Reason
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// Refuse returns a Refusal with a formatted message.
func Refuse(reason Reason, format string, args ...any) error {
	return &Refusal{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Wait is an error that time or an event mends. A zero Until means that an
// event is watched for and no timer is needed.
type Wait struct {
	Reason  Reason
	Message string
	Until   time.Time
}

func (w *Wait) Error() string { return w.Message }

// WaitFor returns a Wait with a formatted message.
func WaitFor(reason Reason, until time.Time, format string, args ...any) error {
	return &Wait{Reason: reason, Until: until, Message: fmt.Sprintf(format, args...)}
}

// AsRefusal finds a Refusal in the chain of err.
func AsRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

// AsWait finds a Wait in the chain of err.
func AsWait(err error) (*Wait, bool) {
	var w *Wait
	ok := errors.As(err, &w)
	return w, ok
}
