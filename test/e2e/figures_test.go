package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

const (
	// A step has its image verified, has its Job, has a running pod, and ends: its
	// own status tells each of them.
	transitions = 4
	// Its run's status tells that it was started, together with the end of the one
	// before, and that it ended, together with the start of the next. A step that
	// something holds up for a moment has one more.
	maxStatuses = 2
	// What a step consists of: its ActionExecution and its Job.
	maxObjects = 2
	// A step is looked at when it is made, runs and has ended; its run looks when it
	// has ended, which is when the next one is made, and when it is held up.
	maxReconciles, maxLooks = 3, 2
)

// figure is how often something happened, and how often it may: for each step,
// and once for the run.
type figure struct {
	what               string
	got, perStep, once int
}

// What the chain costs the API server, by its audit log, and the controllers,
// by their metrics. Refused writes, dry runs and events are not counted.
func TestFiguresOfTheChain(t *testing.T) {
	alone(t)
	s := newSite(t, scenario{prepare: workflow})
	countReconciles := s.reconciles(t)
	before := len(s.audited(t))
	s.proxy.Judge(nil)
	we := s.raise(t, "run", "128Mi")
	finish(t, we, 2*time.Minute)
	if text := s.settled(t, we, ""); we.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Fatal(text)
	}
	reconciles := countReconciles()
	writes := s.audited(t)[before:]
	if seen := s.proxy.Writes(); len(seen) != len(writes) {
		t.Errorf("the audit log has %d writes and the proxy saw %d: %v, %v", len(writes), len(seen), writes, seen)
	}
	count := map[string]int{}
	for _, w := range writes {
		count[w.Resource]++
	}
	steps := len(we.Status.Steps)
	// A pass that read what was no longer so has its write refused and comes again.
	overtaken := len(s.proxy.Refused())
	if overtaken > steps {
		t.Errorf("%d writes were refused: %v", overtaken, s.proxy.Refused())
	}
	sum := 0
	for _, f := range []figure{
		{"objects of the steps written", count["actionexecutions"] + count["jobs"], maxObjects, 0},
		{"statuses of the steps written", count["actionexecutions/status"], transitions, 0},
		// Once: admitted, first step started, released.
		{"statuses of the run written", count["workflowexecutions/status"], maxStatuses, 3},
		// Once: finalizer; claim made, deleted, let go; pull request made and asked.
		{"objects of the run written", count["workflowexecutions"] + count["persistentvolumeclaims"] + count["pullrequests"] + count["pullrequests/status"], 0, 6},
		{"reconciles of the steps", reconciles["actionexecution"], maxReconciles, overtaken},
		// Once: created, released.
		{"reconciles of the run", reconciles["workflowexecution"], maxLooks, 2 + overtaken},
	} {
		limit := f.perStep*steps + f.once
		t.Logf("%s: %d, at most %d (%d for each of %d steps, %d once)", f.what, f.got, limit, f.perStep, steps, f.once)
		if f.got > limit || f.got == 0 {
			t.Errorf("%s: %d, want some and at most %d", f.what, f.got, limit)
		}
		if strings.HasSuffix(f.what, "written") {
			sum += f.got
		}
	}
	t.Logf("%d writes, %d refused", len(writes), overtaken)
	if sum != len(writes) {
		t.Errorf("%d writes are of other kinds: %v", len(writes)-sum, count)
	}
}

// reconciles counts what the site's controllers reconcile from now on.
func (s site) reconciles(t *testing.T) func() map[string]int {
	t.Helper()
	read := func() map[string]int {
		n, err := s.controller.Reconciles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := read()
	return func() map[string]int {
		now := read()
		for name, n := range before {
			now[name] -= n
		}
		return now
	}
}

func (s site) audited(t *testing.T) []harness.Write {
	t.Helper()
	writes, err := shared.Audited(s.namespace)
	if err != nil {
		t.Fatal(err)
	}
	return writes
}
