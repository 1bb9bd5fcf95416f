package run

import "time"

// Cause is why an attempt failed that another one may mend.
type Cause string

// Causes, as api/v1alpha1 spells them.
const (
	// RetryableExit: the action ended with an exit code after which its contract
	// lets it be tried again.
	RetryableExit Cause = "RetryableExit"
	// Timeout: the attempt took longer than it may.
	Timeout Cause = "Timeout"
	// Infrastructure: the pod was evicted, preempted, deleted or lost with its node.
	Infrastructure Cause = "Infrastructure"
)

const (
	// MaxLost is how many attempts of a step may be lost before their action began
	// and be repeated without being counted: a cluster that loses more needs help.
	MaxLost = 10
	// MaxRetries is the highest Limit, as api/v1alpha1 has it.
	MaxRetries = 10
	// MaxAttempts is how many attempts of a step there can be.
	MaxAttempts = 1 + MaxRetries + MaxLost
)

// Retries says how often and when a failed attempt is repeated.
type Retries struct {
	// Limit of further attempts.
	Limit int
	// Causes that are repeated.
	Causes []Cause
	// Initial pause, Factor by which each is longer than the one before, and Max,
	// the longest one.
	Initial, Max time.Duration
	Factor       int
}

// DefaultRetries hold where a step says nothing.
func DefaultRetries() Retries {
	return Retries{Limit: 2, Causes: []Cause{RetryableExit, Infrastructure}, Initial: 10 * time.Second, Factor: 2, Max: 10 * time.Minute}
}
