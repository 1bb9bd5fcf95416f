package catalog

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	manifests "github.com/kubernaut/kubernaut/catalog"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// fetch brings the revision, unless it is published and intact.
func (r *Reconciler) fetch(ctx context.Context, p *pass) error {
	src, err := r.needs.Open(ctx, p.obj)
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	have := ""
	if p.settled() {
		have = p.obj.Status.LastAppliedRevision
	}
	if p.snapshot, err = src.Fetch(ctx, have); err != nil {
		return &fetchError{err}
	}
	p.obj.Status.LastAttemptedRevision = p.snapshot.Revision
	if p.snapshot.Tree == nil {
		return errSame
	}
	return nil
}

// fetchError marks what went wrong between us and the source.
type fetchError struct{ cause error }

func (e *fetchError) Error() string { return "fetch source: " + e.cause.Error() }
func (e *fetchError) Unwrap() error { return e.cause }

// settled says whether fetching the published revision again could change
// nothing. Where commits are verified it could: keys come and go.
func (p *pass) settled() bool {
	s := p.obj.Status
	ready := report.Find(s.Conditions, v1alpha1.ConditionReady)
	_, asked := requested(p.obj)
	return ready != nil && ready.Status == metav1.ConditionTrue && s.ObservedGeneration == p.obj.Generation &&
		s.LastAppliedRevision != "" && !asked && !p.verifies() && p.intact()
}

func (p *pass) verifies() bool { return p.obj.Spec.Git != nil && p.obj.Spec.Git.Verify != nil }

// verify holds the commit against the trusted keys.
func (r *Reconciler) verify(ctx context.Context, p *pass) error {
	if !p.verifies() {
		return nil
	}
	name := p.obj.Spec.Git.Verify.SecretRef.Name
	var keys corev1.Secret
	err := r.live.Get(ctx, client.ObjectKey{Namespace: p.obj.Namespace, Name: name}, &keys)
	if apierrors.IsNotFound(err) {
		return run.WaitFor(v1alpha1.ReasonDependencyNotReady, time.Time{}, "Secret %s/%s with the trusted keys does not exist: create it", p.obj.Namespace, name)
	}
	if err != nil {
		return fmt.Errorf("read trusted keys: %w", err)
	}
	if p.snapshot.Commit == nil {
		err = run.Refuse(v1alpha1.ReasonVerificationFailed, "revision %s came without a commit to verify", p.snapshot.Revision)
		p.sign(metav1.ConditionFalse, v1alpha1.ReasonVerificationFailed, err.Error())
		return err
	}
	signer, err := r.needs.Verify(*p.snapshot.Commit, keys.Data)
	if err != nil {
		p.sign(metav1.ConditionFalse, v1alpha1.ReasonVerificationFailed, err.Error())
		return err
	}
	p.sign(metav1.ConditionTrue, v1alpha1.ReasonVerified, fmt.Sprintf("%s is signed by %s", p.snapshot.Revision, signer))
	return nil
}

func (p *pass) sign(status metav1.ConditionStatus, reason, message string) {
	p.signed = &metav1.Condition{Type: v1alpha1.ConditionSourceVerified, Status: status, Reason: reason, Message: report.Cut(message, maxMessage)}
}

// load builds and lints the tree.
func (r *Reconciler) load(_ context.Context, p *pass) error {
	set, findings := manifests.Load(p.snapshot.Tree, p.obj.Spec.Path)
	p.set = set
	return p.refuse(findings)
}
