package action

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	// goodFor is how long a judgement stands: certificates expire and
	// signatures are taken back without an event in the cluster.
	goodFor = time.Hour
	// lookAgain is when a refused image is judged again: signing it is no event
	// in the cluster either.
	lookAgain = 5 * time.Minute
	// conflictDelay gives the cache time to see a write that came before ours.
	conflictDelay = 50 * time.Millisecond
)

// finish writes what was found and says when to look again.
func (r *Reconciler) finish(ctx context.Context, p *pass, err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	}
	result := ctrl.Result{RequeueAfter: r.opts.Jitter(goodFor)}
	wanted := p.verified(err)
	refusal, refused := run.AsRefusal(err)
	switch {
	case err == nil:
		err = p.succeed(wanted)
	case refused:
		p.forget()
		p.obj.Status.ObservedGeneration = p.obj.Generation
		p.conditions(append(report.Stalled(refusal.Reason, refusal.Message), wanted...))
		result.RequeueAfter, err = r.opts.Jitter(lookAgain), nil
	default:
		p.conditions(append(report.Retrying(v1alpha1.ReasonRegistryUnavailable, err.Error()), wanted...))
		result = ctrl.Result{}
	}
	if token, ok := meta.ReconcileAnnotationValue(p.obj.GetAnnotations()); ok {
		p.obj.Status.LastHandledReconcileAt = report.Cut(token, 64)
	}
	written := r.record.Write(ctx, p.stored, p.obj, report.Events(p.stored.Status.Conditions, p.obj.Status.Conditions))
	if apierrors.IsConflict(written) {
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	}
	if written != nil {
		return ctrl.Result{}, client.IgnoreNotFound(written)
	}
	// The queue waits longer each time that an error is returned.
	return result, err
}

// succeed keeps what the verified image says of itself.
func (p *pass) succeed(verified []metav1.Condition) error {
	s := &p.obj.Status
	// The API server orders keys in its own way, so that the text of the same
	// contract would always look new.
	if hash := contract.Hash(p.document); s.ContractHash != hash || s.Contract == nil {
		text, err := json.Marshal(p.contract)
		if err != nil {
			return fmt.Errorf("encode contract: %w", err)
		}
		s.ContractHash, s.Contract = hash, &apiextensionsv1.JSON{Raw: text}
	}
	s.ObservedGeneration = p.obj.Generation
	s.Digest, s.Signer = p.image.Digest, report.Cut(p.verdict.Signer, 1024)
	s.Verification = gate.Verification(*p.verdict, p.now)
	policies := strings.Join(p.verdict.Policies, ", ")
	p.conditions(append(report.Ready(v1alpha1.ReasonSucceeded,
		fmt.Sprintf("%s %s, signed by %s as %s demands", p.contract.Spec.ActionType, p.contract.Metadata.Version, p.verdict.Signer, policies)), verified...))
	return nil
}

// forget takes back what another image said of itself.
func (p *pass) forget() {
	s := &p.obj.Status
	s.Digest, s.Signer, s.Verification, s.ContractHash, s.Contract = "", "", nil, "", nil
}

func (p *pass) conditions(wanted []metav1.Condition) {
	s := &p.obj.Status
	s.Conditions = report.Merge(s.Conditions, wanted, p.obj.Generation, p.now)
}
