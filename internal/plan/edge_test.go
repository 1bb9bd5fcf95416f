package plan

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/internal/run"
)

// The published table says of every end and edge what Ask answers, and leaves
// none out.
func TestEdgesAsPublished(t *testing.T) {
	page, err := os.ReadFile("../../docs/spec/workflow.md")
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]Answer{"starts": Go, "waits": Hold, "is skipped": Skip}
	ends := []run.State{run.Succeeded, run.Failed, run.Skipped, run.AnyEnd}
	states := map[string]run.State{"not started": run.Absent}
	for _, s := range []run.State{run.Pending, run.Running, run.Succeeded, run.Failed, run.Cancelled, run.Skipped} {
		states[string(s)] = s
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != len(ends)+3 {
			continue
		}
		state, known := states[strings.TrimSpace(cells[1])]
		if !known {
			continue
		}
		rows++
		for i, end := range ends {
			want, clear := answers[strings.TrimSpace(cells[i+2])]
			if got := Ask([]run.State{end}, state); !clear || got != want {
				t.Errorf("on %s, while the other step is %q: the page says %q, the planner %s", end, state, strings.TrimSpace(cells[i+2]), got)
			}
		}
	}
	if rows != len(states) {
		t.Errorf("the table has %d states, want %d", rows, len(states))
	}
}

// Several ends of one edge are taken if any is.
func TestEdgeWithSeveralEnds(t *testing.T) {
	all := []run.State{run.Absent, run.Running, run.Succeeded, run.Failed, run.Cancelled, run.Skipped}
	for _, state := range all {
		a, b := Ask([]run.State{run.Succeeded}, state), Ask([]run.State{run.Failed}, state)
		want := a
		if b == Go {
			want = Go
		}
		if got := Ask([]run.State{run.Succeeded, run.Failed}, state); got != want {
			t.Errorf("%q: together %s, one by one %s", state, got, fmt.Sprint(a, b))
		}
	}
}
