// Package contract reads the document in which an action says what it takes, gives and needs.
package contract

import "strings"

// Fixed words of every contract document.
const (
	// APIVersion of the document.
	APIVersion = "kubernaut.ai/v1alpha1"
	// Kind of the document.
	Kind = "ActionContract"
	// InputEnv delivers inputs in the variable ACTION_INPUTS.
	InputEnv = "env"
	// InputStdin delivers inputs on standard input, through the launcher.
	InputStdin = "stdin"
	// ScopeNamespace asks for rights in the execution's namespace only.
	ScopeNamespace = "Namespace"
	// ScopeCluster asks for rights everywhere.
	ScopeCluster = "Cluster"
	// ExitRetryable is the exit code of an action that lists none of its own and
	// met an error that may pass.
	ExitRetryable = 75
	// ExitPrecondition is the exit code of one that found the world not as it
	// needs it and changed nothing.
	ExitPrecondition = 66
	// MeaningRetryable of an exit code: the action may be tried again.
	MeaningRetryable = "retryable"
	// MeaningPrecondition of an exit code: the world is not as the action needs it.
	MeaningPrecondition = "preconditionFailed"
)

// Type of an input or output.
type Type string

// Types of inputs and outputs. A duration is text such as "90s" or "1h30m", a
// quantity is text such as "512Mi"; an integer has 64 bits.
const (
	String   Type = "string"
	Integer  Type = "integer"
	Number   Type = "number"
	Boolean  Type = "boolean"
	Array    Type = "array"
	Object   Type = "object"
	Duration Type = "duration"
	Quantity Type = "quantity"
)

// Contract is one ActionContract document. One that Parse returned has every
// default filled in and keeps every rule of this package.
type Contract struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names a contract.
type Metadata struct {
	// Name is dashed, such as "git-clone", or "domain/name".
	Name string `json:"name"`
	// Version is vMAJOR.MINOR.PATCH.
	Version string `json:"version"`
}

// Spec is what the action takes, gives and needs.
type Spec struct {
	Description string `json:"description"`
	// ActionType such as "git/clone", as workflows and Action objects spell it.
	ActionType string `json:"actionType"`
	// Input is how the action is given its inputs: InputEnv or InputStdin.
	Input string `json:"input,omitempty"`
	// Idempotent says that running the action twice is running it once, so that
	// it may be repeated after a crash.
	Idempotent bool     `json:"idempotent,omitempty"`
	Inputs     []Input  `json:"inputs,omitempty"`
	Outputs    []Output `json:"outputs,omitempty"`
	// Resources of the action's container; limits are required.
	Resources Resources `json:"resources"`
	RBAC      RBAC      `json:"rbac,omitzero"`
	// SecurityContext may tighten the floor and never loosen it.
	SecurityContext SecurityContext `json:"securityContext,omitzero"`
	Credentials     []Credential    `json:"credentials,omitempty"`
	// ExitCodes lists codes of an action that does not follow ours.
	ExitCodes []ExitCode `json:"exitCodes,omitempty"`
	// Timeout of one attempt where the workflow sets none, such as "5m".
	Timeout string `json:"timeout,omitempty"`
}

// Input is one named value that the action takes.
type Input struct {
	Name     string `json:"name"`
	Type     Type   `json:"type"`
	Required bool   `json:"required,omitempty"`
	// Default is used where the input is not given.
	Default any `json:"default,omitempty"`
	// Enum lists every allowed value.
	Enum []any `json:"enum,omitempty"`
	// Pattern is an anchored regular expression for a string.
	Pattern string `json:"pattern,omitempty"`
	// Minimum and Maximum bound an integer, number, duration or quantity.
	Minimum any `json:"minimum,omitempty"`
	Maximum any `json:"maximum,omitempty"`
	// DependsOn names inputs that must be given where this one is.
	DependsOn []string `json:"dependsOn,omitempty"`
	// Sensitive values appear in no message and no log.
	Sensitive   bool   `json:"sensitive,omitempty"`
	Description string `json:"description,omitempty"`
}

// Output is one named value that the action gives.
type Output struct {
	Name        string `json:"name"`
	Type        Type   `json:"type"`
	Description string `json:"description,omitempty"`
}

// Resources are Kubernetes quantities by "cpu" and "memory".
type Resources struct {
	Requests Amounts `json:"requests,omitzero"`
	Limits   Amounts `json:"limits"`
}

// Amounts of the two resources that a contract may name.
type Amounts struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
}

// RBAC lists the rights that the action needs; none means no access at all.
type RBAC struct {
	Permissions []Permission `json:"permissions,omitempty"`
}

// Permission is one set of rights, without wildcards.
type Permission struct {
	APIGroups []string `json:"apiGroups"`
	Resources []string `json:"resources"`
	Verbs     []string `json:"verbs"`
	// Scope is ScopeNamespace or ScopeCluster.
	Scope string `json:"scope,omitempty"`
}

// SecurityContext of the action's container.
type SecurityContext struct {
	RunAsNonRoot             *bool         `json:"runAsNonRoot,omitempty"`
	RunAsUser                *int64        `json:"runAsUser,omitempty"`
	ReadOnlyRootFilesystem   *bool         `json:"readOnlyRootFilesystem,omitempty"`
	AllowPrivilegeEscalation *bool         `json:"allowPrivilegeEscalation,omitempty"`
	Capabilities             *Capabilities `json:"capabilities,omitempty"`
}

// Capabilities can only be dropped.
type Capabilities struct {
	Drop []string `json:"drop"`
}

// Credential names a Secret that is mounted at /kubernaut/credentials/<name>/.
type Credential struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required,omitempty"`
}

// ExitCode says what one exit code of the action means.
type ExitCode struct {
	Code int `json:"code"`
	// Meaning is success, retryable, terminal, preconditionFailed or refused.
	Meaning     string `json:"meaning"`
	Description string `json:"description,omitempty"`
}

// Input finds a declared input by name.
func (c Contract) Input(name string) (Input, bool) {
	for _, in := range c.Spec.Inputs {
		if in.Name == name {
			return in, true
		}
	}
	return Input{}, false
}

// RetryableExits are the exit codes after which the action may be tried again:
// those that the contract lists as retryable, which is its own promise; without
// any list ExitRetryable, which says nothing of what was done before the error,
// so that the action must be idempotent.
func (c Contract) RetryableExits() []int {
	if len(c.Spec.ExitCodes) == 0 && c.Spec.Idempotent {
		return []int{ExitRetryable}
	}
	return c.exits(MeaningRetryable)
}

// CanonicalType spells an action type with dashes, since early workflows wrote
// "kubernetes/scale_deployment" for what is "kubernetes/scale-deployment".
func CanonicalType(actionType string) string {
	return strings.ReplaceAll(actionType, "_", "-")
}
