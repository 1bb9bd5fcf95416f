package entry

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Names of the variables that reach an action.
const (
	// VarInputs holds the inputs as one JSON object.
	VarInputs = "ACTION_INPUTS"
	// VarInputsFile names a file with the inputs.
	VarInputsFile = "ACTION_INPUTS_FILE"
	// VarOutputsPath names the file that receives the outputs.
	VarOutputsPath = "ACTION_OUTPUTS_PATH"
	// VarWorkspace is the shared folder, DefaultWorkspace if unset.
	VarWorkspace = "KUBERNAUT_WORKSPACE"
	// VarCredentials is the folder of mounted Secrets, DefaultCredentials if unset.
	VarCredentials = "KUBERNAUT_CREDENTIALS"
	// VarExecution is the execution's "namespace/name".
	VarExecution = "KUBERNAUT_EXECUTION"
	// VarExecutionUID is the execution's UID.
	VarExecutionUID = "KUBERNAUT_EXECUTION_UID"
	// VarStep is the step's name.
	VarStep = "KUBERNAUT_STEP"
	// VarWorkflow is the workflow's "name@version".
	VarWorkflow = "KUBERNAUT_WORKFLOW"
	// VarWorkflowHash is the workflow's content hash.
	VarWorkflowHash = "KUBERNAUT_WORKFLOW_HASH"
	// VarRevision is the catalog's revision.
	VarRevision = "KUBERNAUT_CATALOG_REVISION"
	// VarReason is why the run was started.
	VarReason = "KUBERNAUT_REASON"
	// VarProvenance is a JSON list of StepImage.
	VarProvenance = "KUBERNAUT_PROVENANCE"
	// VarStartedAt is the start of the execution in RFC 3339.
	VarStartedAt = "KUBERNAUT_STARTED_AT"

	// DefaultWorkspace is where engines mount the shared folder.
	DefaultWorkspace = "/workspace"
	// DefaultCredentials is where engines mount Secrets.
	DefaultCredentials = "/kubernaut/credentials"
)

// Process is what the operating system gives; the main program fills it.
type Process struct {
	// Getenv reads one variable; "" if it is unset.
	Getenv func(name string) string
	// Stdin is nil where it is a terminal.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Kube says how to reach the API server.
	Kube func() (*rest.Config, error)
}

// readEnv reads everything but inputs and log.
func (p Process) readEnv() (Env, error) {
	env := Env{
		Workspace:   p.or(VarWorkspace, DefaultWorkspace),
		Credentials: p.or(VarCredentials, DefaultCredentials),
		Kube:        p.Kube,
		Facts: Facts{
			Execution:    p.Getenv(VarExecution),
			UID:          p.Getenv(VarExecutionUID),
			Step:         p.Getenv(VarStep),
			Workflow:     p.Getenv(VarWorkflow),
			WorkflowHash: p.Getenv(VarWorkflowHash),
			Revision:     p.Getenv(VarRevision),
			Reason:       p.Getenv(VarReason),
		},
	}
	if raw := p.Getenv(VarProvenance); raw != "" {
		if err := json.Unmarshal([]byte(raw), &env.Facts.Provenance); err != nil {
			return env, run.Refuse(v1alpha1.ReasonInvalidParameters, "read %s: %v; wanted a JSON list of step and image", VarProvenance, err)
		}
	}
	if raw := p.Getenv(VarStartedAt); raw != "" {
		at, err := time.Parse(time.RFC3339, raw)
		if err != nil {
			return env, run.Refuse(v1alpha1.ReasonInvalidParameters, "read %s: found %q, wanted a time in RFC 3339", VarStartedAt, raw)
		}
		env.Facts.StartedAt = at
	}
	return env, nil
}

func (p Process) or(name, otherwise string) string {
	if v := p.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// readInputs finds the inputs and says where they came from. An empty variable
// counts as unset, since templates leave empty ones behind.
func (p Process) readInputs() (raw []byte, from string, err error) {
	switch {
	case p.Getenv(VarInputs) != "":
		raw, from = []byte(p.Getenv(VarInputs)), VarInputs
	case p.Getenv(VarInputsFile) != "":
		from = VarInputsFile
		raw, err = readFile(p.Getenv(VarInputsFile))
	case p.Stdin != nil:
		from = "stdin"
		raw, err = readAll(p.Stdin)
	}
	if err != nil {
		return nil, from, fmt.Errorf("read inputs from %s: %w", from, err)
	}
	if len(raw) == 0 {
		return nil, from, run.Refuse(v1alpha1.ReasonInvalidParameters,
			"read inputs: found nothing in %s, %s and stdin, wanted one JSON object ({} if the action takes none)", VarInputs, VarInputsFile)
	}
	return raw, from, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "open inputs: %v", err)
	}
	defer file.Close()
	return readAll(file)
}

// readAll reads one byte more than is allowed, so that the contract sees that
// it is too much instead of a cut document.
func readAll(r io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, contract.MaxInputs+1))
}
