package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkflowExecutionSpec asks for one run. It cannot be changed after creation,
// but for suspend, cancel and terminate.
//
// +kubebuilder:validation:XValidation:rule="has(self.workflowRef) != has(self.steps)",message="a run names a workflow or carries its own steps"
// +kubebuilder:validation:XValidation:rule="has(self.steps) == has(self.workflowType)",message="workflowType belongs to a run with its own steps"
// +kubebuilder:validation:XValidation:rule="(has(self.workflowRef) ? has(oldSelf.workflowRef) && self.workflowRef == oldSelf.workflowRef : !has(oldSelf.workflowRef)) && (has(self.workflowType) ? has(oldSelf.workflowType) && self.workflowType == oldSelf.workflowType : !has(oldSelf.workflowType)) && (has(self.steps) ? has(oldSelf.steps) && self.steps == oldSelf.steps : !has(oldSelf.steps)) && (has(self.parameters) ? has(oldSelf.parameters) && self.parameters == oldSelf.parameters : !has(oldSelf.parameters)) && (has(self.target) ? has(oldSelf.target) && self.target == oldSelf.target : !has(oldSelf.target)) && (has(self.retryOf) ? has(oldSelf.retryOf) && self.retryOf == oldSelf.retryOf : !has(oldSelf.retryOf)) && (has(self.reason) ? has(oldSelf.reason) && self.reason == oldSelf.reason : !has(oldSelf.reason)) && (has(self.timeout) ? has(oldSelf.timeout) && self.timeout == oldSelf.timeout : !has(oldSelf.timeout))",message="a run cannot be changed but for suspend, cancel and terminate: create another run"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.cancel) || !oldSelf.cancel || (has(self.cancel) && self.cancel)",message="a cancelled run cannot be taken up again: create another run"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.terminate) || !oldSelf.terminate || (has(self.terminate) && self.terminate)",message="a terminated run cannot be taken up again: create another run"
// +kubebuilder:validation:XValidation:rule="has(self.suspend) && self.suspend || !has(self.suspendReason) && !has(self.suspendedBy)",message="suspendReason and suspendedBy belong to a suspended run: take them out to resume it"
type WorkflowExecutionSpec struct {
	// WorkflowRef names the Workflow in the same namespace.
	// +optional
	WorkflowRef *LocalReference `json:"workflowRef,omitempty"`
	// WorkflowType names an inline run, such as gitops-pr-creation.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	// +optional
	WorkflowType string `json:"workflowType,omitempty"`
	// Steps of an inline run.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Steps []WorkflowStep `json:"steps,omitempty"`
	// Parameters by name; each must satisfy the workflow's schema.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// Target that the run works on, if the workflow says that it works on one.
	// +optional
	Target *Target `json:"target,omitempty"`
	// RetryOf names a run of the same workflow and target that failed or was
	// cancelled. What succeeded there with the same image and inputs is not run
	// again: its outputs are taken over. Steps that use the workspace are.
	// +optional
	RetryOf *LocalReference `json:"retryOf,omitempty"`
	// Reason for the run, for the reviewer of what it does.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Reason string `json:"reason,omitempty"`
	// Timeout of the whole run; default is the workflow's, else 30m.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Suspend starts no further step; running ones go on.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// SuspendReason is why, for whoever waits. Who resumes the run takes it out.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	SuspendReason string `json:"suspendReason,omitempty"`
	// SuspendedBy is the user name of the person who set suspend; an admission
	// policy refuses any other than the one who sends the request.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SuspendedBy string `json:"suspendedBy,omitempty"`
	// Cancel stops running steps and ends the run; its finally steps still run.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
	// Terminate stops everything, finally steps too, and ends the run.
	// +optional
	Terminate bool `json:"terminate,omitempty"`
}

// ExecutionPhase is the short story of a run.
type ExecutionPhase string

// Phases of a run.
const (
	// ExecutionInitializing: gates are checked, nothing was created.
	ExecutionInitializing ExecutionPhase = "Initializing"
	// ExecutionExecuting: steps run.
	ExecutionExecuting ExecutionPhase = "Executing"
	// ExecutionCompleted: every step succeeded.
	ExecutionCompleted ExecutionPhase = "Completed"
	// ExecutionFailed: the run ended without reaching its goal.
	ExecutionFailed ExecutionPhase = "Failed"
	// ExecutionCancelled: somebody ended the run.
	ExecutionCancelled ExecutionPhase = "Cancelled"
)

// StepPhase is the short story of a step.
type StepPhase string

// Phases of a step.
const (
	// StepPending: not started, or started and held up.
	StepPending StepPhase = "Pending"
	// StepRunning: started and not ended.
	StepRunning StepPhase = "Running"
	// StepSucceeded: the action did its work.
	StepSucceeded StepPhase = "Succeeded"
	// StepFailed: the action did not do its work.
	StepFailed StepPhase = "Failed"
	// StepSkipped: never started, and will not be.
	StepSkipped StepPhase = "Skipped"
	// StepCancelled: stopped because the run was.
	StepCancelled StepPhase = "Cancelled"
)

// StepStatus is one step of a run.
type StepStatus struct {
	// Name of the step.
	// +kubebuilder:validation:MaxLength=40
	// +required
	Name string `json:"name"`
	// Phase of the step.
	// +kubebuilder:validation:Enum=Pending;Running;Succeeded;Failed;Skipped;Cancelled
	// +required
	Phase StepPhase `json:"phase"`
	// Reason for the phase.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message for a person.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`
	// StartedAt is when the action's pod started.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// CompletedAt is when the action ended.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// Attempts that were started, those that were lost before their action began included.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// RetryAt is the earliest time of the next attempt, from the failure of the last one until then.
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
	// Ref names the ActionExecution of the last attempt; it may be deleted some time after the run's end.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Ref string `json:"ref,omitempty"`
	// Items of a step with forEach.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=index
	// +optional
	Items []ItemStatus `json:"items,omitempty"`
	// OutputsOmitted says that the outputs did not fit this status beside those of
	// other steps; they stand in the ActionExecutions.
	// +optional
	OutputsOmitted bool `json:"outputsOmitted,omitempty"`
	// Outputs of the action, at most 2 KiB; of a step with forEach one list each.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Outputs *apiextensionsv1.JSON `json:"outputs,omitempty"`
}

// RunSnapshot is what a run was started with; later commits do not change it.
type RunSnapshot struct {
	// Workflow name, or the workflowType of an inline run.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Workflow string `json:"workflow"`
	// Version of the workflow; empty for an inline run.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Version string `json:"version,omitempty"`
	// ContentHash of the steps and parameters' schema, "sha256:<hex>".
	// +kubebuilder:validation:MaxLength=71
	// +required
	ContentHash string `json:"contentHash"`
	// CatalogRevision that the workflow came from.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	CatalogRevision string `json:"catalogRevision,omitempty"`
	// PolicySet is the content hash of the image policies at the start.
	// +kubebuilder:validation:MaxLength=71
	// +optional
	PolicySet string `json:"policySet,omitempty"`
	// Images and why they may run, as many as 12 KiB hold; ActionExecutions tell it of each.
	// +kubebuilder:validation:MaxItems=96
	// +listType=map
	// +listMapKey=image
	// +optional
	Images []VerifiedImage `json:"images,omitempty"`
	// Steps with every image pinned to the digest that was verified.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +required
	Steps []WorkflowStep `json:"steps"`
	// OnFailure steps, pinned as the others are.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	OnFailure []WorkflowStep `json:"onFailure,omitempty"`
	// Finally steps, pinned as the others are.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Finally []WorkflowStep `json:"finally,omitempty"`
	// FinallyTimeout of each of the two; absent means 10m.
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:Type=string
	// +optional
	FinallyTimeout *metav1.Duration `json:"finallyTimeout,omitempty"`
	// FailFast of the workflow; absent means true.
	// +optional
	FailFast *bool `json:"failFast,omitempty"`
	// ParameterTypes holds the types of the parameters that conditions name.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	ParameterTypes map[string]string `json:"parameterTypes,omitempty"`
	// OutputTypes holds the types of the outputs that conditions name, by step.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	OutputTypes map[string]map[string]string `json:"outputTypes,omitempty"`
	// Parameters with defaults filled in.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// Target of the run; absent when it names none.
	// +optional
	Target *Target `json:"target,omitempty"`
	// Workspace of the run; absent when no step uses one.
	// +optional
	Workspace *Workspace `json:"workspace,omitempty"`
	// Deadline after which the run is stopped.
	// +required
	Deadline metav1.Time `json:"deadline"`
}

// Stage is a part of a run.
type Stage string

// Stages of a run after its steps.
const (
	// StageOnFailure: steps that run when the others failed.
	StageOnFailure Stage = "OnFailure"
	// StageFinally: steps that run at the end, however it went.
	StageFinally Stage = "Finally"
)

// Closing is what the steps of a run came to, and how long its last ones may take.
type Closing struct {
	// Stage that runs.
	// +kubebuilder:validation:Enum=OnFailure;Finally
	// +required
	Stage Stage `json:"stage"`
	// Deadline of the stage.
	// +required
	Deadline metav1.Time `json:"deadline"`
	// Phase that the run came to before.
	// +kubebuilder:validation:Enum=Completed;Failed;Cancelled
	// +required
	Phase ExecutionPhase `json:"phase"`
	// Reason of that phase.
	// +kubebuilder:validation:MaxLength=64
	// +required
	Reason string `json:"reason"`
	// Message of that phase.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Message string `json:"message,omitempty"`
}

// PullRequestSummary is the proposed change of a run.
type PullRequestSummary struct {
	// Name of the PullRequest object.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// URL for people.
	// +kubebuilder:validation:MaxLength=2048
	// +required
	URL string `json:"url"`
}

// QueuePlace is where a run stands that waits for others to end.
type QueuePlace struct {
	// Position from 1 among the runs that the same cap holds back, those of the
	// namespace or those of the whole controller. Beyond 10 it is told again
	// once it differs by a tenth.
	// +kubebuilder:validation:Minimum=1
	// +required
	Position int32 `json:"position"`
	// Cap that holds the run back: Namespace or Controller.
	// +kubebuilder:validation:Enum=Namespace;Controller
	// +required
	Cap string `json:"cap"`
	// Since when the run waits.
	// +required
	Since metav1.Time `json:"since"`
	// Until when it waits; then it fails with QueueTimeout.
	// +required
	Until metav1.Time `json:"until"`
}

// WorkflowExecutionStatus is the story of the run.
type WorkflowExecutionStatus struct {
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
	// Phase of the run.
	// +kubebuilder:validation:Enum=Initializing;Executing;Completed;Failed;Cancelled
	// +optional
	Phase ExecutionPhase `json:"phase,omitempty"`
	// Engine that runs the steps, chosen once.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	Engine string `json:"engine,omitempty"`
	// StartedAt is when the gates were passed.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// CompletedAt is when the run ended.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// Snapshot of what runs.
	// +optional
	Snapshot *RunSnapshot `json:"snapshot,omitempty"`
	// Closing is set once onFailure or finally was begun.
	// +optional
	Closing *Closing `json:"closing,omitempty"`
	// Steps in the order of the workflow, those of onFailure and finally last.
	// +kubebuilder:validation:MaxItems=96
	// +listType=map
	// +listMapKey=name
	// +optional
	Steps []StepStatus `json:"steps,omitempty"`
	// Queue is the run's place while it waits for others to end.
	// +optional
	Queue *QueuePlace `json:"queue,omitempty"`
	// WorkspacePVC is the name of the shared volume's claim while it exists.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	WorkspacePVC string `json:"workspacePVC,omitempty"`
	// PullRequest that the run opened or updated.
	// +optional
	PullRequest *PullRequestSummary `json:"pullRequest,omitempty"`
}

// WorkflowExecution is one run of a remediation.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=kwfe,categories=kubernaut
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="PR",type=string,JSONPath=`.status.pullRequest.url`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type WorkflowExecution struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is asked for.
	// +required
	Spec WorkflowExecutionSpec `json:"spec"`
	// Status is what was found.
	// +kubebuilder:default={"observedGeneration":-1}
	// +optional
	Status WorkflowExecutionStatus `json:"status,omitempty"`
}

// WorkflowExecutionList is a list of WorkflowExecution objects.
//
// +kubebuilder:object:root=true
type WorkflowExecutionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []WorkflowExecution `json:"items"`
}

// GetConditions returns the status conditions.
func (in *WorkflowExecution) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the status conditions.
func (in *WorkflowExecution) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
