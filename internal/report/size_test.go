package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/run"
)

// large is a run of 50 steps that say and put out as much as they can, with as
// many items as a workflow may have.
func large(state run.State, letter string, items int) Execution {
	e := Execution{Seen: run.Observation{Steps: map[string]run.Seen{}}, Now: noon(), Run: run.Run{}}
	long := strings.Repeat(letter, 4096)
	seen := run.Seen{State: state, Reason: v1alpha1.ReasonInvalidDependencyGraph, Message: long, Started: noon(), Finished: noon(), Attempt: 10, Ref: strings.Repeat("r", 57)}
	if state == run.Succeeded {
		seen.Outputs = json.RawMessage(`{"a":"` + strings.Repeat("o", 2000) + `"}`)
	}
	for i := range 50 {
		name := fmt.Sprintf("%s-%02d", strings.Repeat("s", 37), i)
		for j := range min(64, items) {
			unit := run.Unit(name, j)
			e.Run.Steps = append(e.Run.Steps, run.Step{Name: unit, Of: &run.Item{Step: name, Index: j}})
			e.Seen.Steps[unit] = seen
			items--
		}
		e.Run.Steps, e.Seen.Steps[name] = append(e.Run.Steps, run.Step{Name: name}), seen
	}
	o := run.Outcome{State: state, Reason: v1alpha1.ReasonStepFailed, Message: long}
	e.Decision = run.Decision{Outcome: &o, Closing: &run.Closing{Stage: run.Finally, Deadline: noon(), Outcome: o}}
	e.Old.Conditions = []metav1.Condition{Verified(metav1.ConditionTrue, v1alpha1.ReasonVerified, long)}
	return e
}

// The status of a run of 50 steps stays below 64 KiB, without the snapshot,
// however much its steps say and put out, and whatever characters it is.
func TestSizeOfAStatus(t *testing.T) {
	const most = 64 << 10
	for _, state := range []run.State{run.Succeeded, run.Failed} {
		for _, letter := range []string{"m", `"`, "<", "é", "\x01"} {
			raw, err := json.Marshal(large(state, letter, catalog.MaxItems).Status())
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("50 steps %s, messages of %q: %d bytes", state, letter, len(raw))
			if len(raw) > most {
				t.Errorf("50 steps %s, messages of %q: %d bytes, at most %d are wanted", state, letter, len(raw), most)
			}
		}
	}
}

// What status holds stays there, whatever ends later and wherever it stands;
// what was left out is called so to the end.
func TestOutputsThatStatusHoldsStay(t *testing.T) {
	half := func(name string) v1alpha1.StepStatus {
		return v1alpha1.StepStatus{Name: name, Phase: v1alpha1.StepSucceeded, Outputs: &apiextensionsv1.JSON{Raw: []byte(`{"a":"` + strings.Repeat("o", maxOutputs/2) + `"}`)}}
	}
	kept := func(steps []v1alpha1.StepStatus) string {
		var out []string
		for _, s := range steps {
			out = append(out, fmt.Sprintf("%s:%t/%t", s.Name, s.Outputs != nil, s.OutputsOmitted))
		}
		return strings.Join(out, " ")
	}
	first := afford(nil, []v1alpha1.StepStatus{{Name: "a", Phase: v1alpha1.StepRunning}, half("b")})
	second := afford(first, []v1alpha1.StepStatus{half("a"), half("b")})
	if got := kept(second); got != "a:false/true b:true/false" {
		t.Errorf("after a has ended: %s", got)
	}
	if got := kept(afford(second, []v1alpha1.StepStatus{{Name: "a", Phase: v1alpha1.StepSucceeded}, half("b")})); got != "a:false/true b:true/false" {
		t.Errorf("after the ActionExecution of a is gone: %s", got)
	}
}
