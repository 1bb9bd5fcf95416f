package v1alpha1

// Condition types. Ready, Reconciling and Stalled follow Flux: Ready is always
// present, Reconciling and Stalled only while they are True.
const (
	// ConditionReady is True when the object is what its spec asks for.
	ConditionReady = "Ready"
	// ConditionReconciling is True while work goes on or waits for an event.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when a person has to act.
	ConditionStalled = "Stalled"
	// ConditionVerified says whether every image of a run passed the signature gate.
	ConditionVerified = "Verified"
	// ConditionSourceVerified says whether a catalog's commit is signed by a trusted key.
	ConditionSourceVerified = "SourceVerified"
)

// Reasons for Ready, Reconciling and Stalled in general.
const (
	// ReasonSucceeded: everything asked for is done. Nothing to do.
	ReasonSucceeded = "Succeeded"
	// ReasonProgressing: work goes on. Wait; the message names the step.
	ReasonProgressing = "Progressing"
	// ReasonProgressingWithRetry: the last attempt went wrong and is repeated. Read the message.
	ReasonProgressingWithRetry = "ProgressingWithRetry"
	// ReasonSuspended: spec.suspend is true. Resume it to go on.
	ReasonSuspended = "Suspended"
	// ReasonInvalid: the spec cannot be carried out. Mend what the message names.
	ReasonInvalid = "Invalid"
	// ReasonForeignObject: an object of the needed name belongs to somebody else. Rename or remove it.
	ReasonForeignObject = "ForeignObject"
	// ReasonDependencyNotReady: a referenced object is missing or not ready. It is watched.
	ReasonDependencyNotReady = "DependencyNotReady"
)

// Reasons of a Catalog.
const (
	// ReasonFetchFailed: the source could not be read. Check URL, credentials and network.
	ReasonFetchFailed = "FetchFailed"
	// ReasonAuthenticationFailed: the source refused the credentials. Mend the Secret.
	ReasonAuthenticationFailed = "AuthenticationFailed"
	// ReasonBuildFailed: kustomize or YAML is broken. Mend the file and line in status.findings.
	ReasonBuildFailed = "BuildFailed"
	// ReasonValidationFailed: a manifest breaks a rule. Mend what status.findings lists.
	ReasonValidationFailed = "ValidationFailed"
	// ReasonVerificationFailed: the commit is not signed by a trusted key. Sign it or mend the keys.
	ReasonVerificationFailed = "VerificationFailed"
	// ReasonEmptySource: the source has no commit or no manifest at the path. Commit one.
	ReasonEmptySource = "EmptySource"
	// ReasonApplyFailed: the API server refused an object. Read the message.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonPruneFailed: an object that left the catalog could not be deleted; it stays in the inventory.
	ReasonPruneFailed = "PruneFailed"
)

// Reasons of an Action, a Workflow and their checks.
const (
	// ReasonContractInvalid: the contract in the image cannot be read. Rebuild the image.
	ReasonContractInvalid = "ContractInvalid"
	// ReasonContractMismatch: name or version of the Action differ from the contract. Mend the manifest.
	ReasonContractMismatch = "ContractMismatch"
	// ReasonInvalidDependencyGraph: the steps cannot be ordered. Mend what the message lists.
	ReasonInvalidDependencyGraph = "InvalidDependencyGraph"
	// ReasonInvalidParameters: parameters or inputs break their schema. Mend the named ones.
	ReasonInvalidParameters = "InvalidParameters"
	// ReasonInvalidReference: an input refers to a name that does not exist. Mend the reference.
	ReasonInvalidReference = "InvalidReference"
	// ReasonInvalidCondition: a when or precondition cannot be asked. Mend it at the place that the message names.
	ReasonInvalidCondition = "InvalidCondition"
	// ReasonVersionConflict: the same name and version was published with other content. Raise the version.
	ReasonVersionConflict = "VersionConflict"
)

// Reasons of the signature gate.
const (
	// ReasonImageNotFound: the registry has no such image. Push it or mend the reference.
	ReasonImageNotFound = "ImageNotFound"
	// ReasonImageUnsigned: no signature was found. Sign the digest.
	ReasonImageUnsigned = "ImageUnsigned"
	// ReasonSignatureInvalid: signatures were found and none is by a trusted key for this digest.
	ReasonSignatureInvalid = "SignatureInvalid"
	// ReasonNoMatchingPolicy: no ClusterImagePolicy names this image. Add one.
	ReasonNoMatchingPolicy = "NoMatchingPolicy"
	// ReasonPolicyUnusable: a matching ClusterImagePolicy cannot be evaluated. Mend it.
	ReasonPolicyUnusable = "PolicyUnusable"
	// ReasonRegistryUnavailable: the registry does not answer. The run goes on when it does.
	ReasonRegistryUnavailable = "RegistryUnavailable"
	// ReasonVerified: every image is signed as the policies demand.
	ReasonVerified = "Verified"
	// ReasonVerifiedWithWarnings: it is, and policies that only warn are not satisfied. The message says which; mend it before they enforce.
	ReasonVerifiedWithWarnings = "VerifiedWithWarnings"
)

// Reasons of the other gate checks.
const (
	// ReasonAwaitingApproval: the run has more steps than may run unasked. Create an Approval.
	ReasonAwaitingApproval = "AwaitingApproval"
	// ReasonApprovalRefused: a person refused the run.
	ReasonApprovalRefused = "ApprovalRefused"
	// ReasonPolicyDenied: an ExecutionPolicy forbids it, or none allows what needs
	// to be allowed, such as a service account. The message names rule and policy.
	ReasonPolicyDenied = "PolicyDenied"
	// ReasonRightsExceeded: a contract asks for more rights than the ceiling allows.
	ReasonRightsExceeded = "RightsExceeded"
	// ReasonDryRunRefused: the API server would not accept the Job. Read the message.
	ReasonDryRunRefused = "DryRunRefused"
)

// Reasons of steps and runs.
const (
	// ReasonStepFailed: an action ended with an error and gave no reason of its own. Read its message and logs.
	ReasonStepFailed = "StepFailed"
	// ReasonDependencyFailed: the step was skipped because a step before it did not succeed.
	ReasonDependencyFailed = "DependencyFailed"
	// ReasonDependencySkipped: the step was skipped because one before it was, and it follows no such end.
	ReasonDependencySkipped = "DependencySkipped"
	// ReasonNoItems: the list of forEach is empty, so there was nothing to do.
	ReasonNoItems = "NoItems"
	// ReasonTooManyItems: the list of forEach is longer than maxItems. Raise it or shorten the list.
	ReasonTooManyItems = "TooManyItems"
	// ReasonStageNotReached: the step belongs to onFailure and nothing failed, or the run ended before. Nothing to do.
	ReasonStageNotReached = "StageNotReached"
	// ReasonTerminated: spec.terminate was set.
	ReasonTerminated = "Terminated"
	// ReasonWhenFalse: the step's when did not hold. Nothing to do.
	ReasonWhenFalse = "WhenFalse"
	// ReasonConditionFailed: when or a precondition could not be evaluated. Mend it, or what it names.
	ReasonConditionFailed = "ConditionFailed"
	// ReasonEdgeNotTaken: the step follows an end of another step that did not come. Nothing to do.
	ReasonEdgeNotTaken = "EdgeNotTaken"
	// ReasonFailFast: the step was not started because another one failed. Look at that one.
	ReasonFailFast = "FailFast"
	// ReasonRetrying: the last attempt failed and is repeated. The message says why and when.
	ReasonRetrying = "Retrying"
	// ReasonTimeout: the step or run took longer than allowed.
	ReasonTimeout = "Timeout"
	// ReasonEvicted: the pod was taken away, and the step was not or may not be repeated. Look at what the action changed.
	ReasonEvicted = "Evicted"
	// ReasonOutOfMemory: the action was killed at its memory limit.
	ReasonOutOfMemory = "OutOfMemory"
	// ReasonOutputsInvalid: the action's outputs are not one JSON object or lack a declared one.
	ReasonOutputsInvalid = "OutputsInvalid"
	// ReasonCancelled: spec.cancel was set.
	ReasonCancelled = "Cancelled"
	// ReasonUnschedulable: no node takes the action's pod. The message is the scheduler's; it waits until one does, or the step's timeout.
	ReasonUnschedulable = "Unschedulable"
	// ReasonImagePullFailed: the node cannot pull the verified image.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonQueued: the step or run waits because as many run as may; a run's message tells its place.
	ReasonQueued = "Queued"
	// ReasonQueueTimeout: the run waited for a place longer than it may. Raise queueTimeout or the cap.
	ReasonQueueTimeout = "QueueTimeout"
	// ReasonWaiting: the step waits for the steps it runs after.
	ReasonWaiting = "Waiting"
	// ReasonRunning: the action runs.
	ReasonRunning = "Running"
	// ReasonReused: the step succeeded in the run that retryOf names, and its outputs are taken over. Nothing to do.
	ReasonReused = "Reused"
	// ReasonRetryRefused: the run that retryOf names cannot be retried. Create a run without retryOf, or do what the message says.
	ReasonRetryRefused = "RetryRefused"
)

// Reasons that an action gives for its own end; actions/contract lists these
// and all others that it may give.
const (
	// ReasonPreconditionFailed: the world is not as the action, or a precondition of its step, needs it, and nothing was changed. Mend what the message names.
	ReasonPreconditionFailed = "PreconditionFailed"
	// ReasonManagedElsewhere: the object is kept by a GitOps tool, which would undo the change. Change it in Git.
	ReasonManagedElsewhere = "ManagedElsewhere"
	// ReasonActionPanicked: the action has a fault. Report it with the stack in the step's log.
	ReasonActionPanicked = "ActionPanicked"
	// ReasonTemporaryFailure: the action met an error that may pass. It is repeated if the contract allows it.
	ReasonTemporaryFailure = "TemporaryFailure"
)

// Reasons of a PullRequest.
const (
	// ReasonMerged: the change was accepted.
	ReasonMerged = "Merged"
	// ReasonOpen: the change waits for its reviewers.
	ReasonOpen = "Open"
	// ReasonClosed: a person closed it without merging.
	ReasonClosed = "Closed"
	// ReasonForgeUnavailable: the forge does not answer; it is asked again.
	ReasonForgeUnavailable = "ForgeUnavailable"
)

// Reasons of the events by which finished runs go.
const (
	// ReasonRunDeleted: the history of the namespace's policies keeps the finished run no longer. Nothing to do.
	ReasonRunDeleted = "RunDeleted"
	// ReasonStepsDeleted: the history keeps the ActionExecutions of the finished run no longer; its status tells what they did.
	ReasonStepsDeleted = "StepsDeleted"
)

// Reasons of the events that the controller's settings get.
const (
	// ReasonSettingsApplied: the settings were taken and are in force. The message says what differs.
	ReasonSettingsApplied = "SettingsApplied"
	// ReasonSettingsInvalid: the ConfigMap is wrong and nothing of it was taken. Mend every key that the message names.
	ReasonSettingsInvalid = "SettingsInvalid"
)

// Reasons of a change to a Git repository, given by the actions that make it.
const (
	// ReasonInsecureURL: the repository's URL carries credentials or would send them unprotected. Use https or ssh and a Secret.
	ReasonInsecureURL = "InsecureURL"
	// ReasonRepositoryNotFound: the host knows no such repository, or hides it from these credentials. Mend URL or access.
	ReasonRepositoryNotFound = "RepositoryNotFound"
	// ReasonReferenceNotFound: the repository has no such branch, tag or commit. Mend the reference.
	ReasonReferenceNotFound = "ReferenceNotFound"
	// ReasonRepositoryTooLarge: the repository is larger than the limit. Raise the limit or split it.
	ReasonRepositoryTooLarge = "RepositoryTooLarge"
	// ReasonWorktreeInvalid: the directory holds no clone that this product made. Clone it first.
	ReasonWorktreeInvalid = "WorktreeInvalid"
	// ReasonPathRefused: a path leaves the repository, or is a link, a submodule or Git's own. Name a plain file.
	ReasonPathRefused = "PathRefused"
	// ReasonBranchProtected: the push would write to the branch that the change is proposed for, or the host refuses it. Choose another branch.
	ReasonBranchProtected = "BranchProtected"
	// ReasonHumanCommitsOnBranch: somebody else committed to the branch of the proposal; nothing is overwritten. Merge, or delete the branch.
	ReasonHumanCommitsOnBranch = "HumanCommitsOnBranch"
	// ReasonForgeRefused: the forge does not accept the request. The message says what it answered.
	ReasonForgeRefused = "ForgeRefused"
)

// Reasons of an edit to a YAML file that is refused; the file stays as it was.
const (
	// ReasonEditInvalid: the file is not YAML, or the request names no path or no value. Mend it.
	ReasonEditInvalid = "EditInvalid"
	// ReasonEditTargetNotFound: no document, list item or key is at the path. Mend selector or path.
	ReasonEditTargetNotFound = "EditTargetNotFound"
	// ReasonEditTargetAmbiguous: several documents, items or keys fit. Name the target more closely.
	ReasonEditTargetAmbiguous = "EditTargetAmbiguous"
	// ReasonEditTargetAliased: the value comes from an anchor or a merge key and is not only this object's. Change the anchor's owner.
	ReasonEditTargetAliased = "EditTargetAliased"
	// ReasonEditTemplated: the file is a template, not YAML. Change the values that it is rendered from.
	ReasonEditTemplated = "EditTemplated"
	// ReasonEditEncrypted: the file is encrypted by SOPS; an edit would break its seal. Change it with the key.
	ReasonEditEncrypted = "EditEncrypted"
	// ReasonEditUnsupported: the place cannot be changed byte-exactly (explicit tag, complex key, other kind). Change it by hand.
	ReasonEditUnsupported = "EditUnsupported"
	// ReasonEditTestFailed: a value in the file is not what the patch expects, so nothing was changed. Look at the file again.
	ReasonEditTestFailed = "EditTestFailed"
	// ReasonEditSchemaViolated: the schema of the object or chart does not allow the new value. Mend the value.
	ReasonEditSchemaViolated = "EditSchemaViolated"
)
