package memory

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/internal/engine"
	"github.com/kubernaut/kubernaut/internal/engine/enginetest"
	"github.com/kubernaut/kubernaut/internal/run"
)

func TestContract(t *testing.T) {
	enginetest.Run(t, func(*testing.T) enginetest.Site {
		w := NewWorld(nil, func() time.Time { return time.Unix(1, 0) })
		return enginetest.Site{
			Engine: func() engine.Engine { return New(w) },
			Settle: w.Advance,
			Script: func(step string, o enginetest.Outcome) {
				w.Script(step, Outcome{Outputs: json.RawMessage(o.Outputs), Failure: o.Failure, Reason: o.Reason, Hang: o.Hang,
					Cause: o.Cause, Began: o.Began, Repeatable: o.Repeatable})
			},
			Occupy: func(r run.Run, step string) func() bool {
				w.Occupy(r, step)
				return func() bool { return w.runs[r.Namespace+"/"+r.Name].foreign[step] }
			},
			Inputs: func(r run.Run, step string) string { return string(w.Inputs(r, step)) },
		}
	})
}
