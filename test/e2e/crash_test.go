package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// point is a moment of a run, told from outside.
type point struct {
	name string
	here func(*sight) bool
}

// sight is what can be seen of a run at one moment.
type sight struct {
	run   *v1alpha1.WorkflowExecution
	steps map[string]v1alpha1.StepPhase
	jobs  map[string]bool
	pods  map[string]corev1.PodPhase
	pvc   bool
}

// points are in the order in which a run reaches them.
func points() []point {
	out := []point{
		{"the run exists", func(s *sight) bool { return s.run.Name != "" }},
		{"the snapshot is written", func(s *sight) bool { return s.run.Status.Snapshot != nil }},
		{"the claim exists", func(s *sight) bool { return s.pvc }},
	}
	for _, step := range []string{"clone", "patch", "commit", "propose"} {
		out = append(out,
			point{step + " exists", func(s *sight) bool { _, ok := s.steps[step]; return ok }},
			point{step + " has its Job", func(s *sight) bool { return s.jobs[step] }},
			point{step + " has ended", func(s *sight) bool { return s.pods[step] == corev1.PodSucceeded }},
		)
	}
	return append(out, point{"the pull request is known", func(s *sight) bool { return s.run.Status.PullRequest != nil }})
}

// A controller that is killed at every point of a run, and started again, ends
// it as if nothing had happened: no second Job, commit or pull request.
func TestKilledController(t *testing.T) {
	s := newSetting(t)
	warm := s.raise(t, "warm", "96Mi")
	finish(t, warm, 2*time.Minute)
	created := s.countJobs(t)
	we := s.raise(t, "killed", "128Mi")
	kills := 0
	for _, p := range points() {
		s.await(t, we, p)
		if err := shared.controller.Kill(); err != nil {
			t.Fatal(err)
		}
		kills++
		if err := shared.controller.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, we, 2*time.Minute)
	t.Logf("killed %d times", kills)
	if we.Status.Phase != v1alpha1.ExecutionCompleted || kills < 10 {
		t.Fatalf("phase %s after %d kills: %s", we.Status.Phase, kills, yamlOf(we.Status))
	}
	s.volumeGone(t)
	if n := <-created(); n != 4 {
		t.Errorf("%d Jobs were created, want 4", n)
	}
	s.oneChange(t, we)
}

// countJobs watches Jobs come; what it returns stops the watch and tells how
// many different ones came since.
func (s setting) countJobs(t *testing.T) func() <-chan int {
	t.Helper()
	var before batchv1.JobList
	if err := shared.Client.List(t.Context(), &before, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}
	old := map[string]bool{}
	for _, j := range before.Items {
		old[string(j.UID)] = true
	}
	w, err := shared.Client.Watch(context.WithoutCancel(t.Context()), &batchv1.JobList{}, client.InNamespace(s.namespace))
	if err != nil {
		t.Fatal(err)
	}
	count := make(chan int, 1)
	go func() {
		seen := map[string]bool{}
		for e := range w.ResultChan() {
			if j, ok := e.Object.(*batchv1.Job); ok && !old[string(j.UID)] {
				seen[string(j.UID)] = true
			}
		}
		count <- len(seen)
	}()
	return func() <-chan int { w.Stop(); return count }
}

// await looks at a run until it is at a point, or past it.
func (s setting) await(t *testing.T, we *v1alpha1.WorkflowExecution, p point) {
	t.Helper()
	reach(t, we, time.Minute, p.name, func() bool {
		return we.Status.CompletedAt != nil || p.here(s.look(t, we))
	})
}

func (s setting) look(t *testing.T, we *v1alpha1.WorkflowExecution) *sight {
	t.Helper()
	out := &sight{run: we, steps: map[string]v1alpha1.StepPhase{}, jobs: map[string]bool{}, pods: map[string]corev1.PodPhase{}}
	of := []client.ListOption{client.InNamespace(s.namespace), client.MatchingLabels{v1alpha1.LabelExecution: we.Name}}
	var steps v1alpha1.ActionExecutionList
	var j batchv1.JobList
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	for _, list := range []client.ObjectList{&steps, &j, &pods, &claims} {
		if err := shared.Client.List(t.Context(), list, of...); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range steps.Items {
		out.steps[x.Spec.Step] = x.Status.Phase
	}
	for _, x := range j.Items {
		out.jobs[x.Labels[v1alpha1.LabelStep]] = true
	}
	for _, x := range pods.Items {
		out.pods[x.Labels[v1alpha1.LabelStep]] = x.Status.Phase
	}
	out.pvc = len(claims.Items) > 0
	return out
}

// oneChange asserts that the run's pull request carries one commit of ours and
// that no other pull request is open for the same change.
func (s setting) oneChange(t *testing.T, we *v1alpha1.WorkflowExecution) {
	t.Helper()
	pulls, err := shared.Pulls(t.Context(), s.app)
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	for _, p := range pulls {
		if p.State == "open" {
			open++
		}
		if n, err := shared.Commits(t.Context(), s.app, p.Head.Ref); err != nil || n != 3 {
			t.Errorf("branch %s has %d commits (%v), want the repository's 2 and one of ours", p.Head.Ref, n, err)
		}
	}
	if open != 1 || we.Status.PullRequest == nil {
		t.Errorf("%d pull requests are open, want 1: %s", open, fmt.Sprint(pulls))
	}
}

// Two runs for the same file at once: one pull request that carries one whole
// change, or two clean ones, never a lost or a mixed one.
func TestTwoRunsAtOnce(t *testing.T) {
	s := newSetting(t)
	a, b := s.raise(t, "first", "128Mi"), s.raise(t, "second", "256Mi")
	finish(t, a, 3*time.Minute)
	finish(t, b, 3*time.Minute)
	done := 0
	for _, we := range []*v1alpha1.WorkflowExecution{a, b} {
		t.Logf("%s: %s: %s", we.Name, we.Status.Phase, condition(we, v1alpha1.ConditionReady).Message)
		if we.Status.Phase == v1alpha1.ExecutionCompleted {
			done++
		}
	}
	if done == 0 {
		t.Error("neither run completed")
	}
	pulls, err := shared.Pulls(t.Context(), s.app)
	if err != nil || len(pulls) == 0 || len(pulls) > 2 {
		t.Fatalf("%d pull requests (%v), want one or two", len(pulls), err)
	}
	for _, p := range pulls {
		diff, err := shared.Diff(t.Context(), s.app, p.Number)
		if err != nil {
			t.Fatal(err)
		}
		minus, plus := changes(diff)
		if len(minus) != 1 || len(plus) != 1 {
			t.Errorf("pull request %d is not one clean change:\n%s", p.Number, diff)
		}
	}
}
