package action

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/run"
)

// begin takes back Ready=True of an older generation before anything is asked
// that takes time.
func (r *Reconciler) begin(ctx context.Context, p *pass) error {
	ready := report.Find(p.obj.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.ObservedGeneration == p.obj.Generation {
		return nil
	}
	p.forget()
	p.conditions(report.Progressing(v1alpha1.ReasonProgressing, "verifying "+p.obj.Spec.Image))
	if err := r.record.Write(ctx, p.stored, p.obj, nil); err != nil {
		return err
	}
	p.stored = p.obj.DeepCopy()
	return nil
}

// resolve reads the reference and asks whether the digest exists.
func (r *Reconciler) resolve(ctx context.Context, p *pass) (err error) {
	p.image, err = r.needs.Images.Resolve(ctx, p.obj.Spec.Image, p.who)
	if err != nil {
		return fmt.Errorf("resolve image: %w", err)
	}
	return nil
}

func (r *Reconciler) verify(ctx context.Context, p *pass) error {
	verdict, err := r.needs.Verifier.Verify(ctx, p.image, p.who)
	if err != nil {
		return fmt.Errorf("verify image: %w", err)
	}
	p.verdict = &verdict
	return nil
}

func (r *Reconciler) read(ctx context.Context, p *pass) (err error) {
	p.document, err = r.needs.Files.ReadFile(ctx, p.image, v1alpha1.ContractPath, p.who)
	if err != nil {
		return fmt.Errorf("read contract: %w", err)
	}
	if p.contract, err = contract.Parse(p.document); err != nil {
		return run.Refuse(v1alpha1.ReasonContractInvalid, "%s of %s: %v", v1alpha1.ContractPath, p.image, err)
	}
	return nil
}

// match refuses an image that is another action than the one that is claimed.
func (r *Reconciler) match(_ context.Context, p *pass) error {
	claimed, found := p.obj.Spec, p.contract
	if contract.CanonicalType(claimed.Type) != contract.CanonicalType(found.Spec.ActionType) {
		return run.Refuse(v1alpha1.ReasonContractMismatch, "spec.type is %s, the contract in %s says %s", claimed.Type, p.image, found.Spec.ActionType)
	}
	if claimed.Version != found.Metadata.Version {
		return run.Refuse(v1alpha1.ReasonContractMismatch, "spec.version is %s, the contract in %s says %s", claimed.Version, p.image, found.Metadata.Version)
	}
	return nil
}

// verified returns the condition that says what became of the signature.
// Nothing was found out where the registry did not answer.
func (p *pass) verified(err error) []metav1.Condition {
	_, refused := run.AsRefusal(err)
	switch {
	case p.verdict != nil:
		return []metav1.Condition{report.Passed("signed by "+p.verdict.Signer, p.verdict.Warnings)}
	case refused:
		why, _ := run.AsRefusal(err)
		return []metav1.Condition{report.Verified(metav1.ConditionFalse, why.Reason, why.Message)}
	}
	if c := report.Find(p.obj.Status.Conditions, v1alpha1.ConditionVerified); c != nil {
		return []metav1.Condition{*c}
	}
	return nil
}
