// Package gate holds the checks that a run passes before anything is created.
package gate

import (
	"context"
	"time"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Case is what a walk through the gate works on. Each check reads what the
// ones before it have filled in.
type Case struct {
	// Run with its steps; the digest check pins their images.
	Run run.Run
	// Object is the name of the ActionExecution when the case is about one that
	// exists; empty means those that the run will make.
	Object string
	// ContentHash of what was approved, "sha256:<hex>".
	ContentHash string
	// Policy of the namespace.
	Policy Policy
	// Approvals of the namespace.
	Approvals []v1alpha1.Approval
	// Now is the time of the walk.
	Now time.Time
	// Actions are the names of the namespace's ActionExecutions, which are the
	// names of the accounts that are made for them, too.
	Actions []string
	// Scope holds the values that are known before a run has started. Nil means
	// that inputs carry values alone, and is the strictest.
	Scope *expr.Scope
	// Sensitive parameters by name: their values reach sensitive inputs alone.
	Sensitive map[string]bool

	// Images, Results and Contracts are filled in, in the order of the steps.
	Images    []verify.Image
	Results   []verify.Result
	Contracts []contract.Contract
}

// Check is one question. It reads and never writes; it may be repeated.
type Check interface {
	// Name is constant, for logs.
	Name() string
	// Check answers. The zero Verdict refuses.
	Check(ctx context.Context, c *Case) run.Verdict
}

// Gate is an ordered list of checks.
type Gate []Check

// Walk asks every check in order and returns the first verdict that does not
// pass. A gate without checks refuses: it was not built.
func (g Gate) Walk(ctx context.Context, c *Case) run.Verdict {
	verdict := run.Verdict{Reason: v1alpha1.ReasonInvalid, Message: "the gate has no checks: this controller was built wrongly"}
	for _, check := range g {
		if verdict = check.Check(ctx, c); verdict.Kind != run.Passed {
			return verdict
		}
	}
	return verdict
}

// registryRetry is when an answer that did not come is asked for again: long
// enough not to burden a registry that is down, short enough that nobody
// reaches for the keyboard.
const registryRetry = 5 * time.Second

// judge turns the error of a door into a verdict: only a Refusal is final.
func judge(err error, c *Case) run.Verdict {
	if r, ok := run.AsRefusal(err); ok {
		return run.Verdict{Kind: run.Refused, Reason: r.Reason, Message: r.Message}
	}
	if w, ok := run.AsWait(err); ok {
		return run.Verdict{Kind: run.Waiting, Reason: w.Reason, Message: w.Message, Until: w.Until}
	}
	return run.Verdict{Kind: run.Waiting, Reason: v1alpha1.ReasonRegistryUnavailable, Until: c.Now.Add(registryRetry),
		Message: "nothing runs before its signature is verified, and that was not possible: " + err.Error()}
}

// refuse is a final verdict.
func refuse(reason run.Reason, message string) run.Verdict {
	return run.Verdict{Kind: run.Refused, Reason: reason, Message: message}
}
