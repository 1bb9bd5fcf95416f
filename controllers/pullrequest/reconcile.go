package pullrequest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	// defaultInterval of asking a forge that has no way to call us.
	defaultInterval = 30 * time.Second
	// askTimeout bounds one question to a forge.
	askTimeout = 20 * time.Second
	// conflictDelay is how long the cache is given to see a write before ours.
	conflictDelay = 50 * time.Millisecond
)

// Reconciler asks the forge and writes down what it says.
type Reconciler struct {
	client  client.Client
	record  *record.Recorder
	options Options
}

// Reconcile reads as the story of a pull request.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	stored := &v1alpha1.PullRequest{}
	if err := r.client.Get(ctx, req.NamespacedName, stored); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	pr := stored.DeepCopy()
	requested, asked := meta.ReconcileAnnotationValue(pr.GetAnnotations())
	fresh := asked && requested != pr.Status.LastHandledReconcileAt
	pr.Status.LastHandledReconcileAt = requested
	if !pr.DeletionTimestamp.IsZero() || pr.Spec.Suspend || (pr.Status.State == string(forge.Merged) && !fresh) {
		return ctrl.Result{}, nil
	}
	now := r.options.Now()
	pull, err := r.ask(ctx, pr)
	result := ctrl.Result{RequeueAfter: r.options.Jitter(interval(pr))}
	if err != nil {
		refused(pr, err, now)
		if wait, ok := run.AsWait(err); ok { // a forge that sets a time is not asked before
			result.RequeueAfter = max(result.RequeueAfter, wait.Until.Sub(now))
		}
	} else {
		result = told(pr, pull, now, result)
	}
	what := report.Events(stored.Status.Conditions, pr.Status.Conditions)
	if err := r.record.Write(ctx, stored, pr, what); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: conflictDelay}, nil
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return result, nil
}

func interval(pr *v1alpha1.PullRequest) time.Duration {
	if pr.Spec.Interval != nil && pr.Spec.Interval.Duration > 0 {
		return pr.Spec.Interval.Duration
	}
	return defaultInterval
}

// ask reads the pull request from the forge.
func (r *Reconciler) ask(ctx context.Context, pr *v1alpha1.PullRequest) (forge.Pull, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := r.allowed(ctx, pr); err != nil {
		return forge.Pull{}, err
	}
	var credentials map[string][]byte
	if pr.Spec.SecretRef != nil {
		secret := &corev1.Secret{}
		key := types.NamespacedName{Namespace: pr.Namespace, Name: pr.Spec.SecretRef.Name}
		if err := r.options.Secrets.Get(ctx, key, secret); err != nil {
			return forge.Pull{}, fmt.Errorf("read Secret %s: %w", key, err)
		}
		credentials = secret.Data
	}
	door, err := r.options.Forges(pr.Spec.Provider, pr.Spec.Repository, credentials)
	if err != nil {
		return forge.Pull{}, err
	}
	return door.Get(ctx, forge.ID(pr.Spec.Number))
}

// refused says why the forge could not be read. Nothing is final: a person
// mends the Secret or the forge comes back, and the next interval tells.
func refused(pr *v1alpha1.PullRequest, err error, now time.Time) {
	if pr.Status.State == string(forge.Merged) {
		return // nothing changes that any more
	}
	message := fmt.Sprintf("pull request %d of %s could not be read: %v", pr.Spec.Number, pr.Spec.Repository, err)
	wanted := report.Retrying(v1alpha1.ReasonForgeUnavailable, message)
	if refusal, ok := run.AsRefusal(err); ok || errors.Is(err, forge.ErrNotFound) {
		reason := run.Reason(v1alpha1.ReasonForgeUnavailable)
		if ok {
			reason = refusal.Reason
		}
		wanted = report.Stalled(reason, message)
		pr.Status.ObservedGeneration = pr.Generation
	}
	pr.Status.Conditions = report.Merge(pr.Status.Conditions, wanted, pr.Generation, now)
}

// told writes down what the forge said; a pull request that has ended is not
// asked about again.
func told(pr *v1alpha1.PullRequest, pull forge.Pull, now time.Time, result ctrl.Result) ctrl.Result {
	s := &pr.Status
	s.State, s.URL, s.Title = string(pull.State), pull.URL, report.Cut(pull.Title, 255)
	s.HeadSHA, s.MergeSHA, s.ObservedGeneration = pull.HeadSHA, pull.MergeSHA, pr.Generation
	wanted := report.Progressing(v1alpha1.ReasonOpen, "waits for its reviewers: "+pull.URL)
	switch pull.State {
	case forge.Merged:
		wanted, result = report.Ready(v1alpha1.ReasonMerged, "merged as "+pull.MergeSHA), ctrl.Result{}
	case forge.Closed:
		wanted = report.Stalled(v1alpha1.ReasonClosed, "closed without being merged: the change was not wanted or is not needed any more")
	}
	s.Conditions = report.Merge(s.Conditions, wanted, pr.Generation, now)
	return result
}
