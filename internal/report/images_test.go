package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// typical is what status tells of an image that a workflow of a forge signed.
func typical(i int) v1alpha1.VerifiedImage {
	at := metav1.NewTime(noon())
	return v1alpha1.VerifiedImage{
		Image: fmt.Sprintf("registry.example.com/kubernaut/actions/action-%02d@sha256:%064d", i, i),
		Verification: v1alpha1.Verification{Policies: []string{"kubernaut-actions"}, Authority: "release", Format: "bundle",
			Signer:   "https://github.com/kubernaut/kubernaut/.github/workflows/release.yaml@refs/tags/v1.2.3",
			Issuer:   "https://token.actions.githubusercontent.com",
			LogIndex: ptr.To[int64](123456789), SignedAt: &at, VerifiedAt: &at},
	}
}

// Each image is told once; what a run holds of them is bounded, whatever they are.
func TestImagesOfARun(t *testing.T) {
	var all []v1alpha1.VerifiedImage
	for i := range 96 {
		all = append(all, typical(i%60), typical(i))
	}
	got := Images(all)
	if len(got) < 22 {
		t.Errorf("%d images of usual size are told", len(got))
	}
	for i, img := range got {
		if img.Image != all[2*i].Image {
			t.Errorf("image %d is %s", i, img.Image)
		}
	}
	for i := range all {
		all[i].Signer, all[i].Issuer = strings.Repeat("<", 1024), strings.Repeat("\x01", 512)
	}
	raw, err := json.Marshal(Images(all))
	if err != nil || len(raw) > maxImages+1 {
		t.Errorf("%d bytes, error %v; at most %d are wanted", len(raw), err, maxImages)
	}
}

// What a policy has to say that only warns comes before what cuts it off.
func TestWarningsOfPolicies(t *testing.T) {
	long := strings.Repeat("x", 2*maxMessage)
	if c := Passed(long, nil); c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonVerified {
		t.Errorf("%+v", c)
	}
	c := Passed(long, []string{"policy a is not satisfied", "policy b is not satisfied"})
	if c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonVerifiedWithWarnings || !strings.HasPrefix(c.Message, "warning: policy a is not satisfied; policy b is not satisfied; xxx") {
		t.Errorf("%+v", c)
	}
}

func TestEventsOfTheSignatureGate(t *testing.T) {
	ready, stalled := Progressing(v1alpha1.ReasonProgressing, "on"), Stalled(v1alpha1.ReasonImageUnsigned, "image x is unsigned")
	good, warned := Passed("signed by ada", nil), Passed("signed by ada", []string{"w"})
	bad := Verified(metav1.ConditionFalse, v1alpha1.ReasonImageUnsigned, "image x is unsigned")
	for name, c := range map[string]struct {
		old, now []metav1.Condition
		want     []Event
	}{
		"passed":        {ready, append(ready[:2:2], good), []Event{{"Normal", "Verified", "signed by ada"}}},
		"with warnings": {ready, append(ready[:2:2], warned), []Event{{"Warning", "VerifiedWithWarnings", "warning: w; signed by ada"}}},
		"once":          {append(ready[:2:2], good), append(ready[:2:2], good), nil},
		"refused":       {ready, append(stalled[:2:2], bad), []Event{{"Warning", "ImageUnsigned", "image x is unsigned"}}},
		"refused later": {append(ready[:2:2], good), append(ready[:2:2], bad), []Event{{"Warning", "ImageUnsigned", "image x is unsigned"}}},
		"both":          {nil, append(ready[:2:2], good), []Event{{"Normal", "Progressing", "on"}, {"Normal", "Verified", "signed by ada"}}},
	} {
		if diff := cmp.Diff(c.want, Events(c.old, c.now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
