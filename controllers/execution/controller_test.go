package execution

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// What a run waits for wakes it up, and only runs that wait.
func TestWhoIsWokenUp(t *testing.T) {
	named := func(namespace, name, workflow string, status v1alpha1.WorkflowExecutionStatus) *v1alpha1.WorkflowExecution {
		return &v1alpha1.WorkflowExecution{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Status: status,
			Spec: v1alpha1.WorkflowExecutionSpec{WorkflowRef: &v1alpha1.LocalReference{Name: workflow}}}
	}
	started := v1alpha1.WorkflowExecutionStatus{Snapshot: &v1alpha1.RunSnapshot{}}
	crowd := v1alpha1.WorkflowExecutionStatus{Snapshot: &v1alpha1.RunSnapshot{}, Steps: []v1alpha1.StepStatus{{Name: "a"}, {Name: "b", Reason: v1alpha1.ReasonQueued}}}
	items := v1alpha1.WorkflowExecutionStatus{Snapshot: &v1alpha1.RunSnapshot{}, Steps: []v1alpha1.StepStatus{{Name: "a", Items: []v1alpha1.ItemStatus{{Reason: v1alpha1.ReasonQueued}}}}}
	ended := v1alpha1.WorkflowExecutionStatus{CompletedAt: &metav1.Time{Time: metav1.Now().Time}, Steps: crowd.Steps}
	r := &Reconciler{client: fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(
		named("ops", "waits", "flow", v1alpha1.WorkflowExecutionStatus{}), named("ops", "other", "else", v1alpha1.WorkflowExecutionStatus{}),
		named("ops", "runs", "flow", started), named("ops", "crowded", "flow", crowd), named("dev", "items", "flow", items), named("ops", "over", "flow", ended), named("dev", "far", "flow", v1alpha1.WorkflowExecutionStatus{}),
	).WithIndex(&v1alpha1.WorkflowExecution{}, indexWorkflow, func(o client.Object) []string {
		return []string{o.(*v1alpha1.WorkflowExecution).Spec.WorkflowRef.Name}
	}).Build(), options: Options{Now: time.Now, Settings: func() settings.Settings { return settings.Merge() }}}
	flow := &v1alpha1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "flow"}}
	approval := &v1alpha1.Approval{ObjectMeta: metav1.ObjectMeta{Namespace: "ops"}, Spec: v1alpha1.ApprovalSpec{Execution: v1alpha1.ExecutionReference{Name: "waits"}}}
	for name, c := range map[string]struct {
		got  []reconcile.Request
		want []string
	}{
		"workflow": {r.runsOfWorkflow(t.Context(), flow), []string{"ops/waits"}},
		"action":   {r.runsNotStarted(t.Context(), flow), []string{"ops/other", "ops/waits"}},
		"policy":   {r.runsOfPolicy(t.Context(), flow), []string{"ops/crowded", "ops/other", "ops/waits"}},
		"settings": {r.loosened(t.Context(), nil), []string{"dev/far", "dev/items", "ops/crowded", "ops/other", "ops/waits"}},
		"approval": {runOfApproval(t.Context(), approval), []string{"ops/waits"}},
	} {
		var got []string
		for _, request := range c.got {
			got = append(got, request.String())
		}
		slices.Sort(got)
		equal(t, name, got, c.want)
	}
}

// A run is woken by what its steps come to, not by what it made itself or by
// how a step gets ready.
func TestWhatOfAStepIsNews(t *testing.T) {
	step := func(phase v1alpha1.StepPhase, reason, message string) *v1alpha1.ActionExecution {
		return &v1alpha1.ActionExecution{Status: v1alpha1.ActionExecutionStatus{Phase: phase,
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: reason, Message: message}}}}
	}
	fresh := &v1alpha1.ActionExecution{}
	verified := step(v1alpha1.StepPending, v1alpha1.ReasonProgressing, "verified")
	waits := step(v1alpha1.StepPending, v1alpha1.ReasonImagePullFailed, "no answer")
	running := step(v1alpha1.StepRunning, v1alpha1.ReasonRunning, "waits")
	over := step(v1alpha1.StepSucceeded, v1alpha1.ReasonSucceeded, "")
	stopped := running.DeepCopy()
	stopped.Spec.Cancel = true
	for name, c := range map[string]struct {
		old, now *v1alpha1.ActionExecution
		want     bool
	}{
		"verified": {fresh, verified, false},
		"held up":  {fresh, waits, true},
		"no more":  {waits, verified, true},
		"running":  {verified, running, false},
		"on":       {running, step(v1alpha1.StepRunning, v1alpha1.ReasonRunning, "runs"), false},
		"stuck":    {running, step(v1alpha1.StepRunning, v1alpha1.ReasonUnschedulable, "no node"), true},
		"stopped":  {running, stopped, true},
		"over":     {running, over, true},
	} {
		if got := stepNews().Update(event.UpdateEvent{ObjectOld: c.old, ObjectNew: c.now}); got != c.want {
			t.Errorf("a step that is %s is news: %t, want %t", name, got, c.want)
		}
	}
	if stepNews().Create(event.CreateEvent{Object: fresh}) || stepNews().Create(event.CreateEvent{Object: running}) || !stepNews().Create(event.CreateEvent{Object: over}) || !stepNews().Delete(event.DeleteEvent{Object: fresh}) {
		t.Error("a step is news when it is first seen at its end and when it is gone, not when the run makes it")
	}
}
