// Package entry carries one action through its life: inputs in, run, outputs out.
package entry

import (
	"context"
	"log/slog"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kubernaut/kubernaut/actions/contract"
)

// Action is one thing that can be done to a cluster or a repository.
type Action interface {
	// Contract is constant and says what Run takes, gives and needs.
	Contract() contract.Contract
	// Run does the work with inputs that keep the contract, and returns exactly
	// the declared outputs. Where the contract says idempotent, running it
	// again after a crash at any point ends as if it had run once. Errors are
	// *run.Refusal where repeating cannot help; exit.go maps them to codes.
	Run(ctx context.Context, in contract.Values, env Env) (contract.Values, error)
}

// Built is an action together with the contract file that its image carries.
type Built struct {
	// Document is the exact text of the contract file.
	Document string
	Action   Action
}

// Env is the world of a running action.
type Env struct {
	// Workspace is the folder that the steps of a run share; it may be absent.
	Workspace string
	// Credentials is the folder with one folder of files per mounted Secret.
	Credentials string
	// Facts about the run.
	Facts Facts
	// Kube says how to reach the API server as the action's service account.
	Kube func() (*rest.Config, error)
	// Log goes to stderr; secrets are replaced.
	Log *slog.Logger
}

// Facts are what an action may tell a reviewer about the run that it is part
// of. All may be empty where an action is started by hand.
type Facts struct {
	// Execution is "namespace/name".
	Execution string
	// UID of the execution object.
	UID string
	// Step name in the execution.
	Step string
	// Workflow is "name@version".
	Workflow string
	// WorkflowHash is the content hash of the workflow.
	WorkflowHash string
	// Revision of the catalog that the workflow came from.
	Revision string
	// Reason is why the run was started, in the words of whoever did.
	Reason string
	// Provenance lists the image of every step.
	Provenance []StepImage
	// StartedAt is when the execution started; zero if unknown.
	StartedAt time.Time
}

// StepImage is one step and the image that was verified for it.
type StepImage struct {
	Step string `json:"step"`
	// Image is "repository@sha256:…".
	Image string `json:"image"`
}
