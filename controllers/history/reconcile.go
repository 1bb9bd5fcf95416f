package history

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
)

// conflictDelay gives the cache time to see a write that came before ours.
const conflictDelay = 50 * time.Millisecond

// Reconciler deletes what the policies of a namespace keep no longer.
type Reconciler struct {
	client client.Client
	live   client.Reader
	record *record.Recorder
	now    func() time.Time
}

// Reconcile is the story of one namespace, which is the request's name.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	w, err := r.read(ctx, req.Name)
	if err != nil || w.keep.everything() {
		return ctrl.Result{}, err
	}
	d := decide(w)
	again := false
	for _, e := range d.runs {
		changed, err := r.deleteRun(ctx, e)
		if err != nil {
			return ctrl.Result{}, err
		}
		again = again || changed
	}
	for _, left := range d.steps {
		changed, err := r.deleteSteps(ctx, left)
		if err != nil {
			return ctrl.Result{}, err
		}
		again = again || changed
	}
	switch {
	case again:
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	case d.wakeAt.IsZero():
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: max(d.wakeAt.Sub(w.now), time.Millisecond)}, nil
}

// read reads the namespace; a policy that keeps everything needs no more.
func (r *Reconciler) read(ctx context.Context, namespace string) (world, error) {
	w := world{now: r.now()}
	var policies v1alpha1.ExecutionPolicyList
	if err := r.client.List(ctx, &policies, client.InNamespace(namespace)); err != nil {
		return w, fmt.Errorf("list execution policies: %w", err)
	}
	if w.keep = keepOf(policies.Items); w.keep.everything() {
		return w, nil
	}
	var runs v1alpha1.WorkflowExecutionList
	var steps v1alpha1.ActionExecutionList
	var pulls v1alpha1.PullRequestList
	for _, list := range []client.ObjectList{&runs, &steps, &pulls} {
		// There may be many; they are read and never changed.
		if err := r.client.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			return w, fmt.Errorf("list %T: %w", list, err)
		}
	}
	w.runs, w.steps, w.pulls = runs.Items, steps.Items, pulls.Items
	return w, nil
}

// deleteRun deletes a run as it was read; its children go with it. It says
// whether the run has changed meanwhile and must be looked at again.
func (r *Reconciler) deleteRun(ctx context.Context, e *v1alpha1.WorkflowExecution) (changed bool, err error) {
	if unseen, err := r.unseenPull(ctx, e); err != nil || unseen {
		return unseen, err
	}
	gone, changed, err := r.delete(ctx, e, &v1alpha1.WorkflowExecution{})
	if !gone {
		return changed, err
	}
	s := e.Status
	ended, hash := s.CompletedAt.UTC().Format(time.RFC3339), ""
	if s.Snapshot != nil {
		hash = s.Snapshot.ContentHash
	}
	ctrl.LoggerFrom(ctx).Info("finished run deleted", "run", e.Name, "uid", e.UID, "phase", s.Phase, "completedAt", ended, "contentHash", hash, "pullRequest", s.PullRequest)
	r.record.Emit(e, report.Event{Type: corev1.EventTypeNormal, Reason: v1alpha1.ReasonRunDeleted,
		Message: fmt.Sprintf("%s at %s; the history of the namespace's policies keeps it no longer", s.Phase, ended)})
	return false, nil
}

// unseenPull asks the API server for a run's pull request that the cache does
// not have: it may have been made a moment ago, and then it is open.
func (r *Reconciler) unseenPull(ctx context.Context, e *v1alpha1.WorkflowExecution) (bool, error) {
	if e.Status.PullRequest == nil {
		return false, nil
	}
	pr := &v1alpha1.PullRequest{}
	key := client.ObjectKey{Namespace: e.Namespace, Name: e.Status.PullRequest.Name}
	err := r.live.Get(ctx, key, pr)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read pull request %s: %w", key, err)
	}
	return world{pulls: []v1alpha1.PullRequest{*pr}}.open()(e), nil
}

// deleteSteps deletes what a run that stays has left.
func (r *Reconciler) deleteSteps(ctx context.Context, left leftover) (changed bool, err error) {
	deleted := 0
	for _, ae := range left.steps {
		gone, other, err := r.delete(ctx, ae, &v1alpha1.ActionExecution{})
		if err != nil {
			return false, err
		}
		if gone {
			deleted++
		}
		changed = changed || other
	}
	if deleted > 0 {
		r.record.Emit(left.run, report.Event{Type: corev1.EventTypeNormal, Reason: v1alpha1.ReasonStepsDeleted,
			Message: fmt.Sprintf("%d ActionExecutions of the finished run; its status tells what they did", deleted)})
	}
	return changed, nil
}

// delete deletes an object if it is still as it was read. The request carries
// an empty object of the kind, since what was read belongs to the cache.
func (r *Reconciler) delete(ctx context.Context, read, empty client.Object) (gone, changed bool, err error) {
	empty.SetNamespace(read.GetNamespace())
	empty.SetName(read.GetName())
	uid, version := read.GetUID(), read.GetResourceVersion()
	err = r.client.Delete(ctx, empty, preconditions(uid, version), client.PropagationPolicy(metav1.DeletePropagationBackground))
	switch {
	case err == nil:
		return true, false, nil
	case apierrors.IsNotFound(err):
		return false, false, nil
	case apierrors.IsConflict(err):
		return false, true, nil
	}
	return false, false, fmt.Errorf("delete %T %s: %w", empty, client.ObjectKeyFromObject(empty), err)
}

func preconditions(uid types.UID, version string) client.Preconditions {
	return client.Preconditions{UID: &uid, ResourceVersion: &version}
}
