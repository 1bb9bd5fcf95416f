package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ActionSpec names an image and what it claims to be.
//
// +kubebuilder:validation:XValidation:rule="self.image.matches('^[^@]+@sha256:[0-9a-f]{64}$')",message="an action names its image by digest: repository@sha256:<64 hex>"
type ActionSpec struct {
	// Type of the action, such as "git/clone" or "kubernetes/scale-deployment";
	// must equal the contract's.
	// +kubebuilder:validation:Pattern=`^[a-z0-9-]+/[a-z0-9_-]+$`
	// +kubebuilder:validation:MaxLength=127
	// +required
	Type string `json:"type"`
	// Version of the action, vMAJOR.MINOR.PATCH; must equal the contract's.
	// +kubebuilder:validation:Pattern=`^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`
	// +kubebuilder:validation:MaxLength=64
	// +required
	Version string `json:"version"`
	// Image by digest.
	// +kubebuilder:validation:MaxLength=512
	// +required
	Image string `json:"image"`
}

// Verification is why an image may run.
type Verification struct {
	// Policies that name the image, all of which it satisfies; no more than 16 are told.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	// +optional
	Policies []string `json:"policies,omitempty"`
	// Authority of the first policy that a signature satisfied.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Authority string `json:"authority,omitempty"`
	// Signer is "key sha256:<16 hex>" or the identity in the certificate.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Signer string `json:"signer,omitempty"`
	// Issuer that vouches for the identity; absent for a key.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// Format that the signature is stored in; absent where no signature was asked for.
	// +kubebuilder:validation:Enum=legacy;bundle
	// +optional
	Format string `json:"format,omitempty"`
	// LogIndex of the signature in its transparency log; absent where none was asked.
	// +kubebuilder:validation:Minimum=0
	// +optional
	LogIndex *int64 `json:"logIndex,omitempty"`
	// SignedAt by a log or a timestamp authority; absent where none says it.
	// +optional
	SignedAt *metav1.Time `json:"signedAt,omitempty"`
	// VerifiedAt is when the signatures were looked at last.
	// +optional
	VerifiedAt *metav1.Time `json:"verifiedAt,omitempty"`
}

// VerifiedImage is an image of a run and why it may run.
type VerifiedImage struct {
	// Image by digest, as the steps name it.
	// +kubebuilder:validation:MaxLength=512
	// +required
	Image string `json:"image"`

	Verification `json:",inline"`
}

// ActionStatus is what the verified image says of itself.
type ActionStatus struct {
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
	// Digest that was verified.
	// +kubebuilder:validation:MaxLength=71
	// +optional
	Digest string `json:"digest,omitempty"`
	// Signer who signed it.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Signer string `json:"signer,omitempty"`
	// Verification of the digest; absent while it is not verified.
	// +optional
	Verification *Verification `json:"verification,omitempty"`
	// ContractHash is the SHA-256 of the contract file, "sha256:<hex>".
	// +kubebuilder:validation:MaxLength=71
	// +optional
	ContractHash string `json:"contractHash,omitempty"`
	// Contract is the contract read from the verified digest.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Contract *apiextensionsv1.JSON `json:"contract,omitempty"`
}

// Action is one action container that workflows may use: a name for a signed image.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=kact,categories=kubernaut
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Action struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is asked for.
	// +required
	Spec ActionSpec `json:"spec"`
	// Status is what was found.
	// +kubebuilder:default={"observedGeneration":-1}
	// +optional
	Status ActionStatus `json:"status,omitempty"`
}

// ActionList is a list of Action objects.
//
// +kubebuilder:object:root=true
type ActionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Action `json:"items"`
}

// GetConditions returns the status conditions.
func (in *Action) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *Action) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
