package gate

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Verification is what status tells of a result, within the bounds of the API.
func Verification(r verify.Result, now time.Time) *v1alpha1.Verification {
	if r.VerifiedAt.IsZero() {
		r.VerifiedAt = now
	}
	v := &v1alpha1.Verification{
		Authority: report.Cut(r.Authority, 253), Signer: report.Cut(r.Signer, 1024), Issuer: report.Cut(r.Issuer, 512),
		SignedAt: seconds(r.SignedAt), VerifiedAt: seconds(r.VerifiedAt),
	}
	// What the API server would not take may not keep a status from being written.
	if r.Format == "legacy" || r.Format == "bundle" {
		v.Format = r.Format
	}
	if r.LogIndex != nil && *r.LogIndex >= 0 {
		v.LogIndex = r.LogIndex
	}
	for _, name := range r.Policies[:min(16, len(r.Policies))] {
		v.Policies = append(v.Policies, report.Cut(name, 253))
	}
	return v
}

func seconds(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	m := metav1.NewTime(t.Truncate(time.Second))
	return &m
}

// Told lists who signed the image of each step, and what policies that only
// warn have against it; what holds for several steps is told of the first.
func (c *Case) Told() (signers, warnings []string) {
	var known []string
	for i, r := range c.Results {
		signers = append(signers, fmt.Sprintf("%s by %s", c.Run.Steps[i].Name, r.Signer))
		for _, w := range r.Warnings {
			if !slices.Contains(known, w) {
				known = append(known, w)
				warnings = append(warnings, fmt.Sprintf("step %s: %s", c.Run.Steps[i].Name, w))
			}
		}
	}
	return signers, warnings
}

// Facts tells of each step's image why it may run.
func (c *Case) Facts() []v1alpha1.VerifiedImage {
	out := make([]v1alpha1.VerifiedImage, 0, len(c.Results))
	for i, r := range c.Results {
		out = append(out, v1alpha1.VerifiedImage{Image: c.Images[i].String(), Verification: *Verification(r, c.Now)})
	}
	return out
}
