package gate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Status tells what was found, in the bounds of the API, whatever a certificate says.
func TestVerificationInStatus(t *testing.T) {
	at := func(t time.Time) *metav1.Time { m := metav1.NewTime(t); return &m }
	got := Verification(verify.Result{
		Policies: []string{"p"}, Authority: "a", Signer: "ada@example.com", Identity: "ada@example.com", Issuer: "https://issuer", Format: "bundle",
		LogIndex: ptr.To[int64](7), SignedAt: noon().Add(-time.Hour), VerifiedAt: noon().Add(-time.Minute)}, noon())
	want := &v1alpha1.Verification{Policies: []string{"p"}, Authority: "a", Signer: "ada@example.com", Issuer: "https://issuer", Format: "bundle",
		LogIndex: ptr.To[int64](7), SignedAt: at(noon().Add(-time.Hour)), VerifiedAt: at(noon().Add(-time.Minute))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got = Verification(verify.Result{}, noon()); got.SignedAt != nil || got.LogIndex != nil || !got.VerifiedAt.Time.Equal(noon()) {
		t.Errorf("of a result that says nothing: %+v", got)
	}
	long := strings.Repeat("é", 3000)
	got = Verification(verify.Result{Format: "none", LogIndex: ptr.To[int64](-1), Policies: slicesOf(40, long), Authority: long, Signer: long, Issuer: long}, noon())
	if got.Format != "" || got.LogIndex != nil || len(got.Policies) != 16 || len(got.Policies[0]) > 253 || len(got.Authority) > 253 || len(got.Signer) > 1024 || len(got.Issuer) > 512 {
		t.Errorf("a status that the API server does not take: %+v", got)
	}
}

func slicesOf(n int, text string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = text
	}
	return out
}

func TestWarningsAreToldOnce(t *testing.T) {
	c := manySteps(3)
	for i := range c.Run.Steps {
		c.Results = append(c.Results, verify.Result{Signer: fmt.Sprint("s", i), Warnings: []string{"policy next is not satisfied"}})
	}
	signers, warnings := c.Told()
	if fmt.Sprint(signers, warnings) != "[s00 by s0 s01 by s1 s02 by s2] [step s00: policy next is not satisfied]" {
		t.Error(signers, warnings)
	}
	c.Now = noon()
	if facts := c.Facts(); len(facts) != 3 || facts[2].Image != c.Images[2].String() || facts[2].Signer != "s2" {
		t.Errorf("%+v", facts)
	}
}

// Before all images have passed there is no result: a caller that tells who
// signed cannot tell it of half a run.
func TestNoResultsOfHalfARun(t *testing.T) {
	c := manySteps(3)
	s := &slow{refused: map[string]error{c.Run.Steps[2].Image: run.Refuse(v1alpha1.ReasonImageUnsigned, "no")}}
	if v := (Signature{s}).Check(t.Context(), c); v.Kind != run.Refused || c.Results != nil {
		t.Errorf("verdict %+v, results %+v", v, c.Results)
	}
}
