package report

import (
	"encoding/json"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// What the steps of a run may take of its status, in bytes as they are stored,
// so that a run of 50 steps stays below 64 KiB whatever they say and put out.
const (
	// maxOutputs of all steps together.
	maxOutputs = 12 << 10
	// maxMessages of all steps together; each has an equal part.
	maxMessages = 12 << 10
	// A step has no more than maxStepMessage, and no less than minStepMessage.
	maxStepMessage, minStepMessage = 512, 128
)

// afford shortens messages and leaves out outputs that do not fit. Outputs that
// status held before stay there, since it may hold the only copy: that of a step
// taken over from another run. Those left out stay left out and are read from
// the ActionExecutions.
func afford(old, steps []v1alpha1.StepStatus) []v1alpha1.StepStatus {
	before := make(map[string]v1alpha1.StepStatus, len(old))
	left := maxOutputs
	for _, s := range old {
		before[s.Name] = s
		if s.Outputs != nil {
			left -= len(s.Outputs.Raw)
		}
	}
	limit := max(minStepMessage, min(maxStepMessage, maxMessages/max(1, len(steps))))
	for i := range steps {
		s, was := &steps[i], before[steps[i].Name]
		s.Message = fit(s.Message, limit)
		switch {
		case was.OutputsOmitted:
			s.Outputs, s.OutputsOmitted = nil, true
		case s.Outputs == nil || was.Outputs != nil:
		case len(s.Outputs.Raw) > left:
			s.Outputs, s.OutputsOmitted = nil, true
		default:
			left -= len(s.Outputs.Raw)
		}
	}
	return steps
}

// fit cuts a text so that it takes at most limit bytes where it is stored, as
// JSON in which some characters take up to six.
func fit(text string, limit int) string {
	for keep := min(limit, len(text)); ; keep = keep * 3 / 4 {
		out := Cut(text, keep)
		if raw, err := json.Marshal(out); err == nil && len(raw)-2 <= limit {
			return out
		}
	}
}
