package entry

import (
	"context"
	"errors"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Exit codes of every built-in action. Kubernetes counts a Job as done only on
// 0, so both "changed" and "unchanged" end with 0 and the output "changed"
// tells them apart.
const (
	// ExitDone: the work is done, or there was nothing to do.
	ExitDone = 0
	// ExitTerminal: repeating cannot help; bad inputs, bad outputs, a panic or a
	// refusal by another system.
	ExitTerminal = 65
	// ExitPrecondition: the world is not as the action needs it; nothing was changed.
	ExitPrecondition = contract.ExitPrecondition
	// ExitRetryable: the same call may succeed later.
	ExitRetryable = contract.ExitRetryable
	// ExitRefused: the action could, but must not.
	ExitRefused = 77
)

// exitCode maps an error to its code and reason; anything that is not known to
// be final is worth a retry.
func exitCode(err error) (int, run.Reason) {
	if refusal, ok := run.AsRefusal(err); ok {
		switch refusal.Reason {
		case v1alpha1.ReasonPreconditionFailed:
			return ExitPrecondition, refusal.Reason
		case v1alpha1.ReasonManagedElsewhere, v1alpha1.ReasonPolicyDenied:
			return ExitRefused, refusal.Reason
		default:
			return ExitTerminal, refusal.Reason
		}
	}
	if wait, ok := run.AsWait(err); ok {
		return ExitRetryable, wait.Reason
	}
	if errors.Is(err, context.Canceled) {
		return ExitRetryable, v1alpha1.ReasonCancelled
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return ExitRetryable, v1alpha1.ReasonTimeout
	}
	return ExitRetryable, v1alpha1.ReasonTemporaryFailure
}
