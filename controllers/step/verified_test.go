package step

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// told lists the events so far.
func (w *world) told() []string {
	var out []string
	for len(w.events.Events) > 0 {
		out = append(out, <-w.events.Events)
	}
	return out
}

// What was found is written down with the Job still to come, with an event, and
// stays to the end.
func TestWhyAnImageMayRunIsTold(t *testing.T) {
	w := newWorld(t, action())
	w.verifier.Allow(digest(), verify.Result{Signer: "ada", Policies: []string{"ours", "next"}, Authority: "release", Format: "bundle",
		LogIndex: ptr.To[int64](7), SignedAt: w.now, Warnings: []string{"policy next wants another key"}})
	w.settle()
	if all := strings.Join(w.told(), "\n"); !strings.Contains(all, "Warning VerifiedWithWarnings warning: policy next wants another key; signed by ada") {
		t.Errorf("events:\n%s", all)
	}
	s, at := w.action().Status, metav1.NewTime(w.now)
	want := &v1alpha1.Verification{Policies: []string{"ours", "next"}, Authority: "release", Signer: "ada", Format: "bundle", LogIndex: ptr.To[int64](7), SignedAt: &at, VerifiedAt: &at}
	if diff := cmp.Diff(want, s.Verification); diff != "" {
		t.Errorf("verification (-want +got):\n%s", diff)
	}
	if c := report.Find(s.Conditions, v1alpha1.ConditionVerified); c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "policy next wants another key") {
		t.Errorf("Verified = %+v", c)
	}
}

func TestARefusedImageIsToldOnce(t *testing.T) {
	ae := action()
	ae.Spec.Image = "registry.example.com/demo@sha256:" + strings.Repeat("2", 64)
	w := newWorld(t, ae)
	w.settle()
	if all := w.told(); len(all) != 1 || !strings.HasPrefix(all[0], "Warning ImageUnsigned ") {
		t.Errorf("events: %q", all)
	}
}
