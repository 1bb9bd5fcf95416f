package gate

import (
	"context"
	"fmt"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Images reads the registry.
type Images interface {
	// Resolve finds the digest of a reference; it reads the registry.
	Resolve(ctx context.Context, ref string, who verify.Subject) (verify.Image, error)
}

// Files reads files inside images.
type Files interface {
	// ReadFile reads one file of an image by its digest.
	ReadFile(ctx context.Context, img verify.Image, path string, who verify.Subject) ([]byte, error)
}

// Digest pins every image: what a tag means is asked once.
type Digest struct{ Images Images }

// Name returns "digest".
func (Digest) Name() string { return "digest" }

// Check resolves each step's image and writes the digest into the step.
func (d Digest) Check(ctx context.Context, c *Case) run.Verdict {
	c.Images = make([]verify.Image, len(c.Run.Steps))
	for i := range c.Run.Steps {
		img, err := d.Images.Resolve(ctx, c.Run.Steps[i].Image, c.subject(i))
		if err != nil {
			return judge(stepError(c, i, err), c)
		}
		c.Images[i], c.Run.Steps[i].Image = img, img.String()
	}
	return run.Pass()
}

// Signature lets only images through that the policies' signers signed.
type Signature struct{ Verifier verify.Verifier }

// Name returns "signature".
func (Signature) Name() string { return "signature" }

// Check verifies each image by its digest.
func (s Signature) Check(ctx context.Context, c *Case) run.Verdict {
	c.Results = make([]verify.Result, len(c.Images))
	for i, img := range c.Images {
		result, err := s.Verifier.Verify(ctx, img, c.subject(i))
		if err != nil {
			return judge(stepError(c, i, err), c)
		}
		c.Results[i] = result
	}
	return run.Pass()
}

// Contract reads what each action says of itself, from the verified digest.
type Contract struct{ Files Files }

// Name returns "contract".
func (Contract) Name() string { return "contract" }

// Check reads and parses each contract; a step that names a type must name the
// contract's.
func (k Contract) Check(ctx context.Context, c *Case) run.Verdict {
	c.Contracts = make([]contract.Contract, len(c.Images))
	for i, img := range c.Images {
		data, err := k.Files.ReadFile(ctx, img, v1alpha1.ContractPath, c.subject(i))
		if err != nil {
			return judge(stepError(c, i, err), c)
		}
		parsed, err := contract.Parse(data)
		if err != nil {
			return refuse(v1alpha1.ReasonContractInvalid, fmt.Sprintf("step %s: the contract in %s cannot be used: %v", c.Run.Steps[i].Name, img, err))
		}
		step := &c.Run.Steps[i]
		if step.ActionType != "" && contract.CanonicalType(step.ActionType) != contract.CanonicalType(parsed.Spec.ActionType) {
			return refuse(v1alpha1.ReasonContractMismatch,
				fmt.Sprintf("step %s asks for action type %s and image %s is %s: mend actionType or the image", step.Name, step.ActionType, img, parsed.Spec.ActionType))
		}
		step.ActionType, c.Contracts[i] = parsed.Spec.ActionType, parsed
	}
	return run.Pass()
}

// stepError says of which step an error is, and keeps its class.
func stepError(c *Case, i int, err error) error {
	name := c.Run.Steps[i].Name
	if r, ok := run.AsRefusal(err); ok {
		return &run.Refusal{Reason: r.Reason, Message: fmt.Sprintf("step %s: %s", name, r.Message)}
	}
	if w, ok := run.AsWait(err); ok {
		return &run.Wait{Reason: w.Reason, Until: w.Until, Message: fmt.Sprintf("step %s: %s", name, w.Message)}
	}
	return fmt.Errorf("step %s: %w", name, err)
}
