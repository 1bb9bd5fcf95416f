package job

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/internal/engine/enginetest"
	"github.com/kubernaut/kubernaut/internal/run"
)

// An action that the cache shows and that was deleted or stopped since gets no
// Job.
func TestALateCacheStartsNothing(t *testing.T) {
	for name, change := range map[string]func(*site){
		"deleted": func(s *site) { s.must(s.client.Delete(t.Context(), s.get("run-a"))) },
		"stopped": func(s *site) {
			ae := s.get("run-a")
			ae.Spec.Cancel = true
			s.must(s.client.Update(t.Context(), ae))
		},
		"made anew": func(s *site) {
			ae := s.get("run-a")
			s.must(s.client.Delete(t.Context(), ae))
			ae.UID, ae.ResourceVersion = "another", ""
			s.must(s.client.Create(t.Context(), ae))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			r := enginetest.Example("a")
			s.must(NewEngine(s.client, s.client, begin).Start(t.Context(), r, r.Steps[:1]))
			known := s.get("run-a")
			change(s)
			if err := NewSteps(s.client, s.client, begin).Start(t.Context(), known, run.Needs{}); !apierrors.IsConflict(err) {
				t.Errorf("error %v, want a conflict", err)
			}
			var jobs batchv1.JobList
			s.must(s.client.List(t.Context(), &jobs))
			if len(jobs.Items) > 0 {
				t.Errorf("%d Jobs were made", len(jobs.Items))
			}
		})
	}
}

// What an earlier object of the same name left is waited for by the clock that
// the engine was given.
func TestALeftoverIsWaitedForByTheClock(t *testing.T) {
	now := begin()
	clock := func() time.Time { return now }
	s := newSite(t)
	e, r := NewEngine(s.client, s.client, clock), enginetest.Example()
	earlier := r
	earlier.UID = "earlier"
	s.must(e.Start(t.Context(), earlier, r.Steps[:1]))
	left := Build(s.get("run-a"), run.Needs{})
	left.OwnerReferences = []metav1.OwnerReference{ownedBy(s.get("run-a"), "ActionExecution", "earlier-a")}
	s.must(s.client.Create(t.Context(), left))
	for range 2 {
		now = now.Add(time.Hour)
		_, err := NewSteps(s.client, s.client, clock).Observe(t.Context(), s.get("run-a"))
		for what, err := range map[string]error{"ActionExecution": e.Start(t.Context(), r, r.Steps[:1]), "Job": err} {
			if wait, waits := run.AsWait(err); !waits || !wait.Until.Equal(now.Add(leftoverRetry)) {
				t.Errorf("%s: %+v, want to wait until %s", what, err, now.Add(leftoverRetry))
			}
		}
	}
}
