package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExecutionPolicySpec is the operator's guard rails for every run in the
// namespace. Several policies hold together: what one leaves out restricts
// nothing, and of what several say the strictest counts.
type ExecutionPolicySpec struct {
	// MaxParallelSteps of one run; the controller's setting holds where no policy says it.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	// +optional
	MaxParallelSteps int32 `json:"maxParallelSteps,omitempty"`
	// MaxConcurrentRuns of the namespace that go on at once; further runs wait
	// in the queue. The controller's setting holds where no policy says it.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	MaxConcurrentRuns int32 `json:"maxConcurrentRuns,omitempty"`
	// ApprovalThreshold is the number of steps above which a person must
	// approve a run; the controller's setting holds where no policy says it.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	// +optional
	ApprovalThreshold *int32 `json:"approvalThreshold,omitempty"`
	// Repositories are the URL prefixes, each ending in "/" or naming one
	// repository whole, that steps may name in their "repository" input. Empty
	// means any.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=2048
	// +listType=set
	// +optional
	Repositories []string `json:"repositories,omitempty"`
	// Ceiling lists the rights that contracts may ask for. Empty means the
	// controller's own ceiling.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Ceiling []PermissionRule `json:"ceiling,omitempty"`
	// ServiceAccounts are the accounts of the namespace that steps may name as
	// their serviceAccountName. The ceiling does not bound an account's rights,
	// so that none may be named where no policy lists any.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +optional
	ServiceAccounts []string `json:"serviceAccounts,omitempty"`
	// History bounds what is kept of finished runs; without it everything is.
	// Of what several policies say about it, the value that keeps more counts.
	// +optional
	History *History `json:"history,omitempty"`
}

// History is how much is kept of finished runs. A run that goes on is never
// touched, and none is deleted whose pull request is open.
type History struct {
	// KeepCompleted is how many runs that completed are kept, the youngest;
	// absent means all.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	KeepCompleted *int32 `json:"keepCompleted,omitempty"`
	// KeepFailed is how many runs that failed or were cancelled are kept, the
	// youngest; absent means all.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	KeepFailed *int32 `json:"keepFailed,omitempty"`
	// TTL is how long after its end a run is kept, however many there are;
	// absent means for ever.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	TTL *metav1.Duration `json:"ttl,omitempty"`
	// StepsTTL is how long after the end of a run its ActionExecutions are kept,
	// with their Jobs, pods and logs; absent means as long as the run. The run's
	// status keeps what came of each step.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	StepsTTL *metav1.Duration `json:"stepsTTL,omitempty"`
}

// PermissionRule is a set of rights in the namespace.
type PermissionRule struct {
	// APIGroups, "" for the core group; no wildcards.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +required
	APIGroups []string `json:"apiGroups"`
	// Resources such as deployments or deployments/scale; no wildcards.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +required
	Resources []string `json:"resources"`
	// Verbs such as get or patch; no wildcards.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=32
	// +listType=set
	// +required
	Verbs []string `json:"verbs"`
}

// ExecutionPolicy is the operator's guard rails in a namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=kpol,categories=kubernaut
// +kubebuilder:printcolumn:name="Parallel",type=integer,JSONPath=`.spec.maxParallelSteps`
// +kubebuilder:printcolumn:name="Approval-Above",type=integer,JSONPath=`.spec.approvalThreshold`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ExecutionPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the guard rails. It has no status: it holds from the moment it is written.
	// +required
	Spec ExecutionPolicySpec `json:"spec"`
}

// ExecutionPolicyList is a list of ExecutionPolicies.
//
// +kubebuilder:object:root=true
type ExecutionPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ExecutionPolicy `json:"items"`
}

// ApprovalSpec is one person's decision about one run.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a decision cannot be changed: delete it and create another"
type ApprovalSpec struct {
	// Execution that the decision is about.
	// +required
	Execution ExecutionReference `json:"execution"`
	// ContentHash of the steps that were looked at, from the run's message.
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	// +kubebuilder:validation:MaxLength=71
	// +required
	ContentHash string `json:"contentHash"`
	// Decision of the person.
	// +kubebuilder:validation:Enum=Approve;Refuse
	// +required
	Decision string `json:"decision"`
	// Approver is the user name of the person; an admission policy refuses any
	// other than the one who sends the request.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Approver string `json:"approver"`
	// Until when the decision holds.
	// +required
	Until metav1.Time `json:"until"`
	// Comment for the auditor.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Comment string `json:"comment,omitempty"`
}

// Approval is a person's decision about a run that may not run unasked.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=kapp,categories=kubernaut
// +kubebuilder:printcolumn:name="Execution",type=string,JSONPath=`.spec.execution.name`
// +kubebuilder:printcolumn:name="Decision",type=string,JSONPath=`.spec.decision`
// +kubebuilder:printcolumn:name="Approver",type=string,JSONPath=`.spec.approver`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.spec.until`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Approval struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the decision. It has no status: runs report what they made of it.
	// +required
	Spec ApprovalSpec `json:"spec"`
}

// ApprovalList is a list of Approvals.
//
// +kubebuilder:object:root=true
type ApprovalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Approval `json:"items"`
}
