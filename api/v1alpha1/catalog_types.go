package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CatalogSpec says where the manifests come from and how they are published.
//
// +kubebuilder:validation:XValidation:rule="has(self.sourceRef) != has(self.git)",message="a catalog comes from either sourceRef or git"
type CatalogSpec struct {
	// Interval at which the source is looked at again, ±5 %.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +required
	Interval metav1.Duration `json:"interval"`
	// RetryInterval after a failed attempt; default is interval.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`
	// Timeout of one attempt; default 60s.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m))+$`
	// +kubebuilder:validation:Type=string
	// +kubebuilder:default="60s"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Suspend stops new attempts; what is published stays.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// Path of the Kustomize tree in the source; default is its root.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Path string `json:"path,omitempty"`
	// Prune deletes objects that left the catalog.
	// +kubebuilder:default=true
	// +optional
	Prune *bool `json:"prune,omitempty"`
	// DeletionPolicy says what happens to published objects when the Catalog is
	// deleted: MirrorPrune does what prune says.
	// +kubebuilder:validation:Enum=MirrorPrune;Delete;Orphan
	// +kubebuilder:default=MirrorPrune
	// +optional
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
	// ServiceAccountName of the namespace in whose name objects are written;
	// default is the controller's own.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// SourceRef names a Flux source in the same namespace.
	// +optional
	SourceRef *SourceReference `json:"sourceRef,omitempty"`
	// Git is a repository that is read directly, without Flux.
	// +optional
	Git *GitSource `json:"git,omitempty"`
}

// SourceReference names a Flux source object.
type SourceReference struct {
	// Kind of the source.
	// +kubebuilder:validation:Enum=GitRepository;OCIRepository;ExternalArtifact
	// +required
	Kind string `json:"kind"`
	// Name of the source.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// GitSource is a Git repository.
type GitSource struct {
	// URL with https, http (lab only, to private addresses) or ssh, without credentials.
	// +kubebuilder:validation:Pattern=`^(https?://[^@\s]+|ssh://([^@:/\s]+@)?[^@\s]+)$`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	URL string `json:"url"`
	// Ref to follow; default is branch main.
	// +optional
	Ref *GitRef `json:"ref,omitempty"`
	// SecretRef holds Flux's keys: username and password, bearerToken, or
	// identity and known_hosts; optionally ca.crt.
	// +optional
	SecretRef *LocalReference `json:"secretRef,omitempty"`
	// CertSecretRef holds ca.crt and optionally tls.crt and tls.key.
	// +optional
	CertSecretRef *LocalReference `json:"certSecretRef,omitempty"`
	// ProxySecretRef holds address and optionally username and password.
	// +optional
	ProxySecretRef *LocalReference `json:"proxySecretRef,omitempty"`
	// Verify refuses commits that no trusted key signed.
	// +optional
	Verify *GitVerification `json:"verify,omitempty"`
}

// GitRef names what to follow; commit wins over name, semver, tag and branch.
type GitRef struct {
	// Branch to follow.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Branch string `json:"branch,omitempty"`
	// Tag to follow.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Tag string `json:"tag,omitempty"`
	// SemVer range; the highest tag in it is followed.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	SemVer string `json:"semver,omitempty"`
	// Name of a full reference such as refs/pull/42/head.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Name string `json:"name,omitempty"`
	// Commit to stay at, 40 hexadecimal digits.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{40}$`
	// +kubebuilder:validation:MaxLength=40
	// +optional
	Commit string `json:"commit,omitempty"`
}

// GitVerification says whose signature a commit must carry.
type GitVerification struct {
	// Mode says what must be signed; HEAD is the commit that is published.
	// +kubebuilder:validation:Enum=HEAD
	// +kubebuilder:default=HEAD
	// +optional
	Mode string `json:"mode,omitempty"`
	// SecretRef holds the trusted keys: armored PGP public keys in keys that end
	// in .asc, SSH allowed-signers lines in keys that end in .pub.
	// +required
	SecretRef LocalReference `json:"secretRef"`
}

// CatalogStatus is what was found and published.
type CatalogStatus struct {
	// ObservedGeneration is the last generation that was handled to an end.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Ready, Reconciling, Stalled, SourceVerified.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// LastHandledReconcileAt is the last value of the reconcile request annotation that was handled.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
	// LastAttemptedRevision is the revision of the last attempt, "main@sha1:<hex>".
	// +kubebuilder:validation:MaxLength=512
	// +optional
	LastAttemptedRevision string `json:"lastAttemptedRevision,omitempty"`
	// LastAppliedRevision is the revision that is published.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	LastAppliedRevision string `json:"lastAppliedRevision,omitempty"`
	// Inventory lists what is published.
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=2000
	// +optional
	Inventory []InventoryEntry `json:"inventory,omitempty"`
	// Actions is the number of Actions published.
	// +optional
	Actions int32 `json:"actions,omitempty"`
	// Workflows is the number of Workflows published.
	// +optional
	Workflows int32 `json:"workflows,omitempty"`
	// Findings of the last attempt, at most 50; none after a good one.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	// +optional
	Findings []Finding `json:"findings,omitempty"`
	// History lists the last five distinct attempts, newest first.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	// +optional
	History []CatalogSnapshot `json:"history,omitempty"`
}

// InventoryEntry is one published object.
type InventoryEntry struct {
	// ID is namespace_name_group_kind.
	// +kubebuilder:validation:MaxLength=600
	// +required
	ID string `json:"id"`
	// Version of the API.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Version string `json:"v"`
}

// Finding is one thing wrong with a manifest.
type Finding struct {
	// File relative to the catalog's path.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	File string `json:"file,omitempty"`
	// Line in the file, from 1; 0 when the finding is about the whole file.
	// +optional
	Line int32 `json:"line,omitempty"`
	// Object is kind/name when it could be read.
	// +kubebuilder:validation:MaxLength=320
	// +optional
	Object string `json:"object,omitempty"`
	// Reason such as ValidationFailed or InvalidDependencyGraph.
	// +kubebuilder:validation:MaxLength=64
	// +required
	Reason string `json:"reason"`
	// Message says what was found and what to do.
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Message string `json:"message"`
}

// CatalogSnapshot is one attempt at one revision.
type CatalogSnapshot struct {
	// Revision that was attempted.
	// +kubebuilder:validation:MaxLength=512
	// +required
	Revision string `json:"revision"`
	// Reason the attempt ended with.
	// +kubebuilder:validation:MaxLength=64
	// +required
	Reason string `json:"reason"`
	// Time the attempt ended.
	// +required
	Time metav1.Time `json:"time"`
}

// Catalog publishes Actions and Workflows from Git.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=kcat,categories=kubernaut
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.lastAppliedRevision`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Catalog struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where the manifests come from.
	// +required
	Spec CatalogSpec `json:"spec"`
	// Status is what was found and published.
	// +kubebuilder:default={"observedGeneration":-1}
	// +optional
	Status CatalogStatus `json:"status,omitempty"`
}

// CatalogList is a list of Catalogs.
//
// +kubebuilder:object:root=true
type CatalogList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Catalog `json:"items"`
}

// GetConditions returns the status conditions.
func (in *Catalog) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *Catalog) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
