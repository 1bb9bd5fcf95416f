package contract

import (
	"slices"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Reasons lists, sorted, what an action may give as the reason of its own end.
// It is a closed list: a word of the controller's, such as Timeout or Evicted,
// would be taken for what it saw itself.
func Reasons() []string {
	out := []string{
		v1alpha1.ReasonPreconditionFailed, v1alpha1.ReasonManagedElsewhere, v1alpha1.ReasonPolicyDenied, v1alpha1.ReasonActionPanicked,
		v1alpha1.ReasonTemporaryFailure, v1alpha1.ReasonInvalid, v1alpha1.ReasonInvalidParameters, v1alpha1.ReasonOutputsInvalid,
		v1alpha1.ReasonApplyFailed, v1alpha1.ReasonAuthenticationFailed, v1alpha1.ReasonEmptySource,
		v1alpha1.ReasonInsecureURL, v1alpha1.ReasonRepositoryNotFound, v1alpha1.ReasonReferenceNotFound, v1alpha1.ReasonRepositoryTooLarge,
		v1alpha1.ReasonWorktreeInvalid, v1alpha1.ReasonPathRefused, v1alpha1.ReasonBranchProtected, v1alpha1.ReasonHumanCommitsOnBranch,
		v1alpha1.ReasonForgeRefused, v1alpha1.ReasonForgeUnavailable, v1alpha1.ReasonClosed,
		v1alpha1.ReasonEditInvalid, v1alpha1.ReasonEditTargetNotFound, v1alpha1.ReasonEditTargetAmbiguous, v1alpha1.ReasonEditTargetAliased,
		v1alpha1.ReasonEditTemplated, v1alpha1.ReasonEditEncrypted, v1alpha1.ReasonEditUnsupported, v1alpha1.ReasonEditTestFailed, v1alpha1.ReasonEditSchemaViolated,
	}
	slices.Sort(out)
	return out
}

// PreconditionExits are the exit codes by which the action says that the world
// is not as it needs it: those that the contract calls so, without any list
// ExitPrecondition.
func (c Contract) PreconditionExits() []int {
	if len(c.Spec.ExitCodes) == 0 {
		return []int{ExitPrecondition}
	}
	return c.exits(MeaningPrecondition)
}

func (c Contract) exits(meaning string) []int {
	var out []int
	for _, e := range c.Spec.ExitCodes {
		if e.Meaning == meaning {
			out = append(out, e.Code)
		}
	}
	return out
}
