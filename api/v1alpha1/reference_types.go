package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LocalReference names an object in the same namespace.
type LocalReference struct {
	// Name of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// ExecutionReference names the WorkflowExecution that an object belongs to.
type ExecutionReference struct {
	// Name of the WorkflowExecution in the same namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// UID of the WorkflowExecution, so that a later one of the same name is not meant.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	UID string `json:"uid"`
}

// Parameter is one value that a run may set.
type Parameter struct {
	// Name by which inputs refer to it: $(params.NAME).
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_-]*$`
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
	// Type of the value.
	// +kubebuilder:validation:Enum=string;integer;number;boolean;array;object;duration;quantity
	// +kubebuilder:default=string
	// +optional
	Type string `json:"type,omitempty"`
	// Description for the person who sets it.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Description string `json:"description,omitempty"`
	// Required refuses a run that does not set it. One with a default is always
	// set, so the two together are refused by the catalog's checks; the API
	// server cannot, because CEL sees no field whose type is open.
	// +optional
	Required bool `json:"required,omitempty"`
	// Default is used when a run does not set it.
	// +optional
	Default *apiextensionsv1.JSON `json:"default,omitempty"`
	// Enum lists the only values allowed, as JSON values.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Enum []apiextensionsv1.JSON `json:"enum,omitempty"`
	// Pattern is a regular expression (RE2) that the whole string must match.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Pattern string `json:"pattern,omitempty"`
	// Minimum of an integer, number, duration or quantity, in the type's own notation.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Minimum string `json:"minimum,omitempty"`
	// Maximum of an integer, number, duration or quantity, in the type's own notation.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Maximum string `json:"maximum,omitempty"`
	// DependsOn names parameters that a run must set where it sets this one; a
	// default does not count.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=set
	// +optional
	DependsOn []string `json:"dependsOn,omitempty"`
	// Sensitive keeps the value out of messages: it may stand only in inputs that
	// the action's contract calls sensitive. It is no Secret: whoever reads the
	// run reads the value.
	// +optional
	Sensitive bool `json:"sensitive,omitempty"`
}

// Credential gives a step the Secret that its action's contract asks for.
type Credential struct {
	// Name of the credential in the action's contract, such as "git".
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
	// SecretRef names the Secret whose keys are mounted as files.
	// +required
	SecretRef LocalReference `json:"secretRef"`
}

// WorkflowStep is one action in a workflow.
//
// +kubebuilder:validation:XValidation:rule="has(self.action) != has(self.image)",message="a step names either an action of the catalog or an image"
// +kubebuilder:validation:XValidation:rule="has(self.image) || !has(self.actionType)",message="actionType belongs to a step with an image; an action of the catalog has its own"
type WorkflowStep struct {
	// Name of the step, unique in its workflow. It becomes part of the names of
	// objects, so it is short.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=40
	// +required
	Name string `json:"name"`
	// Action is the name of an Action object in the same namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Action string `json:"action,omitempty"`
	// ActionType such as "git/clone"; must equal the contract's when given.
	// +kubebuilder:validation:Pattern=`^[a-z0-9-]+/[a-z0-9_-]+$`
	// +kubebuilder:validation:MaxLength=127
	// +optional
	ActionType string `json:"actionType,omitempty"`
	// Image of the action, by digest or by tag; a tag is resolved once per run
	// and the digest that was verified is the digest that runs.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Image string `json:"image,omitempty"`
	// Inputs of the action, an object. $(params.NAME), $(steps.STEP.outputs.NAME),
	// $(target.name) and $(execution.name) are replaced by values; $$( is a literal $(.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Inputs *apiextensionsv1.JSON `json:"inputs,omitempty"`
	// UsesWorkspace mounts the run's shared volume at /workspace.
	// +optional
	UsesWorkspace bool `json:"usesWorkspace,omitempty"`
	// RunAfter names steps that must have succeeded before this one starts.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=40
	// +listType=atomic
	// +optional
	RunAfter []string `json:"runAfter,omitempty"`
	// After names steps and the ends of theirs that this one starts after; runAfter
	// is the short form for those that succeeded. Each step stands in one of the two.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=step
	// +optional
	After []Edge `json:"after,omitempty"`
	// When is a condition in CEL; if it is false the step is skipped. It may name
	// params, target, execution, and of the steps that come before: outputs, phase, reason.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	When string `json:"when,omitempty"`
	// Preconditions must all hold when the step is about to start, or it fails.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Preconditions []Precondition `json:"preconditions,omitempty"`
	// OnFailure says whether the run fails when this step does; default Fail.
	// +kubebuilder:validation:Enum=Fail;Continue
	// +optional
	OnFailure FailureMode `json:"onFailure,omitempty"`
	// Timeout of one attempt; default is the contract's, else 10m.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// ForEach runs the step once for each item of a list.
	// +optional
	ForEach *ForEach `json:"forEach,omitempty"`
	// Retries says how often and when a failed attempt is repeated; absent means its defaults.
	// +optional
	Retries *Retries `json:"retries,omitempty"`
	// Credentials that the action's contract asks for.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Credentials []Credential `json:"credentials,omitempty"`
	// ServiceAccountName runs the step as an account of the namespace instead of
	// one made from the contract's rights; an ExecutionPolicy must list it.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
}

// TargetSchema says what a workflow works on.
type TargetSchema struct {
	// Kinds that a run may name, such as apps/v1/Deployment or v1/Pod.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=320
	// +kubebuilder:validation:items:Pattern=`^([a-z0-9.-]+/)?v[a-z0-9]+/[A-Z][A-Za-z0-9]*$`
	// +listType=set
	// +required
	Kinds []string `json:"kinds"`
}

// Target is the object that a run works on; inputs refer to $(target.name),
// $(target.namespace), $(target.kind) and $(target.apiVersion). Nothing is read
// of it: an action reads what it is given the rights to.
type Target struct {
	// APIVersion such as apps/v1.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^([a-z0-9.-]+/)?v[a-z0-9]+$`
	// +required
	APIVersion string `json:"apiVersion"`
	// Kind such as Deployment.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +required
	Kind string `json:"kind"`
	// Namespace of the object; default is the run's.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// ForEach runs a step once for each item of a list. Its inputs refer to
// $(item), $(item.KEY) and $(index); its outputs are lists in the items' order.
type ForEach struct {
	// Items is a list, or a text that is one reference to a list.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +required
	Items apiextensionsv1.JSON `json:"items"`
	// MaxItems is the longest list that is taken; a longer one fails the step.
	// Where steps are counted for an approval, a step counts as its list is long,
	// or as MaxItems if the list is not known yet.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	// +kubebuilder:default=10
	// +optional
	MaxItems int32 `json:"maxItems,omitempty"`
}

// ItemStatus is one item of a step with forEach.
type ItemStatus struct {
	// Index of the item, from 0.
	// +kubebuilder:validation:Maximum=63
	// +required
	Index int32 `json:"index"`
	// Phase of the item.
	// +kubebuilder:validation:Enum=Pending;Running;Succeeded;Failed;Skipped;Cancelled
	// +required
	Phase StepPhase `json:"phase"`
	// Reason for the phase, unless it says nothing new.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Reason string `json:"reason,omitempty"`
	// Attempts that were started.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// RetryAt is when the next attempt starts, while the item waits for it.
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
	// Ref names the ActionExecution of the last attempt.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Ref string `json:"ref,omitempty"`
}

// Precondition must hold when a step is about to start.
type Precondition struct {
	// Condition in CEL, as in when.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Condition string `json:"condition"`
	// Message for the person who reads why the step failed.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Message string `json:"message,omitempty"`
}

// Edge lets a step start by how another one ended.
type Edge struct {
	// Step that must have ended.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +required
	Step string `json:"step"`
	// Ended lists the ends that this step starts after. It is not called on, since
	// YAML 1.1 reads that key as true.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:Enum=Succeeded;Failed;Skipped;Always
	// +listType=set
	// +required
	Ended []EdgeEnd `json:"ended"`
}

// EdgeEnd is an end of a step that an edge follows.
type EdgeEnd string

// Ends that an edge follows.
const (
	// EdgeSucceeded: the step did its work.
	EdgeSucceeded EdgeEnd = "Succeeded"
	// EdgeFailed: the step failed. One that was stopped did not.
	EdgeFailed EdgeEnd = "Failed"
	// EdgeSkipped: the step never started, and will not.
	EdgeSkipped EdgeEnd = "Skipped"
	// EdgeAlways: the step ended, however.
	EdgeAlways EdgeEnd = "Always"
)

// FailureMode says what the failure of a step means for its run.
type FailureMode string

// Failure modes.
const (
	// FailureFails: the run fails.
	FailureFails FailureMode = "Fail"
	// FailureContinues: the run goes on as if the step did not matter.
	FailureContinues FailureMode = "Continue"
)

// Retries says how often and when a failed attempt is repeated. An attempt
// that was lost before its action began is repeated without being counted; one
// that was lost or timed out later only if the contract says idempotent.
type Retries struct {
	// Limit of further attempts; default 2, and 0 means none.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	// +optional
	Limit *int32 `json:"limit,omitempty"`
	// Backoff between attempts.
	// +optional
	Backoff *Backoff `json:"backoff,omitempty"`
	// Causes lists what is repeated; default RetryableExit and Infrastructure.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:Enum=RetryableExit;Timeout;Infrastructure
	// +listType=set
	// +optional
	Causes []RetryCause `json:"causes,omitempty"`
}

// Backoff grows from attempt to attempt; each pause is spread by 10 %.
type Backoff struct {
	// Initial pause, after the first attempt; default 10s.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	Initial *metav1.Duration `json:"initial,omitempty"`
	// Factor by which each pause is longer than the one before; default 2.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	// +optional
	Factor int32 `json:"factor,omitempty"`
	// Max is the longest pause; default 10m.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	Max *metav1.Duration `json:"max,omitempty"`
}

// RetryCause is why an attempt failed that another one may mend.
type RetryCause string

// Causes of a retry.
const (
	// RetryExit: the action ended with an exit code after which its contract lets it be tried again.
	RetryExit RetryCause = "RetryableExit"
	// RetryTimeout: the attempt took longer than the step's timeout.
	RetryTimeout RetryCause = "Timeout"
	// RetryInfrastructure: the pod was evicted, preempted, deleted or lost with its node.
	RetryInfrastructure RetryCause = "Infrastructure"
)

// Workspace is the volume that the steps of a run share.
type Workspace struct {
	// Size of the volume; default 1Gi.
	// +kubebuilder:validation:Pattern=`^[0-9]+(Ki|Mi|Gi|Ti)$`
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:default="1Gi"
	// +optional
	Size string `json:"size,omitempty"`
	// StorageClassName of the volume; default is the cluster's.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	StorageClassName *string `json:"storageClassName,omitempty"`
}
