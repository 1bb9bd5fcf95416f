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

// Digest pins every image: what a tag means is asked once, for all steps of a
// run that name it.
type Digest struct{ Images Images }

// Name returns "digest".
func (Digest) Name() string { return "digest" }

// Check resolves each step's image and writes the digest into the step.
func (d Digest) Check(ctx context.Context, c *Case) run.Verdict {
	// What is read, with whose pull secrets, and the first step that asks for it.
	type wanted struct{ ref, account string }
	of, first, asked := make([]int, len(c.Run.Steps)), map[wanted]int{}, []int{}
	for i, step := range c.Run.Steps {
		w := wanted{step.Image, c.subject(i).ServiceAccount}
		if _, known := first[w]; !known {
			first[w] = i
			asked = append(asked, i)
		}
		of[i] = first[w]
	}
	found := make([]verify.Image, len(c.Run.Steps))
	err := each(len(asked), func(n int) (err error) {
		i := asked[n]
		found[i], err = d.Images.Resolve(ctx, c.Run.Steps[i].Image, c.subject(i))
		return stepError(c, i, err)
	})
	if err != nil {
		return judge(err, c)
	}
	c.Images = make([]verify.Image, len(c.Run.Steps))
	for i := range c.Run.Steps {
		c.Images[i] = found[of[i]]
		c.Run.Steps[i].Image = c.Images[i].String()
	}
	return run.Pass()
}

// Signature lets only images through that the policies' signers signed.
type Signature struct{ Verifier verify.Verifier }

// Name returns "signature".
func (Signature) Name() string { return "signature" }

// Check verifies each image by its digest.
func (s Signature) Check(ctx context.Context, c *Case) run.Verdict {
	if len(c.Images) != len(c.Run.Steps) {
		return refuse(v1alpha1.ReasonInvalid, fmt.Sprintf("%d steps have %d images: this controller was built wrongly", len(c.Run.Steps), len(c.Images)))
	}
	results := make([]verify.Result, len(c.Images))
	err := each(len(c.Images), func(i int) (err error) {
		results[i], err = s.Verifier.Verify(ctx, c.Images[i], c.subject(i))
		return stepError(c, i, err)
	})
	if err != nil {
		return judge(err, c)
	}
	c.Results = results
	return run.Pass()
}

// Contract reads what each action says of itself, from the verified digest.
type Contract struct{ Files Files }

// Name returns "contract".
func (Contract) Name() string { return "contract" }

// Check reads and parses each contract; a step that names a type must name the
// contract's.
func (k Contract) Check(ctx context.Context, c *Case) run.Verdict {
	contracts := make([]contract.Contract, len(c.Images))
	err := each(len(c.Images), func(i int) (err error) {
		contracts[i], err = k.read(ctx, c, i)
		return err
	})
	if err != nil {
		return judge(err, c)
	}
	for i, parsed := range contracts {
		c.Run.Steps[i].ActionType = parsed.Spec.ActionType
	}
	c.Contracts = contracts
	return run.Pass()
}

func (k Contract) read(ctx context.Context, c *Case, i int) (contract.Contract, error) {
	step, img := c.Run.Steps[i], c.Images[i]
	data, err := k.Files.ReadFile(ctx, img, v1alpha1.ContractPath, c.subject(i))
	if err != nil {
		return contract.Contract{}, stepError(c, i, err)
	}
	parsed, err := contract.Parse(data)
	if err != nil {
		return contract.Contract{}, run.Refuse(v1alpha1.ReasonContractInvalid, "step %s: the contract in %s cannot be used: %v", step.Name, img, err)
	}
	if step.ActionType != "" && contract.CanonicalType(step.ActionType) != contract.CanonicalType(parsed.Spec.ActionType) {
		return contract.Contract{}, run.Refuse(v1alpha1.ReasonContractMismatch,
			"step %s asks for action type %s and image %s is %s: mend actionType or the image", step.Name, step.ActionType, img, parsed.Spec.ActionType)
	}
	return parsed, nil
}

// stepError says of which step an error is, and keeps its class.
func stepError(c *Case, i int, err error) error {
	if err == nil {
		return nil
	}
	name := c.Run.Steps[i].Name
	if r, ok := run.AsRefusal(err); ok {
		return &run.Refusal{Reason: r.Reason, Message: fmt.Sprintf("step %s: %s", name, r.Message)}
	}
	if w, ok := run.AsWait(err); ok {
		return &run.Wait{Reason: w.Reason, Until: w.Until, Message: fmt.Sprintf("step %s: %s", name, w.Message)}
	}
	return fmt.Errorf("step %s: %w", name, err)
}
