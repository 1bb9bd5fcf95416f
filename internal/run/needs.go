package run

import "time"

// Needs is what an action's contract asks of whoever runs it.
type Needs struct {
	// Stdin feeds the inputs to standard input instead of the environment.
	Stdin bool
	// Idempotent actions may be run again though an attempt of them began.
	Idempotent bool
	// Requests and Limits by resource name, as Kubernetes quantities.
	Requests, Limits map[string]string
	// User is the numeric user; zero means the default of 65532.
	User int64
	// WritableRoot asks for a root file system that can be written.
	WritableRoot bool
	// Permissions in the run's namespace.
	Permissions []Permission
	// Credentials names those the action reads; Required ones must be given.
	Credentials []CredentialNeed
	// Timeout of the action if the step does not say; zero means 10 minutes.
	Timeout time.Duration
	// RetryableExits are the exit codes after which the action may be tried again.
	RetryableExits []int
	// PreconditionExits are those by which it says that the world is not as it needs it.
	PreconditionExits []int
	// Outputs that must be present when the action succeeds.
	Outputs []string
}

// Permission is a set of rights in one namespace.
type Permission struct {
	APIGroups, Resources, Verbs []string
}

// CredentialNeed is one credential that an action reads.
type CredentialNeed struct {
	Name     string
	Required bool
}
