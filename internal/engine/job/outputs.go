package job

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// maxOutputs is how many bytes of outputs travel in status: the kubelet keeps
// 4,096 bytes of a container's message, Tekton's wrapping needs half of them,
// and both engines promise the same.
const maxOutputs = 2048

// Outputs reads the outputs of a step that succeeded from its pod's message.
// A message that is not one JSON object, is too long or lacks a declared
// output makes the step fail: nothing is passed on that was not promised.
func Outputs(seen run.Seen, pods []corev1.Pod, declared []string) run.Seen {
	pod := latest(pods)
	if seen.State != run.Succeeded || pod == nil {
		return seen
	}
	var message string
	if s := container(pod); s != nil && s.State.Terminated != nil {
		message = strings.TrimSpace(s.State.Terminated.Message)
	}
	if message == "" && len(declared) == 0 {
		return seen
	}
	outputs, err := parse(message, declared)
	if err != nil {
		seen.State, seen.Reason, seen.Message = run.Failed, v1alpha1.ReasonOutputsInvalid, err.Error()
		return seen
	}
	seen.Outputs = outputs
	return seen
}

func parse(message string, declared []string) (json.RawMessage, error) {
	if len(message) > maxOutputs {
		return nil, fmt.Errorf("the action wrote %d bytes of outputs and %d are allowed: write the rest to a file in the workspace and name it", len(message), maxOutputs)
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(message), &values); err != nil || values == nil {
		return nil, fmt.Errorf("the action's outputs are not one JSON object: it must write one to the file that ACTION_OUTPUTS_PATH names, found %q", clip(message))
	}
	for _, name := range declared {
		if _, ok := values[name]; !ok && string(values["truncated"]) != "true" {
			return nil, fmt.Errorf("the action's outputs lack %q, which its contract declares", name)
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(message)); err != nil {
		return nil, fmt.Errorf("compact outputs: %w", err)
	}
	return compact.Bytes(), nil
}

// errorOf finds reason and message of {"error": {"reason": …, "message": …}},
// which our actions leave when they fail; any other text is the message as it is.
func errorOf(message []byte) (run.Reason, string) {
	var left struct {
		Error struct {
			Reason  run.Reason
			Message string
		} `json:"error"`
	}
	if err := json.Unmarshal(message, &left); err == nil && left.Error.Message != "" {
		return left.Error.Reason, strings.TrimSpace(left.Error.Message)
	}
	return "", strings.TrimSpace(clip(string(message)))
}

// clip shortens what a container wrote to what fits a line.
func clip(s string) string {
	const limit = 300
	if len(s) <= limit {
		return s
	}
	return "…" + strings.ToValidUTF8(s[len(s)-limit:], "")
}
