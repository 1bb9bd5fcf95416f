package plan

import (
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// closing is a stage behind a run that failed, or, as "finally", succeeded.
func closing(word string) *run.Closing {
	c := &run.Closing{Stage: run.Finally, Deadline: noon().Add(10 * time.Minute),
		Outcome: run.Outcome{State: run.Failed, Reason: v1alpha1.ReasonOutOfMemory, Message: "step a failed: killed"}}
	switch word {
	case "failed":
		c.Stage = run.OnFailure
	case "finally":
		c.Outcome = run.Outcome{State: run.Succeeded, Reason: v1alpha1.ReasonSucceeded, Message: "all 1 steps succeeded"}
	}
	return c
}

func TestStages(t *testing.T) {
	decides(t, []situation{
		{"steps of other stages wait", "a %u ~f", "", "", "start a; hold u(Waiting); hold f(Waiting); wake 1h0m0s"},
		{"finally after success", "a %u ~f", "a=Succeeded", "", "hold f(Waiting); skip u(StageNotReached); Finally until 10m0s after Succeeded(Succeeded); wake 0s"},
		{"finally runs", "a %u ~f ~g<f", "a=Succeeded u=Skipped", "finally", "start f; hold g(Waiting); wake 10m0s"},
		{"finally ran", "a ~f", "a=Succeeded f=Succeeded", "finally", "end Succeeded(Succeeded)"},
		{"finally failed", "a ~f ~g<f", "a=Succeeded f=Failed", "finally", "skip g(DependencyFailed); end Failed(OutOfMemory)"},
		{"finally failed and does not matter", "a ~f?", "a=Succeeded f=Failed", "finally", "end Succeeded(Succeeded)"},
		{"undo after a failure", "a b %u ~f", "a=Failed b=Succeeded", "", "hold u(Waiting); hold f(Waiting); OnFailure until 10m0s after Failed(OutOfMemory); wake 0s"},
		{"undo after the deadline", "a %u", "a=Cancelled", "late", "stop(Timeout); hold u(Waiting); OnFailure until 1h10m0s after Failed(Timeout); wake 1h0m0s"},
		{"undo waits for what runs", "a b %u", "a=Failed b=Running", "", "hold u(Waiting); wake 1h0m0s"},
		{"undo runs", "a %u ~f", "a=Failed", "failed", "start u; hold f(Waiting); wake 10m0s"},
		{"finally after undo", "a %u ~f", "a=Failed u=Failed", "failed", "hold f(Waiting); Finally until 10m0s after Failed(OutOfMemory); wake 0s"},
		{"the end after undo", "a %u", "a=Failed u=Succeeded", "failed", "end Failed(OutOfMemory)"},
		{"nothing is undone when nothing failed", "a %u", "a=Succeeded", "", "skip u(StageNotReached); end Succeeded(Succeeded)"},
		{"cancelled", "a %u ~f", "a=Cancelled", "cancel", "stop(Cancelled); hold f(Waiting); skip u(StageNotReached); Finally until 10m0s after Cancelled(Cancelled); wake 0s"},
		{"cancelled while undoing", "a %u ~f", "a=Failed u=Running", "failed cancel", "stop(Cancelled); hold f(Waiting); wake 10m0s"},
		{"cancelled and finally", "a ~f", "a=Failed", "undone cancel", "start f; wake 10m0s"},
		{"terminated", "a b ~f", "a=Running", "terminate", "stop(Terminated); hold f(Waiting); skip b(Terminated); wake 1h0m0s"},
		{"terminated with nothing left", "a ~f", "a=Cancelled", "terminate", "stop(Terminated); skip f(Terminated); end Cancelled(Terminated)"},
		{"terminated in finally", "a ~f", "a=Succeeded f=Cancelled", "finally terminate", "stop(Terminated); end Cancelled(Terminated)"},
		{"suspended in finally", "a ~f", "a=Failed", "undone suspend", "hold f(Suspended); wake 10m0s"},
		{"when of an earlier stage", "a ~f!steps.a.phase=='Failed' ~g!steps.a.phase=='Succeeded'", "a=Failed", "undone", "start f; skip g(WhenFalse); wake 10m0s"},
	})
}

// What the closing steps came to is told behind what the others did.
func TestAFailedFinallyTellsBoth(t *testing.T) {
	s := stateOf("a ~f", "a=Failed f=Failed", "undone")
	if got := Next(s).Outcome.Message; got != "step a failed: killed; Finally: step f failed: killed" {
		t.Error(got)
	}
}
