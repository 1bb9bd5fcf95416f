package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkflowSpec is the whole remediation.
type WorkflowSpec struct {
	// Version, vMAJOR.MINOR.PATCH. Other content needs another version.
	// +kubebuilder:validation:Pattern=`^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`
	// +kubebuilder:validation:MaxLength=64
	// +required
	Version string `json:"version"`
	// Description for the person who chooses it.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Description string `json:"description,omitempty"`
	// Parameters that a run may set.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Parameters []Parameter `json:"parameters,omitempty"`
	// Target says what a run works on; without it a run names nothing.
	// +optional
	Target *TargetSchema `json:"target,omitempty"`
	// Steps of the remediation; order comes from runAfter and after alone.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +required
	Steps []WorkflowStep `json:"steps"`
	// OnFailure steps run when the steps have failed, to undo or to tell; the run
	// stays failed.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	OnFailure []WorkflowStep `json:"onFailure,omitempty"`
	// Finally steps run at the end, however it went, unless the run is terminated.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Finally []WorkflowStep `json:"finally,omitempty"`
	// FinallyTimeout bounds onFailure and finally, each for itself, beyond the
	// timeout of the run; default 10m.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	FinallyTimeout *metav1.Duration `json:"finallyTimeout,omitempty"`
	// FailFast starts no step after one failed, but those that come after the
	// failed one; default true. False goes on with whatever can run.
	// +optional
	FailFast *bool `json:"failFast,omitempty"`
	// Workspace that the steps share, made when a step uses it.
	// +optional
	Workspace *Workspace `json:"workspace,omitempty"`
	// QueueTimeout bounds how long a run waits for a place among the runs that
	// may go on at once; default 1h.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	QueueTimeout *metav1.Duration `json:"queueTimeout,omitempty"`
	// Timeout of the steps of a run, from its start; default 30m.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Engine that runs the steps: auto or job, which mean Kubernetes Jobs.
	// +kubebuilder:validation:Enum=auto;job
	// +kubebuilder:default=auto
	// +optional
	Engine string `json:"engine,omitempty"`
}

// WorkflowStatus says whether the workflow can run.
type WorkflowStatus struct {
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
	// ContentHash is the SHA-256 of the canonical spec, "sha256:<hex>".
	// +kubebuilder:validation:MaxLength=71
	// +optional
	ContentHash string `json:"contentHash,omitempty"`
	// Version that ContentHash belongs to.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Version string `json:"version,omitempty"`
	// Order is one order in which the steps can run.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=40
	// +listType=atomic
	// +optional
	Order []string `json:"order,omitempty"`
}

// Workflow is a remediation as a graph of actions.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=kwf,categories=kubernaut
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Workflow struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is asked for.
	// +required
	Spec WorkflowSpec `json:"spec"`
	// Status is what was found.
	// +kubebuilder:default={"observedGeneration":-1}
	// +optional
	Status WorkflowStatus `json:"status,omitempty"`
}

// WorkflowList is a list of Workflow objects.
//
// +kubebuilder:object:root=true
type WorkflowList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Workflow `json:"items"`
}

// GetConditions returns the status conditions.
func (in *Workflow) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *Workflow) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
