package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ActionExecutionSpec is one action to run once. It cannot be changed, but for cancel.
//
// +kubebuilder:validation:XValidation:rule="self.execution == oldSelf.execution && self.step == oldSelf.step && (has(self.attempt) ? has(oldSelf.attempt) && self.attempt == oldSelf.attempt : !has(oldSelf.attempt)) && (has(self.item) ? has(oldSelf.item) && self.item == oldSelf.item : !has(oldSelf.item)) && (has(self.actionType) ? has(oldSelf.actionType) && self.actionType == oldSelf.actionType : !has(oldSelf.actionType)) && self.image == oldSelf.image && (has(self.imageVerification) ? has(oldSelf.imageVerification) && self.imageVerification == oldSelf.imageVerification : !has(oldSelf.imageVerification)) && (has(self.inputs) ? has(oldSelf.inputs) && self.inputs == oldSelf.inputs : !has(oldSelf.inputs)) && (has(self.volumes) ? has(oldSelf.volumes) && self.volumes == oldSelf.volumes : !has(oldSelf.volumes)) && (has(self.credentials) ? has(oldSelf.credentials) && self.credentials == oldSelf.credentials : !has(oldSelf.credentials)) && (has(self.serviceAccountName) ? has(oldSelf.serviceAccountName) && self.serviceAccountName == oldSelf.serviceAccountName : !has(oldSelf.serviceAccountName)) && (has(self.timeout) ? has(oldSelf.timeout) && self.timeout == oldSelf.timeout : !has(oldSelf.timeout)) && (has(self.nodeName) ? has(oldSelf.nodeName) && self.nodeName == oldSelf.nodeName : !has(oldSelf.nodeName)) && (has(self.facts) ? has(oldSelf.facts) && self.facts == oldSelf.facts : !has(oldSelf.facts))",message="an action execution cannot be changed but for cancel"
type ActionExecutionSpec struct {
	// Execution that the step belongs to.
	// +required
	Execution ExecutionReference `json:"execution"`
	// Step name in the execution.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +required
	Step string `json:"step"`
	// Attempt of the step, from 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:default=1
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// Item of a step with forEach, from 0.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=63
	// +optional
	Item *int32 `json:"item,omitempty"`
	// ActionType as the contract names it.
	// +kubebuilder:validation:MaxLength=127
	// +optional
	ActionType string `json:"actionType,omitempty"`
	// Image pinned to the verified digest.
	// +kubebuilder:validation:Pattern=`^[^@]+@sha256:[0-9a-f]{64}$`
	// +kubebuilder:validation:MaxLength=512
	// +required
	Image string `json:"image"`
	// ImageVerification is always strict: the image is verified again before the Job is created.
	// +kubebuilder:validation:Enum=strict
	// +kubebuilder:default=strict
	// +optional
	ImageVerification string `json:"imageVerification,omitempty"`
	// Inputs with every reference replaced.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Inputs *apiextensionsv1.JSON `json:"inputs,omitempty"`
	// Volumes that are mounted into the action.
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=name
	// +optional
	Volumes []ActionVolume `json:"volumes,omitempty"`
	// Credentials that are mounted as files.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Credentials []Credential `json:"credentials,omitempty"`
	// ServiceAccountName to run as; empty means one made from the contract's rights.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// Timeout of the action; default is the contract's, else 10m.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// NodeName where the workspace's volume is attached; the pod goes there.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	NodeName string `json:"nodeName,omitempty"`
	// Facts about the run that the action may tell a reviewer, as KUBERNAUT_* variables.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	Facts map[string]string `json:"facts,omitempty"`
	// Cancel stops the action.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
}

// ActionVolume mounts a claim.
type ActionVolume struct {
	// Name of the volume.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
	// PVCName is the claim.
	// +kubebuilder:validation:MaxLength=253
	// +required
	PVCName string `json:"pvcName"`
	// MountPath in the container.
	// +kubebuilder:validation:MaxLength=255
	// +required
	MountPath string `json:"mountPath"`
}

// ActionExecutionStatus is what became of the action.
type ActionExecutionStatus struct {
	// ObservedGeneration is the last generation that was handled to an end.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Ready, Reconciling, Stalled, Verified.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// LastHandledReconcileAt is the last value of the reconcile request annotation that was handled.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
	// Phase of the action.
	// +kubebuilder:validation:Enum=Pending;Running;Succeeded;Failed;Cancelled
	// +optional
	Phase StepPhase `json:"phase,omitempty"`
	// Digest that was verified, and the only one that runs.
	// +kubebuilder:validation:MaxLength=71
	// +optional
	Digest string `json:"digest,omitempty"`
	// Signer who signed it.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Signer string `json:"signer,omitempty"`
	// Verification of the digest; nothing is created before it.
	// +optional
	Verification *Verification `json:"verification,omitempty"`
	// JobName is the Job that runs the action.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	JobName string `json:"jobName,omitempty"`
	// PodName is the pod whose result counts.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	PodName string `json:"podName,omitempty"`
	// NodeName is where the pod ran.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	NodeName string `json:"nodeName,omitempty"`
	// ExitCode of the action.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// FailureCause is set if the attempt failed for a cause that another one may mend.
	// +kubebuilder:validation:Enum=RetryableExit;Timeout;Infrastructure
	// +optional
	FailureCause RetryCause `json:"failureCause,omitempty"`
	// Began says of such an attempt whether the action may have done anything.
	// +optional
	Began bool `json:"began,omitempty"`
	// Repeatable says of such an attempt whether the contract calls the action idempotent.
	// +optional
	Repeatable bool `json:"repeatable,omitempty"`
	// StartedAt is when the pod started.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// CompletedAt is when the action ended.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// Outputs of the action, at most 2 KiB.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Outputs *apiextensionsv1.JSON `json:"outputs,omitempty"`
}

// ActionExecution is one step of a run on the Job engine.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=kae,categories=kubernaut
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.actionType`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ActionExecution struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is asked for.
	// +required
	Spec ActionExecutionSpec `json:"spec"`
	// Status is what was found.
	// +kubebuilder:default={"observedGeneration":-1}
	// +optional
	Status ActionExecutionStatus `json:"status,omitempty"`
}

// ActionExecutionList is a list of ActionExecution objects.
//
// +kubebuilder:object:root=true
type ActionExecutionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ActionExecution `json:"items"`
}

// GetConditions returns the status conditions.
func (in *ActionExecution) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *ActionExecution) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
