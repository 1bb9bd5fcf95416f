package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PullRequestSpec names the proposal.
//
// +kubebuilder:validation:XValidation:rule="self.repository == oldSelf.repository && self.number == oldSelf.number",message="a pull request object follows one pull request: repository and number cannot be changed"
type PullRequestSpec struct {
	// Repository URL without credentials.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Repository string `json:"repository"`
	// Provider is the forge's API.
	// +kubebuilder:validation:Enum=github;gitea
	// +required
	Provider string `json:"provider"`
	// Number of the pull request on the forge.
	// +kubebuilder:validation:Minimum=1
	// +required
	Number int64 `json:"number"`
	// Base branch that the change should reach.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Base string `json:"base,omitempty"`
	// Branch that carries the change.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Branch string `json:"branch,omitempty"`
	// CauseKey is the same for every run that proposes this change.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	CauseKey string `json:"causeKey,omitempty"`
	// Execution that opened or last updated it.
	// +optional
	Execution *ExecutionReference `json:"execution,omitempty"`
	// SecretRef holds the credentials to read the forge with, as for Git.
	// +optional
	SecretRef *LocalReference `json:"secretRef,omitempty"`
	// Interval at which the forge is asked, ±5 %; default 30s.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +kubebuilder:default="30s"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// Suspend stops asking the forge.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// PullRequestStatus is what the forge says.
type PullRequestStatus struct {
	// ObservedGeneration is the last generation that was handled to an end.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Ready, Reconciling, Stalled.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// LastHandledReconcileAt is the last value of the reconcile request annotation that was handled.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
	// State on the forge.
	// +kubebuilder:validation:Enum=Open;Merged;Closed
	// +optional
	State string `json:"state,omitempty"`
	// URL for people.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	URL string `json:"url,omitempty"`
	// Title on the forge.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Title string `json:"title,omitempty"`
	// HeadSHA is the commit that the branch carries.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	HeadSHA string `json:"headSHA,omitempty"`
	// MergeSHA is the commit that merged it.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	MergeSHA string `json:"mergeSHA,omitempty"`
}

// PullRequest is a change that a run proposed, followed to its end.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=kpr,categories=kubernaut
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PullRequest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is asked for.
	// +required
	Spec PullRequestSpec `json:"spec"`
	// Status is what was found.
	// +kubebuilder:default={"observedGeneration":-1}
	// +optional
	Status PullRequestStatus `json:"status,omitempty"`
}

// PullRequestList is a list of PullRequest objects.
//
// +kubebuilder:object:root=true
type PullRequestList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PullRequest `json:"items"`
}

// GetConditions returns the status conditions.
func (in *PullRequest) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *PullRequest) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
