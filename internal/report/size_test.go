package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// The steps and conditions of a run of 50 steps stay below 64 KiB, however much
// its steps put out and say.
func TestSizeOfAStatus(t *testing.T) {
	const most = 64 << 10
	long := strings.Repeat("m", 4096)
	for name, state := range map[string]run.State{"succeeded": run.Succeeded, "failed": run.Failed} {
		t.Run(name, func(t *testing.T) {
			r := run.Run{Steps: steps(50)}
			seen := run.Observation{Steps: map[string]run.Seen{}}
			for i := range r.Steps {
				r.Steps[i].Name = fmt.Sprintf("%s-%02d", strings.Repeat("s", 37), i)
				one := run.Seen{State: state, Reason: v1alpha1.ReasonInvalidDependencyGraph, Message: long, Started: noon(), Finished: noon(), Attempt: 10, Ref: strings.Repeat("r", 57)}
				if state == run.Succeeded {
					one.Outputs = json.RawMessage(`{"a":"` + long[:2000] + `"}`)
				}
				seen.Steps[r.Steps[i].Name] = one
			}
			e := Execution{Run: r, Seen: seen, Now: noon(), Decision: run.Decision{Outcome: &run.Outcome{State: state, Reason: v1alpha1.ReasonStepFailed, Message: long}}}
			s := e.Status()
			raw, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("50 steps %s: %d bytes", name, len(raw))
			if len(raw) > most {
				t.Errorf("the status has %d bytes, at most %d are wanted", len(raw), most)
			}
			for i, step := range s.Steps {
				if want := state == run.Succeeded && i >= 8; step.OutputsOmitted != want || (step.Outputs != nil) != (state == run.Succeeded && !want) {
					t.Fatalf("step %d: outputs omitted %t", i, step.OutputsOmitted)
				}
			}
		})
	}
}
