package gate

import (
	"cmp"

	"github.com/kubernaut/kubernaut/internal/names"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// subject is for whom the image of a step is judged: the Job that it will be.
// It is the same when the run is admitted and when the step starts. An account
// that is made for the step does not exist yet; it pulls with the secrets of
// the namespace's default account, and so that one stands for it.
func (c *Case) subject(i int) verify.Subject {
	step := c.Run.Steps[i]
	object := cmp.Or(c.Object, names.Step(c.Run.Name, step.Name))
	return verify.Subject{
		Namespace: c.Run.Namespace, ServiceAccount: cmp.Or(step.ServiceAccount, "default"),
		Kind: "Job", Group: "batch", Version: "v1", Labels: names.StepLabels(c.Run.Name, step.Name, object),
	}
}
